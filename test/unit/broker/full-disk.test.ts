/** What clients are told while the disk is full, and that room can be made through the broker. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { createTopics, deleteTopics } from '../../../src/client/admin.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import type { ApiName, RequestInput, ResponseOf } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { batchOf, type RawClient } from '../../conformance/raw-client.ts'
import { openBroker, type OpenBroker } from './open-broker.ts'

const reserveBytes = 200_000
const events: string[] = []
let open: OpenBroker
let cluster: Cluster
let producer: Producer
let client: RawClient

before(async () => {
  open = await openBroker({
    store: { reserveBytes },
    report: ({ type }) => events.push(type),
  })
  await until('it has its reserve', () => open.disk.paths().includes('data/reserve'))
  const ports = { dial: open.broker.dial, clock: nodeClock, random: nodeRandom }
  cluster = await Cluster.connect({ ...ports, bootstrap: [{ host: 'here', port: 1 }] })
  for (const name of ['flights', 'large']) await createTopics(cluster, [{ name, partitions: 1 }])
  producer = new Producer(cluster)
  await producer.init()
  for (let at = 0; at < 100; at++) {
    producer.append('large', 0, 1, null, new Uint8Array(10_000).fill(at))
  }
  await write('first')
  open.disk.freeBytes = 0
  await write('second')
  client = await open.client()
})
after(async () => {
  await producer.close()
  await cluster.close()
  await open.broker.close()
})

async function write(value: string): Promise<void> {
  producer.append('flights', 0, 1, null, utf8Bytes(value))
  await producer.flush()
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!isSo()) {
    assert(performance.now() < deadline, `not in time: ${what}`)
    await delay(10)
  }
}

async function highWatermark(): Promise<number> {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1e6 }]
  const asked = {
    maxBytes: 1e6,
    minBytes: 1,
    maxWaitMs: 100,
    topics: [{ topic: 'flights', partitions }],
  }
  const { responses } = await client.ask('Fetch', 12, asked)
  const [found] = responses[0]!.partitions
  assert(found!.records!.length > 0)
  return found!.highWatermark
}

const topics = [{ name: 'flights', partitions: [{ partitionIndex: 0, committedOffset: 1 }] }]
const member = { groupId: 'board', generationIdOrMemberEpoch: -1, memberId: '' }
const transaction = { transactionalId: 'tx', producerId: 1, producerEpoch: 0 }
const full = 'the simulated disk is full: this failure was planned'
const records = batchOf(['no'])

/** Every request that is refused: a version, what is asked, and what is found in the answer. */
const refused: {
  readonly [N in ApiName]?: readonly [
    version: number,
    request: RequestInput<N>,
    found: (answer: ResponseOf<N>) => unknown,
    expected?: unknown,
  ]
} = {
  Produce: [
    9,
    {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: 'flights', partitionData: [{ index: 0, records }] }],
    },
    ({ responses }) => {
      const { errorCode, errorMessage } = responses[0]!.partitionResponses[0]!
      return [errorCode, errorMessage]
    },
    [ErrorCode.KAFKA_STORAGE_ERROR, full],
  ],
  CreateTopics: [
    7,
    { topics: [{ name: 'new', numPartitions: 1, replicationFactor: 1 }] },
    (answer) => [answer.topics[0]!.errorCode, answer.topics[0]!.errorMessage],
    [ErrorCode.KAFKA_STORAGE_ERROR, full],
  ],
  CreatePartitions: [
    3,
    { topics: [{ name: 'flights', count: 2, assignments: null }] },
    ({ results }) => [results[0]!.errorCode, results[0]!.errorMessage],
    [ErrorCode.KAFKA_STORAGE_ERROR, full],
  ],
  OffsetCommit: [8, { ...member, topics }, (answer) => answer.topics[0]!.partitions[0]!.errorCode],
  TxnOffsetCommit: [
    3,
    { ...transaction, ...member, topics },
    (answer) => answer.topics[0]!.partitions[0]!.errorCode,
  ],
  AddPartitionsToTxn: [
    4,
    { transactions: [{ ...transaction, topics: [{ name: 'flights', partitions: [0] }] }] },
    ({ resultsByTransaction }) =>
      resultsByTransaction[0]!.topicResults[0]!.resultsByPartition[0]!.partitionErrorCode,
  ],
  AddOffsetsToTxn: [3, { ...transaction, groupId: 'board' }, ({ errorCode }) => errorCode],
  InitProducerId: [
    4,
    { transactionalId: null, transactionTimeoutMs: 1000 },
    ({ errorCode }) => errorCode,
  ],
}

describe('a broker whose disk is full', () => {
  it('tells its operator', () => {
    assert.deepEqual(
      events.filter((type) => type.startsWith('disk')),
      ['disk-full'],
    )
  })

  for (const [api, [version, request, found, expected]] of Object.entries(refused)) {
    it(`refuses ${api}, by a code on which clients try again`, async () => {
      const answer = await client.ask(api as 'Produce', version, request as never)
      const retriable = expected ?? ErrorCode.COORDINATOR_NOT_AVAILABLE
      assert.deepEqual((found as (answer: unknown) => unknown)(answer), retriable)
    })
  }

  it('closes the connection of who wants no acknowledgement, so that it is heard', async () => {
    const deaf = await open.client()
    const topicData = [{ name: 'flights', partitionData: [{ index: 0, records }] }]
    await assert.rejects(deaf.ask('Produce', 9, { acks: 0, timeoutMs: 1000, topicData }))
    assert(events.includes('connection-refused'))
  })

  it('makes no topic that someone asks for by name', async () => {
    const { topics: found } = await client.ask('Metadata', 9, { topics: [{ name: 'unknown' }] })
    assert.equal(found[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  })

  it('is read from, and groups are joined', async () => {
    assert.equal(await highWatermark(), 2)
    const joined = await client.ask('JoinGroup', 9, {
      groupId: 'board',
      sessionTimeoutMs: 6000,
      rebalanceTimeoutMs: 6000,
      memberId: '',
      groupInstanceId: 'a',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
    })
    assert.equal(joined.errorCode, ErrorCode.NONE)
  })

  it('takes records again when a topic was deleted, those first that waited for it', async () => {
    let isThere = false
    const written = write('third').then(() => (isThere = true))
    await using newcomer = new Producer(cluster)
    const started = newcomer.init()
    await delay(300)
    assert.equal(isThere, false)
    await deleteTopics(cluster, ['large'])
    await Promise.all([written, started])
    assert(events.includes('disk-has-room'))
    assert.equal(await highWatermark(), 3)
  })
})
