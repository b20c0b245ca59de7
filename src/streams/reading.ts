/** Reading ranges of partitions, committed records only. */
import type { Cluster } from '../client/cluster/cluster.ts'
import type { PartitionOffset } from '../client/cluster/topic-partition.ts'
import { Consumer } from '../client/consumer/consumer.ts'
import type { FetchedBatches } from '../client/consumer/consumer.ts'
import { readBatchHeader } from '../records/batch.ts'

const pollWaitMs = 500
/** How long a partition that cannot be read is tried: as long as a start waits for a broker. */
const hinderedMsMax = 60_000

/** A part of a partition; `until` is exclusive. */
export interface Range extends PartitionOffset {
  readonly until: number
}

/**
 * Hands what the ranges hold to `visit`, each range in its order; batches at a range's end may reach
 * beyond it. A range ends early when `visit` returns true. `offset-out-of-range` when its beginning is deleted
 * meanwhile: nothing may be left of it to wait for. What a partition fails with for a minute is thrown.
 */
export async function readRanges(
  cluster: Cluster,
  ranges: readonly Range[],
  visit: (fetched: FetchedBatches) => boolean | undefined,
): Promise<void> {
  const open = new Map<string, number>()
  for (const { topic, partition, offset, until } of ranges) {
    if (offset < until) open.set(`${topic}/${partition}`, until)
  }
  if (open.size === 0) return
  const consumer = new Consumer(cluster, { isolation: 'read_committed' })
  try {
    consumer.assign(ranges.filter(({ topic, partition }) => open.has(`${topic}/${partition}`)))
    while (open.size > 0) {
      const { hindrance } = consumer
      if (hindrance !== undefined && hindrance.ms > hinderedMsMax) throw hindrance.error
      for (const fetched of await consumer.poll(pollWaitMs)) {
        const { topic, partition, nextOffset } = fetched
        const until = open.get(`${topic}/${partition}`)
        if (until === undefined) continue
        const isEnough = visit(fetched) === true
        if (!isEnough && nextOffset < until) continue
        open.delete(`${topic}/${partition}`)
        consumer.remove(topic, partition)
      }
    }
  } finally {
    await consumer.close()
  }
}

/** Those of the ranges in which a committed record lies, as `topic/partition`. */
export async function firstRecords(
  cluster: Cluster,
  ranges: readonly Range[],
): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  const begins = new Map(ranges.map((range) => [`${range.topic}/${range.partition}`, range.offset]))
  await readRanges(cluster, ranges, ({ topic, partition, batches }) => {
    const place = `${topic}/${partition}`
    const holds = batches.some((batch) => {
      const { baseOffset, lastOffsetDelta, recordCount } = readBatchHeader(batch)
      return recordCount > 0 && baseOffset + lastOffsetDelta >= begins.get(place)!
    })
    if (holds) found.add(place)
    return holds
  })
  return found
}
