/**
 * What an aggregation has computed in one partition, per key or per key and window: JavaScript values in
 * memory, rebuilt from the changelog when a task starts.
 *
 * A row is a number, its place in columns; there is no object per row, and no string for a key before a
 * program sees it. Each window has an index of its own from keys to rows, so dropping an expired one touches
 * nothing else. A row that changes is *touched* until the next commit: what it was is kept for queries, and
 * it is written once, however often it changes in between.
 */
import { assert } from '../../base/errors.ts'
import type { Emit } from './emit.ts'
import type { Changelog } from './changelog.ts'
import type { KeyBounds } from './key-bounds.ts'
import { KeyIndex } from './key-index.ts'
import type { Key } from './serde.ts'
import { Snapshots } from './snapshots.ts'
import type { ReadableStore, RestorableStore, RowKey, StoredRow } from './store.ts'

/** How long windows last; `retentionMs` counts from the moment a window takes no more records. */
export interface WindowLife {
  readonly sizeMs: number
  readonly graceMs: number
  readonly retentionMs: number
}

/** A row on its way out. */
export interface WrittenRow {
  readonly key: Key
  /** The window's first millisecond; 0 without windows. */
  readonly start: number
  /** Undefined: the row is deleted. */
  readonly value: unknown
  /** In a deleted row: the value it was written with last; undefined when it never was. */
  readonly last: unknown
  /** The greatest timestamp among the records that made the value. */
  readonly timestamp: number
}

/** The row's mark for "not touched". */
const untouched = -1

export class AggregateStore implements ReadableStore, RestorableStore {
  readonly changelog: Changelog
  readonly #life: WindowLife | undefined
  /** How long a window is kept, from its start. */
  readonly #keptMs: number
  readonly #snapshots: Snapshots
  readonly #windows = new Map<number, KeyIndex>()
  #lastStart = Number.NaN
  #lastRows: KeyIndex
  /** By row: the value now; undefined for none. */
  readonly #values: unknown[] = []
  readonly #times: number[] = []
  /** By row: its place among the touched. */
  readonly #touchedAt: number[] = []
  readonly #freeRows: number[] = []
  readonly #touched = new TouchedRows()
  /** Places among the touched of rows to be written, from `#written` on. */
  readonly #queue: number[] = []
  #written = 0
  #size = 0
  #isBlank = true

  constructor(changelog: Changelog, life?: WindowLife) {
    this.changelog = changelog
    this.#life = life
    this.#keptMs = life ? life.sizeMs + life.graceMs + life.retentionMs : Infinity
    this.#snapshots = new Snapshots(changelog.values)
    this.#lastRows = new KeyIndex(changelog.keys)
  }

  /** The row of a key, made without a value when it is missing. Its value may be changed from now on. */
  touch(key: Key, start: number): number {
    const rows = start === this.#lastStart ? this.#lastRows : this.#window(start)
    const row = rows.get(key) ?? this.#add(rows, key)
    const touched = this.#touched
    const at = this.#touchedAt[row]!
    if (at === untouched) {
      this.#touchedAt[row] = touched.add(key, start, row, this.#snapshots.take(this.#values[row]))
    } else if (!touched.queued[at]!) {
      touched.written[at] = this.#snapshots.take(this.#values[row])
    }
    return row
  }

