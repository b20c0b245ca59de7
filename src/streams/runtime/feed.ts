/**
 * A feed of what a view's rows become, read from the topic that the view is rebuilt from, committed records only.
 *
 * So it needs no instance but the one it is read at, covers the partitions of all of them, and goes on where it
 * was after any of them is gone. It is read from the beginning, which is how it knows what a row was before, and
 * tells what lies behind the place it is to go on from. It reads no faster than its reader takes: one that takes
 * nothing costs what one fetch brought.
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import { Consumer } from '../../client/consumer/consumer.ts'
import type { FetchedBatches } from '../../client/consumer/consumer.ts'
import {
  earliestTimestamp,
  latestTimestamp,
  listOffsets,
} from '../../client/consumer/list-offsets.ts'
import { nextOffsetOf, readBatchHeader } from '../../records/batch.ts'
import { forEachRecord } from '../../records/record.ts'
import type { StorePlan } from '../plan/plan.ts'
import { Changelog } from '../stores/changelog.ts'
import { encodeKey, KeyCodec } from '../stores/serde.ts'
import type { Key } from '../stores/serde.ts'
import type { StoredRow } from '../stores/store.ts'
import { notHere, readFeedId, topicMark, writeFeedId } from '../views/changes.ts'
import type {
  FeedItem,
  FeedOf,
  FeedPlace,
  FeedWish,
  ResumedLate,
  RowChange,
} from '../views/changes.ts'
import { OldValues } from '../views/old-values.ts'
import { hasHole } from './holes.ts'

/** How long a feed waits before it says that there is nothing. */
const pollWaitMs = 500
/** What one feed fetches at a time: before its reader takes it, that and two answers of a leader at most. */
const feedBytesMax = 1024 * 1024

export interface FeedSource {
  readonly cluster: Cluster
  readonly store: StorePlan
  readonly of: FeedOf
  /** Throws why the service tells nothing any more. */
  readonly gate: () => unknown
}

/** A partition that is read, from its beginning. */
interface Track {
  readonly partition: number
  readonly start: number
  /** What lies before is not told, only remembered. */
  readonly from: number
  /** The end as it was when the feed began. */
  readonly end: number
  readonly isResumed: boolean
  /** The next offset to be told. */
  at: number
  /** The offset that follows what was read. */
  next: number
  /** Whether records are missing in what was read. */
  hasHoles: boolean
  isToldLate: boolean
}

/** Checks a wish at once; `input-invalid`. What it gives begins with its first item; undefined: nothing came. */
export function openFeed(
  source: FeedSource,
  wish: FeedWish,
): () => AsyncGenerator<FeedItem | undefined> {
  const { of, store } = source
  const { key, from } = wish
  const all = Array.from({ length: of.partitions }, (_, partition) => partition)
  const partitions = key === undefined ? all : [encodeKey(store.keys, key).hash % of.partitions]
  const place = from === undefined ? undefined : readFeedId(of, from)
  if (
    partitions.some((partition) => place !== undefined && place.offsets[partition] === undefined)
  ) {
    throw notHere('the place is of a feed of another key')
  }
  return () => new Feed(source, wish).read(partitions, place)
}

class Feed {
  readonly #source: FeedSource
  readonly #changelog: Changelog
  readonly #wish: FeedWish
  readonly #old = new OldValues()
  readonly #tracks = new Map<number, Track>()
  #topic = ''

  constructor(source: FeedSource, wish: FeedWish) {
    const { name, topic, keys, values, window } = source.store
    this.#source = source
    this.#wish = wish
    const windowed = window !== undefined
    const codec = new KeyCodec(keys)
    this.#changelog = new Changelog({ store: name, topic, keys: codec, values, windowed })
  }

