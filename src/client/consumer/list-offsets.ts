/** Asking where partitions begin and end, and what lies at a time. */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { leaderCodes } from '../cluster/cluster.ts'
import { backoffMs, sleep } from '../cluster/backoff.ts'
import type { PartitionOffset, TopicPartition } from '../cluster/topic-partition.ts'
import { byTopic, partitionName } from '../cluster/topic-partition.ts'
import { wireError } from '../cluster/wire-error.ts'

/** Places that ListOffsets names by a negative time. */
export const latestTimestamp = -1
export const earliestTimestamp = -2

export interface ListedOffset extends PartitionOffset {
  /** The timestamp of the record found, when asked by a time; -1 otherwise. */
  readonly timestamp: number
  readonly leaderEpoch: number
}

const listTimeoutMs = 60_000

/**
 * The offset of the first record at or after `timestamp` (ms), or one of the places above, for each
 * partition in the order given; offset -1 when no record is that new. Under `read_committed` the end is
 * the last stable offset. `not-found` when a partition does not exist.
 */
export async function listOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  timestamp: number,
  isolation: 'read_committed' | 'read_uncommitted',
): Promise<readonly ListedOffset[]> {
  const found = new Map<string, ListedOffset>()
  const deadline = cluster.clock.monotonic() + listTimeoutMs
  let left = partitions
  for (let attempt = 1; left.length > 0; attempt++) {
    const byLeader = await answerOrNothing(groupByLeader(cluster, left))
    const answers = [...(byLeader ?? [])].map(([nodeId, ofNode]) =>
      askNode(cluster, nodeId, ofNode, timestamp, isolation, found),
    )
    await Promise.all(answers)
    left = left.filter(({ topic, partition }) => !found.has(partitionName(topic, partition)))
    if (left.length === 0) break
    if (cluster.clock.monotonic() > deadline) throw lateError(left[0]!)
    cluster.markStale()
    await sleep(cluster.clock, backoffMs(attempt, cluster.random))
  }
  return partitions.map(({ topic, partition }) => found.get(partitionName(topic, partition))!)
}

async function groupByLeader(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
): Promise<Map<number, TopicPartition[]>> {
  const byLeader = new Map<number, TopicPartition[]>()
  for (const place of partitions) {
    const topic = await cluster.topic(place.topic)
    const leader = topic.partitions[place.partition]
    if (leader === undefined) {
      const name = partitionName(place.topic, place.partition)
      throw wireError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `find ${name}`)
    }
    if (leader.leaderId < 0) continue
    if (byLeader.has(leader.leaderId)) byLeader.get(leader.leaderId)!.push(place)
    else byLeader.set(leader.leaderId, [place])
  }
  return byLeader
}

async function askNode(
  cluster: Cluster,
  nodeId: number,
  partitions: readonly TopicPartition[],
  timestamp: number,
  isolation: 'read_committed' | 'read_uncommitted',
  found: Map<string, ListedOffset>,
): Promise<void> {
  const response = await answerOrNothing(
    cluster.send(nodeId, 'ListOffsets', {
      replicaId: -1,
      isolationLevel: isolation === 'read_committed' ? 1 : 0,
      topics: byTopic(partitions).map(([name, ofTopic]) => ({
        name,
        partitions: ofTopic.map(({ partition }) => ({ partitionIndex: partition, timestamp })),
      })),
      timeoutMs: listTimeoutMs,
    }),
  )
  for (const { name, partitions: ofTopic } of response?.topics ?? []) {
    for (const { partitionIndex, errorCode, offset, timestamp: at, leaderEpoch } of ofTopic) {
      const partition = partitionName(name, partitionIndex)
      if (leaderCodes.includes(errorCode)) continue
      if (errorCode !== ErrorCode.NONE) throw wireError(errorCode, `list offsets of ${partition}`)
      const listed = { topic: name, partition: partitionIndex, offset, timestamp: at, leaderEpoch }
      found.set(partition, listed)
    }
  }
}

/** A broker that is away is asked again; anything else is the caller's to know. */
async function answerOrNothing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (isHeadwaterError(error) && error.retriable) return undefined
    throw error
  }
}

function lateError({ topic, partition }: TopicPartition): HeadwaterError {
  return new HeadwaterError(
    'timeout',
    `the leader of ${partitionName(topic, partition)} did not say its offsets within ${listTimeoutMs} ms: check that its broker is running`,
    { retriable: true },
  )
}
