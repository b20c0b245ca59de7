/**
 * What state looks like from outside: readable by key, by key and window, or in order.
 *
 * State is synchronous: an operator reads and writes it in the middle of a record. What is read here is
 * *committed*: what the running transaction has changed shows when it is through, all at once, and never if
 * it is not. What is handed out is the caller's own: changing it changes no state.
 */
import type { KeyBounds } from './key-bounds.ts'
import type { Key } from './serde.ts'

/** Names a row. `start` is the window's first millisecond; undefined in a table without windows. */
export interface RowKey {
  readonly key: Key
  readonly start: number | undefined
}

/** State that can be read. A windowed store answers only `getWindow`, one without windows only `get`. */
export interface ReadableStore {
  /** How many rows there are. */
  readonly size: number
  get(key: Key): unknown
  getWindow(key: Key, start: number): unknown
  /** Which rows there are, in no order; of those outside of `bounds` it may leave out any. */
  keys(bounds?: KeyBounds): Iterable<RowKey>
  /** Makes what has been written since the last call what is read. */
  committed(): void
}

/** State rebuilt from a topic: `value` null deletes. Bytes must not be kept. */
export interface RestorableStore {
  restore(record: StoredRow): void
  /** Notes that everything written is committed. */
  committed(): void
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
