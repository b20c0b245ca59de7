/**
 * Event time across an inner topic.
 *
 * A record is late or not by what the task that read it from outside had seen before it: that depends on the
 * order of one partition alone, so the same input gives the same windows at any pace, whichever instance
 * is behind. What has been seen travels with the records of the inner topic: a record that is the
 * newest of its task says so by its own time; one that is older carries the task's time in a header.
 *
 * When windows may be dropped is another question: not before the slowest of all the tasks that write to
 * the inner topic has passed them. Each of them tells its progress now and then by a record without key
 * and value, a mark. A task that has never read anything is not waited for.
 */
import { Reader, Writer } from '../../base/bytes.ts'
import type { EmitHeader } from '../stores/emit.ts'

/** What is known of the record a task processes at the moment. */
export interface Moment {
  /** The time its first task had seen, for a record of an inner topic; else undefined. */
  carried: number | undefined
}

const carriedHeader = 'headwater-time'
const markHeader = 'headwater-progress'
const timeBytes = 8
const markBytes = 12

/** The headers of a record whose task has seen `time`. */
export function carriedHeaders(timestamp: number, time: number): readonly EmitHeader[] | undefined {
  if (timestamp >= time) return undefined
  const writer = new Writer(timeBytes)
  writer.int64(time)
  return [{ key: carriedHeader, value: writer.finish() }]
}

/** The time a record carries; its own when it carries none. */
export function carriedTime(timestamp: number, headers: readonly EmitHeader[]): number {
  const value = headers.find(({ key }) => key === carriedHeader)?.value
  return value?.length === timeBytes ? new Reader(value).int64() : timestamp
}

/** How far a task has come that writes to an inner topic. */
export interface Mark {
  /** The partition of the task. */
  readonly from: number
  /** Infinity: it has not read anything yet. */
  readonly time: number
}

export function markHeaders({ from, time }: Mark): readonly EmitHeader[] {
  const writer = new Writer(markBytes)
  writer.int32(from)
  writer.int64(Math.min(time, Number.MAX_SAFE_INTEGER))
  return [{ key: markHeader, value: writer.finish() }]
}

/** The mark in a record without key and value; undefined when it is none. */
export function markIn(headers: readonly EmitHeader[]): Mark | undefined {
  const value = headers.find(({ key }) => key === markHeader)?.value
  if (value?.length !== markBytes) return undefined
  const reader = new Reader(value)
  const from = reader.int32()
  const time = reader.int64()
  return { from, time: time === Number.MAX_SAFE_INTEGER ? Infinity : time }
}

/** The marks that one task has got from an inner topic. */
export class Marks {
  readonly #times = new Map<number, number>()
  readonly #writers: number

  /** @param writers how many tasks write to the topic */
  constructor(writers: number) {
    this.#writers = writers
  }

  note({ from, time }: Mark): void {
    this.#times.set(from, time)
  }

  /** The time that every task has passed; -Infinity while one has not been heard of. */
  get least(): number {
    if (this.#times.size < this.#writers) return -Infinity
    return Math.min(...this.#times.values())
  }
}
