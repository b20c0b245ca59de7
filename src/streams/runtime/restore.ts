/**
 * Rebuilds state before a task processes its first record.
 *
 * An aggregate comes back from its changelog up to the end it has now; a table from its own stream, but
 * only up to the committed position, or it would show what has not been processed yet. Only committed
 * records count, and the end is the high watermark: behind a transaction that is still open, or whose
 * marker is still on its way, may lie what a successor has committed (KAFKA-10167). The transactions of
 * instances that are gone have been ended before; others are waited for.
 */
import { HeadwaterError } from '../../base/errors.ts'
import { planted } from '../../base/planted.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import { Consumer } from '../../client/consumer/consumer.ts'
import {
  earliestTimestamp,
  latestTimestamp,
  listOffsets,
} from '../../client/consumer/list-offsets.ts'
import type { TopicPartition } from '../../client/cluster/topic-partition.ts'
import { forEachRecord } from '../../records/record.ts'
import { plainCodec } from '../stores/plain.ts'
import type { StoredRow } from '../stores/store.ts'
import type { SavedPosition } from '../task/inputs.ts'
import type { Task } from '../task/task.ts'
import { waitingFor } from './stalls.ts'
import type { Stalls } from './stalls.ts'

/** How long one fetch of a restore waits for records that should be there. */
const restoreWaitMs = 100

const none: Uint8Array = new Uint8Array(0)

type Visit = (row: StoredRow) => void

export interface RestoreOptions {
  /** Asked between fetches: throws when the state is not wanted any more. */
  readonly assertWanted: () => void
  /** Told of what cannot be read. */
  readonly stalls: Stalls
}

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
  options: RestoreOptions,
): Promise<void> {
  // Tasks of several sub-topologies keep their progress in one partition, each by its name.
  const byPartition = Map.groupBy(restorations, ({ topic, task }) => `${topic}/${task.partition}`)
  const firsts = [...byPartition.values()].map(([first]) => first!)
  const places = firsts.map(({ topic, task }) => ({ topic, partition: task.partition }))
  const ends = await endsOf(cluster, places)
  const ranges = ends.map((end, i) => ({ ...end, until: firsts[i]!.until ?? end.offset }))
  const visitorOf = ({ topic, partition }: TopicPartition): Visit => {
    const tasks = byPartition.get(`${topic}/${partition}`)!
    const restorers = tasks.map(({ task }) => task.restorer(topic))
    return (row) => {
      for (const restore of restorers) restore(row)
    }
  }
  await readRanges(cluster, ranges, visitorOf, options)
}

/** The position a split's last committed transaction left; `committed` is the group's offset. */
export async function readPosition(
  cluster: Cluster,
  place: TopicPartition,
  committed: number | undefined,
  options: RestoreOptions,
): Promise<SavedPosition | undefined> {
  const [end] = await endsOf(cluster, [place])
  let saved: SavedPosition | undefined
  const range = { ...place, until: end!.offset, from: committed ?? 0 }
  const visit = ({ bytes, valueStart, valueEnd }: StoredRow): void => {
    saved = plainCodec.decode(bytes, valueStart, valueEnd) as SavedPosition
  }
  await readRanges(cluster, [range], () => visit, options)
  // The record lies behind the offset that was committed with it.
  if (committed !== undefined && saved === undefined) throw positionLost(place.topic)
  return saved
}

interface Range extends TopicPartition {
  readonly from?: number
  readonly until: number
}

/** Visits the committed records of all ranges, each range in order. */
async function readRanges(
  cluster: Cluster,
  ranges: readonly Range[],
  visitorOf: (place: TopicPartition) => Visit,
  { assertWanted, stalls }: RestoreOptions,
): Promise<void> {
  const starts = await listOffsets(cluster, ranges, earliestTimestamp, 'read_committed')
  const { clock } = cluster
  const open = new Map<string, Range>()
  const assigned: { topic: string; partition: number; offset: number }[] = []
  for (const [i, range] of ranges.entries()) {
    const { topic, partition, from = 0, until } = range
    const offset = Math.max(from, starts[i]!.offset)
    if (offset >= until) continue
    open.set(`${topic}/${partition}`, range)
    assigned.push({ topic, partition, offset })
  }
  if (open.size === 0) return
  const consumer = new Consumer(cluster, { isolation: 'read_committed', maxWaitMs: restoreWaitMs })
  try {
    consumer.assign(assigned)
    let movedAt = clock.monotonic()
    while (open.size > 0) {
      assertWanted()
      const all = await consumer.poll(restoreWaitMs)
      const now = clock.monotonic()
      if (all.length > 0) movedAt = now
      const [first] = open.values()
      stalls.look(consumer.hindrance ?? waitingFor(first!, now - movedAt))
      for (const fetched of all) {
        const { topic, partition, batches, nextOffset } = fetched
        const place = `${topic}/${partition}`
        const until = open.get(place)?.until
        if (until === undefined) continue
        visitBatches(fetched, batches, until, visitorOf(fetched))
        if (nextOffset < until) continue
        open.delete(place)
        consumer.remove(topic, partition)
      }
    }
  } finally {
    await consumer.close()
  }
}

/** Visits the records before `until`. There is one row, which a visitor does not keep. */
function visitBatches(
  place: TopicPartition,
  batches: readonly Uint8Array[],
  until: number,
  visit: Visit,
): void {
  const row = { bytes: none, keyStart: 0, keyEnd: 0, valueStart: 0, valueEnd: 0, timestamp: 0 }
  try {
    for (const batch of batches) {
      forEachRecord(batch, (offset, timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd) => {
        if (offset >= until) return
        row.bytes = bytes
        row.keyStart = keyStart
        row.keyEnd = keyEnd
        row.valueStart = valueStart
        row.valueEnd = valueEnd
        row.timestamp = timestamp
        visit(row)
      })
    }
  } catch (cause) {
    throw undecodable(place, cause)
  }
}

function endsOf(cluster: Cluster, places: readonly TopicPartition[]) {
  const isPlanted = planted.has('restore-to-last-stable')
  const isolation = isPlanted ? 'read_committed' : 'read_uncommitted'
  return listOffsets(cluster, places, latestTimestamp, isolation)
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

function positionLost(topic: string): HeadwaterError {
  return new HeadwaterError(
    'state-mismatch',
    `topic '${topic}' does not hold the position that its group has committed: was the topic deleted? ` +
      'Reset the service to read the input from its beginning',
  )
}
