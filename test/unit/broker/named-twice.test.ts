/** What a request names more than once, or between things that do not exist, is answered in its place. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { openBroker, type OpenBroker } from './open-broker.ts'

let open: OpenBroker
let client: RawClient

before(async () => {
  open = await openBroker()
  client = await open.client()
  await createTopic(client, 't', 2)
  await produce(client, 't', batchOf(['x']))
})
after(() => open.broker.close())

const { NONE, INVALID_REQUEST, UNKNOWN_TOPIC_OR_PARTITION, OFFSET_METADATA_TOO_LARGE } = ErrorCode

/** Index and code of each partition, topic by topic. */
function codes(
  topics: readonly {
    readonly partitions: readonly { readonly partitionIndex: number; readonly errorCode: number }[]
  }[],
): number[][][] {
  return topics.map(({ partitions }) =>
    partitions.map(({ partitionIndex, errorCode }) => [partitionIndex, errorCode]),
  )
}

describe('a partition that is named twice', () => {
  it('is refused once by ListOffsets, in one topic or in two of the same name', async () => {
    const of = (...indexes: number[]) => ({
      name: 't',
      partitions: indexes.map((partitionIndex) => ({ partitionIndex, timestamp: -1 })),
    })
    const { topics } = await client.ask('ListOffsets', 7, {
      replicaId: -1,
      topics: [of(0, 1), of(0)],
    })
    const expected = [
      [0, INVALID_REQUEST],
      [1, NONE],
    ]
    assert.deepEqual(codes(topics), [expected])
  })

  it('is read once by Fetch, as it was named last', async () => {
    const at = (fetchOffset: number) => ({ partition: 0, fetchOffset, partitionMaxBytes: 1000 })
    const { responses } = await client.ask('Fetch', 12, {
      minBytes: 0,
      maxWaitMs: 0,
      topics: [{ topic: 't', partitions: [at(9), at(0)] }],
    })
    assert.equal(responses[0]!.partitions.length, 1)
    assert.equal(responses[0]!.partitions[0]!.errorCode, NONE)
  })

  it('is shown once by DescribeLogDirs and by Metadata', async () => {
    const { results } = await client.ask('DescribeLogDirs', 4, {
      topics: [
        { topic: 't', partitions: [1, 1, 7] },
        { topic: 't', partitions: [1] },
        { topic: 'nowhere', partitions: [0] },
      ],
    })
    assert.deepEqual(
      results[0]!.topics.map(({ name, partitions }) => [
        name,
        partitions.map(({ partitionIndex }) => partitionIndex),
      ]),
      [['t', [1]]],
    )
    const { topics } = await client.ask('Metadata', 12, { topics: [{ name: 't' }] })
    const { topicId } = topics[0]!
    const twice = await client.ask('Metadata', 12, {
      topics: [
        { topicId, name: null },
        { topicId, name: null },
      ],
    })
    assert.equal(twice.topics.length, 1)
  })

  it('is told its own answer each time when offsets are committed', async () => {
    const partitions = (...list: [index: number, metadata?: string][]) =>
      list.map(([partitionIndex, committedMetadata = '']) => ({
        partitionIndex,
        committedOffset: 1,
        committedMetadata,
      }))
    const tooLong = 'x'.repeat(5_000)
    const asked = [
      { name: 't', partitions: partitions([7], [0], [7], [0, tooLong], [1]) },
      { name: 'nowhere', partitions: partitions([0]) },
      { name: 't', partitions: partitions([1]) },
    ]
    const expected = [
      [
        [7, UNKNOWN_TOPIC_OR_PARTITION],
        [0, NONE],
        [7, UNKNOWN_TOPIC_OR_PARTITION],
        [0, OFFSET_METADATA_TOO_LARGE],
        [1, NONE],
      ],
      [[0, UNKNOWN_TOPIC_OR_PARTITION]],
      [[1, NONE]],
    ]
    const committed = await client.ask('OffsetCommit', 7, { groupId: 'g', topics: asked })
    assert.deepEqual(codes(committed.topics), expected)
    const transactionalId = 'writer'
    const producer = await client.ask('InitProducerId', 4, {
      transactionalId,
      transactionTimeoutMs: 60_000,
    })
    const { producerId, producerEpoch } = producer
    const id = { transactionalId, producerId, producerEpoch }
    const pending = await client.ask('TxnOffsetCommit', 5, { ...id, groupId: 'g', topics: asked })
    assert.deepEqual(codes(pending.topics), expected)
    const deleted = await client.ask('OffsetDelete', 0, {
      groupId: 'g',
      topics: [{ name: 't', partitions: partitions([7], [0], [0]) }],
    })
    const inPlace = [
      [7, UNKNOWN_TOPIC_OR_PARTITION],
      [0, NONE],
      [0, NONE],
    ]
    assert.deepEqual(codes(deleted.topics), [inPlace])
  })
})

