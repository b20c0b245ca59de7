/**
 * Rebuilds state before a task processes its first record.
 *
 * An aggregate comes back from its changelog up to the end it has now; a table from its own stream, but
 * only up to the committed position, or it would show what has not been processed yet. Only committed
 * records count. What an instance that died left open does not: its group no longer accepts it.
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import { Consumer } from '../../client/consumer/consumer.ts'
import {
  earliestTimestamp,
  latestTimestamp,
  listOffsets,
} from '../../client/consumer/list-offsets.ts'
import type { TopicPartition } from '../../client/cluster/topic-partition.ts'
import { forEachRecord } from '../../records/record.ts'
import type { SavedPosition } from '../task/inputs.ts'
import { plainCodec } from '../stores/plain.ts'
import type { StoredRow } from '../stores/store.ts'
import type { Task } from '../task/task.ts'

/** How long one fetch of a restore waits for records that should be there. */
const restoreWaitMs = 500

/** How long a new owner of an input waits for its predecessor's last transaction to be through. */
const positionWaitMs = 60_000

/** A task's store to rebuild. `until` is exclusive; undefined: the end the topic has now. */
export interface Restoration {
  readonly task: Task
  readonly topic: string
  readonly until: number | undefined
}

/** Rebuilds all of them side by side. */
export async function restoreTasks(
  cluster: Cluster,
  restorations: readonly Restoration[],
): Promise<void> {
  const byPartition = new Map<string, Restoration>()
  const places: TopicPartition[] = []
  for (const restoration of restorations) {
    const { topic, task } = restoration
    byPartition.set(`${topic}/${task.partition}`, restoration)
    places.push({ topic, partition: task.partition })
  }
  const ends = await committedEnds(cluster, places)
  // A position behind the end is of a topic that has been made anew since; nothing would ever reach it.
  const ranges = ends.map((end, i) => {
    return { ...end, until: Math.min(restorations[i]!.until ?? end.offset, end.offset) }
  })
  await readRanges(cluster, ranges, (place, record) => {
    const { task, topic } = byPartition.get(`${place.topic}/${place.partition}`)!
    try {
      task.restore(topic, record)
    } catch (cause) {
      throw undecodable(place, cause)
    }
  })
}

/** The position an input's last committed transaction left. */
export async function readPosition(
  cluster: Cluster,
  topic: string,
  committed: { readonly offset: number; readonly metadata: string } | undefined,
): Promise<SavedPosition | undefined> {
  const place = { topic, partition: 0 }
  const least = Number(committed?.metadata ?? '0')
  const deadline = cluster.clock.monotonic() + positionWaitMs
  for (;;) {
    const [end] = await committedEnds(cluster, [place])
    let saved: SavedPosition | undefined
    const range = { ...place, until: end!.offset, from: committed?.offset ?? 0 }
    await readRanges(cluster, [range], (_place, { bytes, valueStart, valueEnd }) => {
      saved = plainCodec.decode(bytes, valueStart, valueEnd) as SavedPosition
    })
    if ((saved?.sequence ?? 0) >= least) return saved
    if (cluster.clock.monotonic() > deadline) throw positionLost(topic, least)
    await new Promise<void>((resolve) => cluster.clock.after(20, resolve))
  }
}

interface Range extends TopicPartition {
  readonly from?: number
  readonly until: number
}

/** Visits the committed records of all ranges, each range in order. */
async function readRanges(
  cluster: Cluster,
  ranges: readonly Range[],
  visit: (place: TopicPartition, record: StoredRow) => void,
): Promise<void> {
  const starts = await listOffsets(cluster, ranges, earliestTimestamp, 'read_committed')
  const open = new Map<string, number>()
  const assigned: { topic: string; partition: number; offset: number }[] = []
  for (const [i, { topic, partition, from = 0, until }] of ranges.entries()) {
    const offset = Math.max(from, starts[i]!.offset)
    if (offset >= until) continue
    open.set(`${topic}/${partition}`, until)
    assigned.push({ topic, partition, offset })
  }
  if (open.size === 0) return
  const consumer = new Consumer(cluster, { isolation: 'read_committed' })
  try {
    consumer.assign(assigned)
    while (open.size > 0) {
      for (const fetched of await consumer.poll(restoreWaitMs)) {
        const { topic, partition, batches, nextOffset } = fetched
        const place = `${topic}/${partition}`
        const until = open.get(place)
        if (until === undefined) continue
        for (const batch of batches) visitBatch(batch, until, (row) => visit(fetched, row))
        if (nextOffset < until) continue
        open.delete(place)
        consumer.remove(topic, partition)
      }
    }
  } finally {
    await consumer.close()
  }
}

function visitBatch(batch: Uint8Array, until: number, visit: (row: StoredRow) => void): void {
  forEachRecord(batch, (offset, timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd) => {
    if (offset < until) visit({ bytes, keyStart, keyEnd, valueStart, valueEnd, timestamp })
  })
}

function committedEnds(cluster: Cluster, places: readonly TopicPartition[]) {
  return listOffsets(cluster, places, latestTimestamp, 'read_committed')
}

function undecodable({ topic, partition }: TopicPartition, cause: unknown): HeadwaterError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new HeadwaterError(
    'record-invalid',
    `state cannot be restored: a record in partition ${partition} of topic '${topic}' does not decode ` +
      `(${reason}): was it written by another version of the service?`,
    { cause },
  )
}

function positionLost(topic: string, sequence: number): HeadwaterError {
  return new HeadwaterError(
    'data-corrupt',
    `topic '${topic}' does not hold position ${sequence}, which its group has committed: ` +
      'was the topic deleted? Reset the group to read the input from its beginning',
  )
}
