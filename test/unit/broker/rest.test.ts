/**
 * Requests with bytes after their end are served as if they had none (librdkafka sends such). Two brokers
 * alike are asked the same, one of them with a rest each time: their answers must be alike to the byte.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { concatBytes, utf8String } from '../../../src/base/bytes.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { apiNames, apis, type ApiName, type RequestInput } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { decodeResponse, encodeRequest } from '../../../src/protocol/frame.ts'
import { seededDraw, simRandom } from '../../../src/testing/seed.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { requestFor } from '../../kafka/requests.ts'
import { openBroker, type OpenBroker } from './open-broker.ts'

/** What librdkafka 2.15 leaves, and what looks like more of a message. */
const rests = [new Uint8Array(3), Uint8Array.of(1, 0, 3, 0x74, 0x75, 0x76, 0xff)]
const noon = 1_000_000_000_000

interface Side extends OpenBroker {
  readonly raw: RawClient
  readonly topicId: string
}

let plain: Side
let other: Side

before(async () => {
  ;[plain, other] = await Promise.all([openSide(), openSide()])
})
after(() => Promise.all([plain.broker.close(), other.broker.close()]))

/** Brokers that draw the same ids and read the same clock. */
async function openSide(): Promise<Side> {
  const clock = { ...nodeClock, now: () => noon }
  const open = await openBroker({ clock, random: simRandom(seededDraw(7)) })
  const raw = await open.client()
  await createTopic(raw, 't', 2)
  await produce(raw, 't', batchOf(['a', 'b'], { timestamp: noon }))
  const { topics } = await raw.ask('Metadata', 12, { topics: [{ name: 't' }] })
  return { ...open, raw, topicId: topics[0]!.topicId }
}

async function answer(
  { raw }: Side,
  api: ApiName,
  version: number,
  body: RequestInput<ApiName>,
  rest = new Uint8Array(0),
): Promise<Uint8Array> {
  const bytes = concatBytes([...encodeRequest(api, version, 5, 'c', body as never), rest])
  new DataView(bytes.buffer, bytes.byteOffset).setInt32(0, bytes.length - 4)
  raw.duplex.write([bytes])
  const frame = await raw.receive()
  assert.ok(frame, `the connection ended on ${api} ${version} with ${rest.length} bytes more`)
  return frame
}

/** Requests that find something, beside those that find nothing. */
function requestsOf(api: ApiName, version: number, topicId: string): RequestInput<ApiName>[] {
  const found = finding[api]?.(version, topicId)
  return found === undefined ? [requestFor(api, version)] : [requestFor(api, version), found]
}

const partition = { partitionIndex: 0 }
let made = 0
const finding: Partial<
  Record<ApiName, (version: number, topicId: string) => RequestInput<ApiName>>
> = {
  Produce: (version, topicId) => {
    const records = batchOf(['c'], { timestamp: noon })
    const name = version < 13 ? { name: 't' } : { topicId }
    const topicData = [{ ...name, partitionData: [{ index: 1, records }] }]
    return { acks: -1, timeoutMs: 1000, topicData } satisfies RequestInput<'Produce'>
  },
  Fetch: (version, topicId) => {
    const asked = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }
    const name = version < 13 ? { topic: 't' } : { topicId }
    const topics = [{ ...name, partitions: [asked] }]
    return { maxWaitMs: 0, maxBytes: 1000, topics } satisfies RequestInput<'Fetch'>
  },
  ListOffsets: () => ({
    replicaId: -1,
    topics: [{ name: 't', partitions: [{ ...partition, timestamp: -2 }] }],
  }),
  Metadata: (version) => ({ topics: version === 0 ? [] : null }),
  OffsetCommit: (version, topicId) => ({
    groupId: 'g',
    topics: [
      {
        ...(version < 10 ? { name: 't' } : { topicId }),
        partitions: [{ ...partition, committedOffset: 1 }],
      },
    ],
  }),
  OffsetFetch: (version) =>
    version < 8
      ? { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] }
      : { groups: [{ groupId: 'g', topics: null }] },
  JoinGroup: () => ({
    groupId: `joined-${made++}`,
    sessionTimeoutMs: 10_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: new Uint8Array(3) }],
  }),
  InitProducerId: () => ({ transactionalId: 'x', transactionTimeoutMs: 1000 }),
  CreateTopics: () => ({
    topics: [{ name: `made-${made++}`, numPartitions: 1, replicationFactor: 1 }],
  }),
  DescribeTopicPartitions: () => ({ topics: [{ name: 't' }], responsePartitionLimit: 10 }),
}

describe('a request with bytes after its end', () => {
  for (const api of apiNames) {
    it(`is answered as without them: ${api} in every version`, async () => {
      const [min, max] = apis[api].versions
      for (let version = min; version <= max; version++) {
        for (const rest of rests) {
          for (const body of requestsOf(api, version, plain.topicId)) {
            const expected = await answer(plain, api, version, body)
            assert.deepEqual(await answer(other, api, version, body, rest), expected)
            // Ours is read to its last byte.
            decodeResponse(api, version, expected)
          }
        }
      }
    })
  }

  it('is served when librdkafka asks for all topics', async () => {
    const frame = await answer(other, 'Metadata', 12, { topics: null }, new Uint8Array(3))
    const { topics } = decodeResponse('Metadata', 12, frame).body
    const found = topics.find(({ name }) => name === 't')
    assert.deepEqual([found?.errorCode, found?.partitions.length], [ErrorCode.NONE, 2])
  })

  it('is not more than the records it holds', async () => {
    const asked = { partition: 1, fetchOffset: 0, partitionMaxBytes: 100_000 }
    const topics = [{ topic: 't', partitions: [asked] }]
    const { responses } = await other.raw.ask('Fetch', 12, { maxWaitMs: 0, topics })
    const { records, highWatermark } = responses[0]!.partitions[0]!
    const sent = 2 * (apis.Produce.versions[1] - apis.Produce.versions[0] + 1)
    assert.equal(highWatermark, sent)
    assert.doesNotMatch(utf8String(records!), /tuv/)
  })
})