describe('what is named twice is told once', () => {
  const setting = (configurationKeys: readonly string[] | null) => ({
    resourceType: 2,
    resourceName: 't',
    configurationKeys,
  })

  it('by DescribeConfigs, with the settings of both', async () => {
    const ask = async (...keys: (readonly string[] | null)[]) => {
      const { results } = await client.ask('DescribeConfigs', 4, { resources: keys.map(setting) })
      return results.map(({ configs }) => configs.map(({ name }) => name))
    }
    const [one, other] = ['retention.bytes', 'retention.ms']
    assert.deepEqual(await ask([one], [other], [one]), [[one, other]])
    const [all] = await ask(null)
    assert(all!.length > 30)
    for (const keys of [
      [[one], null],
      [null, [one]],
      [null, null],
    ]) {
      assert.deepEqual(await ask(...keys), [all])
    }
  })

  it('by OffsetFetch, with what both ask of the group', async () => {
    const partitions = [0, 1].map((partitionIndex) => ({ partitionIndex, committedOffset: 5 }))
    await client.ask('OffsetCommit', 8, { groupId: 'of-two', topics: [{ name: 't', partitions }] })
    const of = (...partitionIndexes: number[]) => [{ name: 't', partitionIndexes }]
    const ask = async (...asked: (ReturnType<typeof of> | null)[]) => {
      const { groups } = await client.ask('OffsetFetch', 8, {
        groups: [
          ...asked.map((topics) => ({ groupId: 'of-two', topics })),
          { groupId: 'nobody', topics: null },
        ],
      })
      return groups.map(({ groupId, topics }) => [
        groupId,
        ...topics.flatMap((topic) => topic.partitions.map(({ partitionIndex }) => partitionIndex)),
      ])
    }
    const whole = [['of-two', 0, 1], ['nobody']]
    assert.deepEqual(await ask(of(0), of(1)), whole)
    assert.deepEqual(await ask(of(0), null), whole)
    assert.deepEqual(await ask(null, of(0)), whole)
    assert.deepEqual(await ask(null, null, null), whole)
  })

  it('by DescribeGroups, DescribeTransactions and DescribeProducers', async () => {
    const { groups } = await client.ask('DescribeGroups', 5, { groups: ['a', 'b', 'a'] })
    assert.deepEqual(
      groups.map(({ groupId }) => groupId),
      ['a', 'b'],
    )
    const { transactionStates } = await client.ask('DescribeTransactions', 0, {
      transactionalIds: ['a', 'b', 'a'],
    })
    assert.deepEqual(
      transactionStates.map(({ transactionalId }) => transactionalId),
      ['a', 'b'],
    )
    const { topics } = await client.ask('DescribeProducers', 0, {
      topics: [
        { name: 't', partitionIndexes: [0, 7, 0] },
        { name: 'nowhere', partitionIndexes: [0] },
        { name: 't', partitionIndexes: [1, 0] },
      ],
    })
    assert.deepEqual(codes(topics), [
      [
        [0, NONE],
        [7, UNKNOWN_TOPIC_OR_PARTITION],
        [1, NONE],
      ],
      [[0, UNKNOWN_TOPIC_OR_PARTITION]],
    ])
  })
})