  async *read(
    partitions: readonly number[],
    place: FeedPlace | undefined,
  ): AsyncGenerator<FeedItem | undefined> {
    const { cluster, gate } = this.#source
    const { signal } = this.#wish
    const late = await Promise.race([left(signal), this.#begin(partitions, place)])
    if (late === undefined) return
    const consumer = new Consumer(cluster, {
      isolation: 'read_committed',
      fetchBytesMax: feedBytesMax,
    })
    const leave = (): void => void consumer.close()
    signal?.addEventListener('abort', leave, { once: true })
    try {
      consumer.assign(
        [...this.#tracks.values()].map(({ partition, start: offset }) => {
          return { topic: this.#changelog.topic, partition, offset }
        }),
      )
      yield { type: 'begin', id: this.#id() }
      yield* late.map((partition) => this.#late(partition))
      while (signal?.aborted !== true) {
        gate()
        const fetched = await consumer.poll(pollWaitMs).catch((error: unknown) => {
          // Who ends takes the connections along; why it ended says more.
          gate()
          throw error
        })
        for (const each of fetched) yield* this.#tell(each)
        // Also while it reads what it does not tell: whoever listens hears that it lives.
        yield undefined
      }
    } finally {
      signal?.removeEventListener('abort', leave)
      await consumer.close()
    }
  }

  /** Finds where to begin. Returns the partitions of which something is gone. */
  async #begin(
    partitions: readonly number[],
    place: FeedPlace | undefined,
  ): Promise<readonly Track[]> {
    const { cluster } = this.#source
    const { topic } = this.#changelog
    this.#topic = topicMark(await cluster.topicId(topic))
    const isReplaced = place !== undefined && place.topic !== this.#topic
    const places = partitions.map((partition) => ({ topic, partition }))
    const starts = await listOffsets(cluster, places, earliestTimestamp, 'read_committed')
    const ends = await listOffsets(cluster, places, latestTimestamp, 'read_committed')
    const late: Track[] = []
    for (const [i, partition] of partitions.entries()) {
      const start = starts[i]!.offset
      const end = ends[i]!.offset
      const wanted = place?.offsets[partition] ?? end
      // Nobody has been told anything of a topic that was made anew, and behind the end there is nothing.
      const from = isReplaced || wanted > end ? end : Math.max(wanted, start)
      const isResumed = place !== undefined
      const track = { partition, start, from, end, isResumed, at: from, next: start }
      const whole = { ...track, hasHoles: false, isToldLate: isReplaced || from !== wanted }
      this.#tracks.set(partition, whole)
      if (whole.isToldLate) late.push(whole)
    }
    return late
  }

  *#tell({ partition, batches }: FetchedBatches): Generator<FeedItem> {
    const track = this.#tracks.get(partition)!
    for (const batch of batches) {
      if (this.#findsHole(track, batch)) yield this.#late(track)
      const changes: RowChange[] = []
      forEachRecord(batch, (offset, timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd) => {
        if (offset < track.start) return
        const row = { bytes, keyStart, keyEnd, valueStart, valueEnd, timestamp }
        const change = this.#change(track, offset, row)
        if (change !== undefined) changes.push(change)
      })
      yield* changes
    }
  }

  /** Whether changes are missing that should have been told. */
  #findsHole(track: Track, batch: Uint8Array): boolean {
    const header = readBatchHeader(batch)
    const isHole = hasHole(track.next, header)
    const before = track.next
    track.next = nextOffsetOf(header)
    if (!isHole) return false
    track.hasHoles = true
    const isWithin = track.next > track.from && before < track.end
    if (!track.isResumed || track.isToldLate || !isWithin) return false
    return (track.isToldLate = true)
  }

  #change(track: Track, offset: number, record: StoredRow): RowChange | undefined {
    const changelog = this.#changelog
    if (record.keyEnd < 0) return undefined
    const key = changelog.keys.decode(record.bytes, record.keyStart, changelog.keyEnd(record))
    if (!this.#isWanted(key)) return undefined
    const { bytes, valueStart, valueEnd } = record
    // A table keeps its row when a record does not decode and is to be passed over.
    if (this.#source.store.isTolerant && !this.#decodes(record)) return undefined
    const windowStart = changelog.start(record)
    const value = valueEnd < 0 ? undefined : bytes.slice(valueStart, valueEnd)
    const old = this.#old.replace(`${windowStart}/${String(key)}`, value)
    if (offset < track.from) return undefined
    track.at = offset + 1
    const isFound = old.bytes !== undefined
    // What is compacted has a later one; what is deleted has none, and may have been of any row.
    const mayBeGone = track.start > 0 || (track.hasHoles && offset < track.end)
    return {
      type: 'change',
      id: this.#id(),
      key,
      ...(this.#source.store.window !== undefined && { windowStart }),
      value: changelog.value(record),
      old: isFound ? changelog.values.decode(old.bytes, 0, old.bytes.length) : undefined,
      isOldKnown: isFound || (old.isKnown && !mayBeGone),
    }
  }

  #decodes(record: StoredRow): boolean {
    try {
      this.#changelog.value(record)
      return true
    } catch {
      return false
    }
  }

  #isWanted(key: Key): boolean {
    const { key: only, prefix = '' } = this.#wish
    return only === undefined ? String(key).startsWith(prefix) : key === only
  }

  #late({ partition }: Track): ResumedLate {
    return { type: 'resumed-late', id: this.#id(), partition }
  }

  #id(): string {
    const { of } = this.#source
    const offsets = Array.from({ length: of.partitions }, (_, each) => this.#tracks.get(each)?.at)
    return writeFeedId(of, { topic: this.#topic, offsets })
  }
}

/** Resolves when a reader has left; never without a signal. */
function left(signal: AbortSignal | undefined): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve(undefined)
    signal?.addEventListener('abort', () => resolve(undefined), { once: true })
  })
}

/** Feeds of one instance at once: each has a connection of its own, and remembers rows. */
const feedsMax = 64

/** Counts feeds. */
export class Feeds {
  #open = 0

  /** Rejects, at once and when it begins, with `not-ready` when there are too many. */
  limited(open: () => AsyncGenerator<FeedItem | undefined>): AsyncGenerator<FeedItem | undefined> {
    this.#check()
    return this.#counted(open)
  }

  async *#counted(
    open: () => AsyncGenerator<FeedItem | undefined>,
  ): AsyncGenerator<FeedItem | undefined> {
    this.#check()
    this.#open++
    try {
      yield* open()
    } finally {
      this.#open--
    }
  }

  #check(): void {
    if (this.#open < feedsMax) return
    throw new HeadwaterError(
      'not-ready',
      `${feedsMax} feeds of changes are open at this instance: end some, or ask another instance`,
      { retriable: true },
    )
  }
}
