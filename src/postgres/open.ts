/** Claims what the group gave to an instance, and finds where to go on in it. */
import { HeadwaterError } from '../base/errors.ts'
import type { Cluster } from '../client/cluster/cluster.ts'
import type { PartitionOffset } from '../client/cluster/topic-partition.ts'
import { earliestTimestamp, latestTimestamp, listOffsets } from '../client/consumer/list-offsets.ts'
import type { Ownership } from '../client/group/ownership.ts'
import { topicProblem } from '../streams/plan/topics.ts'
import type { Database } from './database.ts'
import { claimPositions, resetPositions } from './positions.ts'
import type { PartitionNow, Positions } from './positions.ts'
import type { PostgresSink } from './sink.ts'
import { startsOf } from './starts.ts'
import type { Start, StartPolicy } from './starts.ts'

export interface Opening {
  readonly cluster: Cluster
  readonly sink: PostgresSink
  readonly options: Partial<StartPolicy>
  readonly database: Database
  readonly ownership: Ownership
}

export interface OpenedPartitions {
  readonly starts: readonly Start[]
  readonly positions: Positions
  readonly ends: readonly PartitionOffset[]
}

export async function openPartitions(o: Opening): Promise<OpenedPartitions> {
  const { cluster, sink, options, database, ownership } = o
  const partitions = await partitionsNow(cluster, ownership)
  await checkCounts(cluster, sink)
  const { onGap = 'stop', onTopicReplaced = 'stop' } = options
  return database.transaction(async (query) => {
    const positions = await claimPositions(query, sink.name, ownership, partitions)
    const starts = startsOf(sink.name, partitions, positions, { onGap, onTopicReplaced })
    const reset = starts.filter(({ isReset }) => isReset)
    await resetPositions(query, sink.name, reset)
    const ends = partitions.map(({ topic, partition, end }) => ({ topic, partition, offset: end }))
    return { starts, positions, ends }
  })
}

async function partitionsNow(cluster: Cluster, { partitions }: Ownership): Promise<PartitionNow[]> {
  if (partitions.length === 0) return []
  const topics = [...new Set(partitions.map(({ topic }) => topic))]
  const ids = new Map(
    await Promise.all(topics.map(async (topic) => [topic, await cluster.topicId(topic)] as const)),
  )
  const [beginnings, ends] = await Promise.all([
    listOffsets(cluster, partitions, earliestTimestamp, 'read_committed'),
    listOffsets(cluster, partitions, latestTimestamp, 'read_uncommitted'),
  ])
  return partitions.map(({ topic, partition }, i) => ({
    topic,
    partition,
    topicId: ids.get(topic)!,
    beginning: beginnings[i]!.offset,
    end: ends[i]!.offset,
  }))
}

/** With other partitions than the contract says, keys would lie in two of them, and their order be lost. */
async function checkCounts(cluster: Cluster, { name, reads }: PostgresSink): Promise<void> {
  for (const { name: topic, partitions } of reads) {
    const actual = await cluster.partitionCount(topic)
    const problem = topicProblem(name, { partitions, own: false }, actual)
    if (problem === undefined) continue
    throw new HeadwaterError(
      'state-mismatch',
      `topic '${topic}' ${problem.why}: ${problem.fixes.join(', ')}`,
    )
  }
}
