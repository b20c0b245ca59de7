/** Asking where partitions begin and end, and what lies at a time. */
import type { Cluster } from '../cluster/cluster.ts'
import type { PartitionAnswer } from '../cluster/leaders.ts'
import { askLeaders } from '../cluster/leaders.ts'
import type { PartitionOffset, TopicPartition } from '../cluster/topic-partition.ts'
import { byTopic } from '../cluster/topic-partition.ts'

/** Places that ListOffsets names by a negative time. */
export const latestTimestamp = -1
export const earliestTimestamp = -2

export interface ListedOffset extends PartitionOffset {
  /** The timestamp of the record found, when asked by a time; -1 otherwise. */
  readonly timestamp: number
  readonly leaderEpoch: number
}

const listTimeoutMs = 30_000

type Isolation = 'read_committed' | 'read_uncommitted'

/**
 * The offset of the first record at or after `timestamp` (ms), or one of the places above, for each
 * partition in the order given; offset -1 when no record is that new. Under `read_committed` the end is
 * the last stable offset. `not-found` when a partition does not exist.
 */
export async function listOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  timestamp: number,
  isolation: Isolation,
): Promise<readonly ListedOffset[]> {
  return askLeaders(cluster, partitions, 'list offsets of', (nodeId, led) =>
    askOffsets(cluster, nodeId, led, timestamp, isolation),
  )
}

/** One question to one leader; whoever asks judges the codes. */
export async function askOffsets(
  cluster: Cluster,
  nodeId: number,
  partitions: readonly TopicPartition[],
  timestamp: number,
  isolation: Isolation,
): Promise<readonly PartitionAnswer<ListedOffset>[]> {
  const response = await cluster.send(nodeId, 'ListOffsets', {
    replicaId: -1,
    isolationLevel: isolation === 'read_committed' ? 1 : 0,
    topics: byTopic(partitions).map(([name, ofTopic]) => ({
      name,
      partitions: ofTopic.map(({ partition }) => ({ partitionIndex: partition, timestamp })),
    })),
    timeoutMs: listTimeoutMs,
  })
  return response.topics.flatMap(({ name: topic, partitions: ofTopic }) =>
    ofTopic.map(({ partitionIndex: partition, errorCode, offset, timestamp: at, leaderEpoch }) => ({
      errorCode,
      answer: { topic, partition, offset, timestamp: at, leaderEpoch },
    })),
  )
}
