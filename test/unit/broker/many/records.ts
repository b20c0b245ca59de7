/** Requests about the records of many partitions. */
import { BatchBuilder } from '../../../../src/records/record.ts'
import { eachWay, many, more, type ManyItems } from './many-items.ts'
import { each, topicName } from './small-world.ts'

export const records: readonly ManyItems[] = [
  ...eachWay.flatMap(([what, index]) => [
    many('Produce', what, ({ n, ask }) =>
      ask('Produce', 12, {
        acks: -1,
        timeoutMs: 1_000,
        topicData: [
          {
            name: 'wide',
            partitionData: each(n, (i) => ({ index: index(i), records: batch() })),
          },
        ],
      }),
    ),
    many('Fetch', what, ({ n, ask }) => ask('Fetch', 12, fetchRequest(n, index))),
    more('ListOffsets', what, ({ n, ask }) =>
      ask('ListOffsets', 7, {
        replicaId: -1,
        topics: [
          {
            name: 'wide',
            partitions: each(n, (i) => ({ partitionIndex: index(i), timestamp: -1 })),
          },
        ],
      }),
    ),
    more('OffsetForLeaderEpoch', what, ({ n, ask }) =>
      ask('OffsetForLeaderEpoch', 4, {
        topics: [
          { topic: 'wide', partitions: each(n, (i) => ({ partition: index(i), leaderEpoch: 0 })) },
        ],
      }),
    ),
    many('DeleteRecords', what, ({ n, ask }) =>
      ask('DeleteRecords', 2, {
        topics: [
          {
            name: 'wide',
            partitions: each(n, (i) => ({ partitionIndex: index(i), offset: -1 })),
          },
        ],
        timeoutMs: 1_000,
      }),
    ),
    more('DescribeProducers', what, ({ n, ask }) =>
      ask('DescribeProducers', 0, {
        topics: [{ name: 'wide', partitionIndexes: each(n, index) }],
      }),
    ),
    more('DescribeLogDirs', what, ({ n, ask }) =>
      ask('DescribeLogDirs', 4, { topics: [{ topic: 'wide', partitions: each(n, index) }] }),
    ),
  ]),
  many('Fetch', 'in a session', async ({ n, ask }) => {
    const request = fetchRequest(n, (i) => i)
    const { sessionId } = await ask('Fetch', 12, { ...request, sessionEpoch: 0 })
    const forgottenTopicsData = [{ topic: 'wide', partitions: each(n, (i) => i) }]
    const next = { ...request, sessionId, sessionEpoch: 1, forgottenTopicsData }
    return ask('Fetch', 12, next)
  }),
  more('ListOffsets', 'one topic again and again', ({ n, ask }) =>
    ask('ListOffsets', 7, {
      replicaId: -1,
      topics: each(n, () => ({
        name: 'wide',
        partitions: [{ partitionIndex: 0, timestamp: -1 }],
      })),
    }),
  ),
  many('DescribeLogDirs', 'every topic there is', ({ ask }) =>
    ask('DescribeLogDirs', 4, { topics: null }),
  ),
  many('DescribeLogDirs', 'all topics', ({ n, ask }) =>
    ask('DescribeLogDirs', 4, {
      topics: each(n, (i) => ({ topic: topicName(i), partitions: [0] })),
    }),
  ),
]

/** The smallest there is, in the room it takes. */
export function batch(o: Parameters<BatchBuilder['finish']>[0] = {}): Uint8Array {
  const builder = new BatchBuilder(80)
  builder.append(Date.now(), null, null)
  return builder.finish(o)
}

function fetchRequest(n: number, index: (i: number) => number) {
  const partition = { fetchOffset: 0, partitionMaxBytes: 0 }
  return {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1,
    topics: [
      { topic: 'wide', partitions: each(n, (i) => ({ ...partition, partition: index(i) })) },
    ],
  }
}
