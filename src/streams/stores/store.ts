/**
 * What state looks like from outside: readable by key, by key and window, or in order.
 *
 * State is synchronous: an operator reads and writes it in the middle of a record. What is read here is
 * *live*: it holds what this instance has processed, including the last moments before a commit (at most
 * one commit interval). After a crash that part is computed again, to the same result.
 */
import type { Key } from './serde.ts'

/** One row of a table. `start` is the window's first millisecond; undefined in a table without windows. */
export interface Row {
  readonly key: Key
  readonly start: number | undefined
  readonly value: unknown
}

/** State that can be read. A windowed store answers only `getWindow`, one without windows only `get`. */
export interface ReadableStore {
  readonly size: number
  get(key: Key): unknown
  getWindow(key: Key, start: number): unknown
  /** All rows, in no order. */
  rows(): Iterable<Row>
}

/** State rebuilt from a topic: `value` null deletes. Bytes must not be kept. */
export interface RestorableStore {
  restore(record: StoredRow): void
}

/** A record of the topic a store is rebuilt from, as ranges of `bytes`; `valueEnd` -1 means null. */
export interface StoredRow {
  readonly bytes: Uint8Array
  readonly keyStart: number
  readonly keyEnd: number
  readonly valueStart: number
  readonly valueEnd: number
  readonly timestamp: number
}
