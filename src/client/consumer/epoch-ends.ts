/** Asking a leader where the epochs ended in which partitions were read last (KIP-320). */
import type { Cluster } from '../cluster/cluster.ts'
import type { PartitionAnswer } from '../cluster/leaders.ts'
import type { TopicPartition } from '../cluster/topic-partition.ts'
import { byTopic } from '../cluster/topic-partition.ts'

interface EpochEnd extends TopicPartition {
  /** -1 when the leader does not know the epoch. */
  readonly endOffset: number
}

/** One question for all the partitions that the broker `nodeId` leads. */
export async function askEpochEnds(
  cluster: Cluster,
  nodeId: number,
  partitions: readonly (TopicPartition & { readonly lastEpoch: number })[],
): Promise<readonly PartitionAnswer<EpochEnd>[]> {
  const response = await cluster.send(nodeId, 'OffsetForLeaderEpoch', {
    replicaId: -1,
    topics: byTopic(partitions).map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition, lastEpoch }) => ({
        partition,
        currentLeaderEpoch: -1,
        leaderEpoch: lastEpoch,
      })),
    })),
  })
  return response.topics.flatMap(({ topic, partitions: ofTopic }) =>
    ofTopic.map(({ partition, errorCode, endOffset }) => ({
      errorCode,
      answer: { topic, partition, endOffset },
    })),
  )
}
