/**
 * Chunks: records that are written in one transaction, with how far each partition has come by then.
 *
 * A chunk that PostgreSQL refuses for one of its rows is written in halves, and those in halves, until the
 * record stands alone. So everything before it is written, and the error can name it.
 */
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import { utf8String } from '../base/bytes.ts'
import type { FetchedBatches } from '../client/consumer/fetch-position.ts'
import { replayForHeader } from '../events/dead-letters.ts'
import { decodeRecords } from '../records/record.ts'
import type { StoredRecord } from '../records/record.ts'
import type { Failure } from '../streams/operators/dead-letter.ts'
import type { DropReason } from '../streams/operators/counts.ts'
import type { SourceRecord } from '../streams/operators/source-record.ts'
import type { Change } from './statements.ts'

/** How far a partition goes on: both are offsets of the next record. */
export interface Move {
  readonly topic: string
  readonly partition: number
  readonly previous: number
  readonly next: number
}

/** A record, and what it does. */
export interface TakenRecord {
  readonly source: SourceRecord
  readonly changes: readonly Change[]
  /** Why it makes no row; nothing of it is written then. */
  readonly failure?: Failure
  /** Why it is dropped by rule, and where. */
  readonly drop?: { readonly reason: DropReason; readonly operator: string }
}

export interface Chunk {
  /** One for each partition at most. */
  readonly moves: readonly Move[]
  /** In the order of each partition's offsets. */
  readonly records: readonly TakenRecord[]
}

export interface ChunkLimits {
  readonly records: number
  /** Of keys and values. */
  readonly bytes: number
}

/** What a record does, by the rules of a sink. */
export type Take = (source: SourceRecord) => TakenRecord

/**
 * What was fetched, in chunks.
 * @param at the next offset of each partition, by `topic/partition`
 * @param takes what records of a topic do; a record with a failure is the last of its chunk when `stops`
 */
export function* chunksOf(
  fetched: readonly FetchedBatches[],
  at: ReadonlyMap<string, number>,
  {
    sink,
    take,
    limits,
    stops,
  }: {
    readonly sink: string
    readonly take: Take
    readonly limits: ChunkLimits
    readonly stops: boolean
  },
): Generator<Chunk, void, undefined> {
  const open = new OpenChunk(at)
  for (const { topic, partition, batches, fromOffset, nextOffset } of fetched) {
    for (const record of recordsOf(batches)) {
      if (record.offset < fromOffset) continue
      const source: SourceRecord = { topic, partition, ...record }
      if (isForOther(record, sink)) open.moveTo(source, record.offset + 1)
      else open.add(take(source))
      if (open.isFull(limits) || (stops && open.hasFailed)) yield open.close()
    }
    open.moveTo({ topic, partition }, nextOffset)
  }
  if (!open.isEmpty) yield open.close()
}

function* recordsOf(batches: readonly Uint8Array[]): Generator<StoredRecord, void, undefined> {
  for (const batch of batches) yield* decodeRecords(batch)
}

class OpenChunk {
  readonly #at: Map<string, number>
  #moves = new Map<string, Move>()
  #records: TakenRecord[] = []
  #bytes = 0

  constructor(at: ReadonlyMap<string, number>) {
    this.#at = new Map(at)
  }

  get isEmpty(): boolean {
    return this.#moves.size === 0
  }

  get hasFailed(): boolean {
    return this.#records.at(-1)?.failure !== undefined
  }

  isFull(limits: ChunkLimits): boolean {
    return this.#records.length >= limits.records || this.#bytes >= limits.bytes
  }

  add(record: TakenRecord): void {
    const { source } = record
    this.#records.push(record)
    this.#bytes += (source.key?.length ?? 0) + (source.value?.length ?? 0)
    this.moveTo(source, source.offset + 1)
  }

  moveTo({ topic, partition }: { topic: string; partition: number }, next: number): void {
    const place = placeOf({ topic, partition })
    const previous = this.#moves.get(place)?.previous ?? this.#at.get(place) ?? next
    if (next > previous) this.#moves.set(place, { topic, partition, previous, next })
  }

  close(): Chunk {
    const chunk: Chunk = { moves: [...this.#moves.values()], records: this.#records }
    for (const [place, { next }] of this.#moves) this.#at.set(place, next)
    this.#moves = new Map()
    this.#records = []
    this.#bytes = 0
    return chunk
  }
}

/** A replay of a dead letter of somebody else. */
function isForOther({ headers }: StoredRecord, sink: string): boolean {
  return headers.some(({ key, value }) => {
    return key === replayForHeader && value !== null && utf8String(value) !== sink
  })
}

/** The same in two chunks, one after the other. At least two records must be in it. */
export function halves({ moves, records }: Chunk): readonly [Chunk, Chunk] {
  const middle = records.length >> 1
  const first = records.slice(0, middle)
  const reached = new Map(first.map(({ source }) => [placeOf(source), source.offset + 1]))
  const before: Move[] = []
  const behind: Move[] = []
  for (const move of moves) {
    const next = reached.get(placeOf(move))
    if (next === undefined) behind.push(move)
    else {
      before.push({ ...move, next })
      if (next < move.next) behind.push({ ...move, previous: next })
    }
  }
  return [
    { moves: before, records: first },
    { moves: behind, records: records.slice(middle) },
  ]
}

/** What comes before the last record. */
export function withoutLast({ moves, records }: Chunk): Chunk {
  const { source } = records.at(-1)!
  const before = moves.map((move) => {
    return placeOf(move) === placeOf(source) ? { ...move, next: source.offset } : move
  })
  return {
    moves: before.filter(({ previous, next }) => next > previous),
    records: records.slice(0, -1),
  }
}

/** The record alone, with nothing of it to write. */
export function passedOver({ moves, records }: Chunk, failure: Failure): Chunk {
  return { moves, records: records.map(({ source }) => ({ source, changes: [], failure })) }
}

export function placeOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`
}

/** Why a sink stops at a record. */
export function stoppedAt(sink: string, { source, failure }: TakenRecord): HeadwaterError {
  const { topic, partition, offset } = source
  const { error, operator } = failure!
  const code = isHeadwaterError(error, 'operator-failed') ? 'operator-failed' : 'record-invalid'
  return new HeadwaterError(
    code,
    `sink '${sink}' stopped at record ${offset} of partition ${partition} of topic '${topic}', ${operator}: ` +
      `${error.message}; it stays there until the record can be written: repair the function or the table ` +
      "and start it again, or let such records pass (onError: 'skip' or 'deadLetter')",
    { cause: error },
  )
}