  #window(start: number): KeyIndex {
    let rows = this.#windows.get(start)
    if (rows === undefined) this.#windows.set(start, (rows = new KeyIndex(this.changelog.keys)))
    this.#lastStart = start
    this.#lastRows = rows
    return rows
  }

  #add(rows: KeyIndex, key: Key): number {
    const row = this.#newRow()
    rows.add(key, row)
    return row
  }

  #newRow(): number {
    let row = this.#freeRows.pop()
    if (row === undefined) {
      row = this.#values.push(undefined) - 1
      this.#times.push(-Infinity)
      this.#touchedAt.push(untouched)
    }
    return row
  }

  /** The row's value now, which its fold may change; undefined for none. */
  valueOf(row: number): unknown {
    return this.#values[row]
  }

  /** Sets the value of a touched row; undefined deletes it. */
  set(row: number, value: unknown, timestamp: number): void {
    this.#values[row] = value
    if (timestamp > this.#times[row]!) this.#times[row] = timestamp
    const at = this.#touchedAt[row]!
    if (this.#touched.queued[at]!) return
    this.#touched.queued[at] = true
    this.#queue.push(at)
  }

  /** A value equal to one of this store's that shares nothing with it. */
  copyOf(value: unknown): unknown {
    return this.#snapshots.copy(value)
  }

  /** Gives a touched row the value it had before a fold that failed. */
  putBack(row: number, value: unknown): void {
    this.#values[row] = value
  }

  /** A copy of the row now, committed or not. */
  live(key: Key): unknown {
    const row = this.#windows.get(0)?.get(key)
    return row === undefined ? undefined : this.#snapshots.copy(this.#values[row])
  }

  /** Rows changed and not yet written. */
  get waiting(): number {
    return this.#queue.length - this.#written
  }

  /**
   * Writes up to `limit` changed rows to the changelog and hands each to `visit`, in the order in which
   * they first changed. Returns how many it wrote: fewer than `limit` when none is left.
   */
  write(emit: Emit, partition: number, limit: number, visit: (row: WrittenRow) => void): number {
    const from = this.#written
    const until = Math.min(this.#queue.length, from + limit)
    const { keys, starts, rows, queued, written } = this.#touched
    while (this.#written < until) {
      const at = this.#queue[this.#written++]!
      queued[at] = false
      const row = rows[at]!
      const value = this.#values[row]
      const out = {
        key: keys[at]!,
        start: starts[at]!,
        value,
        last: value === undefined ? this.#snapshots.read(written[at]) : undefined,
        timestamp: this.#times[row]!,
      }
      this.changelog.write(emit, partition, out)
      visit(out)
    }
    if (this.#written === this.#queue.length) {
      this.#queue.length = 0
      this.#written = 0
    }
    return until - from
  }

  /**
   * Deletes the windows that neither records nor queries can reach once everyone has passed `seen`. Call it
   * with nothing waiting.
   */
  expire(emit: Emit, partition: number, seen: number): void {
    if (this.#keptMs === Infinity) return
    for (const [start, rows] of this.#windows) {
      if (!this.isGone(start, seen)) continue
      for (const [key, row] of rows) {
        if (this.#values[row] === undefined) continue
        this.touch(key, start)
        this.#values[row] = undefined
        const timestamp = this.#times[row]!
        this.changelog.write(emit, partition, { key, start, value: undefined, timestamp })
      }
    }
  }

  /** Whether a window is deleted once everyone has passed `seen`. */
  isGone(start: number, seen: number): boolean {
    return start + this.#keptMs <= seen
  }

  /** Notes that everything written is committed. */
  committed(): void {
    assert(this.waiting === 0, 'rows were committed that had not been written')
    const { count, keys, starts, rows, committed } = this.#touched
    for (let at = 0; at < count; at++) {
      const row = rows[at]!
      this.#touchedAt[row] = untouched
      if (committed[at] !== undefined) this.#size--
      if (this.#values[row] === undefined) this.#remove(keys[at]!, starts[at]!, row)
      else this.#size++
    }
    this.#touched.clear()
    this.#snapshots.clear()
  }

  #remove(key: Key, start: number, row: number): void {
    const rows = this.#windows.get(start)!
    rows.delete(key)
    this.#values[row] = undefined
    this.#times[row] = -Infinity
    this.#freeRows.push(row)
    if (rows.size > 0) return
    this.#windows.delete(start)
    if (start === this.#lastStart) this.#lastStart = Number.NaN
  }

  /** Whether no record of the changelog has been restored, not even one that deletes. */
  get isBlank(): boolean {
    return this.#isBlank
  }

  restore(record: StoredRow): void {
    this.#isBlank = false
    const { bytes, keyStart, timestamp } = record
    const { changelog } = this
    const keyEnd = changelog.keyEnd(record)
    const start = changelog.start(record)
    const rows = start === this.#lastStart ? this.#lastRows : this.#window(start)
    let row = rows.getBytes(bytes, keyStart, keyEnd)
    const value = changelog.value(record)
    if (value === undefined) {
      if (row === undefined) return
      this.#size--
      return this.#remove(changelog.keys.decode(bytes, keyStart, keyEnd), start, row)
    }
    if (row === undefined) {
      changelog.keys.check(bytes, keyStart, keyEnd)
      row = this.#newRow()
      rows.addBytes(bytes, keyStart, keyEnd, row)
      this.#size++
    }
    this.#values[row] = value
    this.#times[row] = timestamp
  }

  get size(): number {
    return this.#size
  }

  get(key: Key): unknown {
    return this.#life === undefined ? this.#committedValue(key, 0) : undefined
  }

  getWindow(key: Key, start: number): unknown {
    return this.#life === undefined ? undefined : this.#committedValue(key, start)
  }

  #committedValue(key: Key, start: number): unknown {
    const row = this.#windows.get(start)?.get(key)
    if (row === undefined) return undefined
    const at = this.#touchedAt[row]!
    if (at === untouched) return this.#snapshots.copy(this.#values[row])
    return this.#snapshots.read(this.#touched.committed[at])
  }

  *keys(bounds?: KeyBounds): Iterable<RowKey> {
    const windowed = this.#life !== undefined
    for (const [start, rows] of this.#windows) {
      for (const [key, row] of rows.within(bounds)) {
        const at = this.#touchedAt[row]!
        if (at !== untouched && this.#touched.committed[at] === undefined) continue
        yield { key, start: windowed ? start : undefined }
      }
    }
  }
}

/** Rows touched since the last commit, in columns. */
class TouchedRows {
  readonly keys: Key[] = []
  readonly starts: number[] = []
  readonly rows: number[] = []
  /** What each was when it was committed last, as a snapshot. */
  readonly committed: unknown[] = []
  /** What each was when it was written last, as a snapshot. */
  readonly written: unknown[] = []
  /** Whether each waits to be written. */
  readonly queued: boolean[] = []

  get count(): number {
    return this.keys.length
  }

  add(key: Key, start: number, row: number, committed: unknown): number {
    this.starts.push(start)
    this.rows.push(row)
    this.committed.push(committed)
    this.written.push(committed)
    this.queued.push(false)
    return this.keys.push(key) - 1
  }

  clear(): void {
    for (const column of [this.keys, this.starts, this.rows]) column.length = 0
    for (const column of [this.committed, this.written, this.queued]) column.length = 0
  }
}
