/**
 * State in memory: JavaScript values in maps, rebuilt from a topic when a task starts.
 *
 * `TableStore` is the fold of an entity stream: the last value per key in offset order, whatever its
 * timestamp. The stream itself is what it is rebuilt from, so it has no changelog.
 *
 * `AggregateStore` holds what aggregations compute, per key or per key and window. A changed row is
 * marked once and written once per commit, however often it changes in between. Windows lie in one map
 * per start, so dropping an expired one touches nothing else.
 */
import type { Emit } from './emit.ts'
import type { Key, KeyCodec, ValueCodec } from './serde.ts'
import type { Changelog } from './changelog.ts'
import type { ReadableStore, RestorableStore, Row, StoredRow } from './store.ts'

/** The table of an entity stream. */
export class TableStore implements ReadableStore, RestorableStore {
  readonly #values = new Map<Key, unknown>()
  readonly #keys: KeyCodec
  readonly #codec: ValueCodec

  constructor(keys: KeyCodec, codec: ValueCodec) {
    this.#keys = keys
    this.#codec = codec
  }

  get size(): number {
    return this.#values.size
  }

  get(key: Key): unknown {
    return this.#values.get(key)
  }

  getWindow(): undefined {
    return undefined
  }

  /** Sets the row; null deletes it. */
  put(key: Key, value: unknown): void {
    if (value === null) this.#values.delete(key)
    else this.#values.set(key, value)
  }

  restore({ bytes, keyStart, keyEnd, valueStart, valueEnd }: StoredRow): void {
    if (keyEnd < 0) return
    const value = valueEnd < 0 ? null : this.#codec.decode(bytes, valueStart, valueEnd)
    this.put(this.#keys.decode(bytes, keyStart, keyEnd), value)
  }

  *rows(): Iterable<Row> {
    for (const [key, value] of this.#values) yield { key, start: undefined, value }
  }
}

/** One row of an aggregate. `value` undefined: there is none, or it was deleted. */
export interface Cell {
  readonly key: Key
  /** The window's first millisecond; 0 without windows. */
  readonly start: number
  value: unknown
  /** The greatest timestamp among the records that made the value. */
  timestamp: number
  /** Whether it has changed since it was last written. */
  dirty: boolean
}

/** How long windows last; `retentionMs` counts from the moment a window takes no more records. */
export interface WindowLife {
  readonly sizeMs: number
  readonly graceMs: number
  readonly retentionMs: number
}

/** What one aggregation has computed in one partition. */
export class AggregateStore implements ReadableStore, RestorableStore {
  /** The greatest timestamp this aggregation has seen. It decides which windows are closed. */
  streamTime = -Infinity
  readonly changelog: Changelog
  readonly #life: WindowLife | undefined
  readonly #windows = new Map<number, Map<Key, Cell>>()
  #dirty: Cell[] = []
  #written = 0
  #lastStart = Number.NaN
  #lastCells = new Map<Key, Cell>()

  constructor(changelog: Changelog, life?: WindowLife) {
    this.changelog = changelog
    this.#life = life
  }

  /** The row, made without a value when it is missing. */
  cell(key: Key, start: number): Cell {
    const cells = start === this.#lastStart ? this.#lastCells : this.#window(start)
    let cell = cells.get(key)
    if (cell === undefined) {
      cell = { key, start, value: undefined, timestamp: -Infinity, dirty: false }
      cells.set(key, cell)
    }
    return cell
  }

  #window(start: number): Map<Key, Cell> {
    let cells = this.#windows.get(start)
    if (cells === undefined) this.#windows.set(start, (cells = new Map()))
    this.#lastStart = start
    this.#lastCells = cells
    return cells
  }

  /** Notes that the cell's value changed. */
  changed(cell: Cell): void {
    if (cell.dirty) return
    cell.dirty = true
    this.#dirty.push(cell)
  }

  /** Rows changed and not yet written. */
  get dirtyCount(): number {
    return this.#dirty.length - this.#written
  }

  /**
   * Writes up to `limit` changed rows to the changelog and hands each to `visit`, in the order in which
   * they first changed. Returns how many it wrote: fewer than `limit` when none is left.
   */
  write(emit: Emit, partition: number, limit: number, visit: (cell: Cell) => void): number {
    const dirty = this.#dirty
    const from = this.#written
    const until = Math.min(dirty.length, from + limit)
    while (this.#written < until) {
      const cell = dirty[this.#written++]!
      cell.dirty = false
      this.changelog.write(emit, partition, cell)
      visit(cell)
      if (cell.value === undefined) this.#windows.get(cell.start)?.delete(cell.key)
    }
    if (this.#written === dirty.length) {
      this.#dirty = []
      this.#written = 0
    }
    return until - from
  }

  /** Drops the windows that neither records nor queries can reach any more. Call it with nothing dirty. */
  expire(emit: Emit, partition: number): void {
    const life = this.#life
    if (life === undefined || life.retentionMs === Infinity) return
    const keptFrom = this.streamTime - life.sizeMs - life.graceMs - life.retentionMs
    for (const [start, cells] of this.#windows) {
      if (start > keptFrom) continue
      for (const cell of cells.values()) {
        this.changelog.write(emit, partition, { ...cell, value: undefined })
      }
      this.#windows.delete(start)
      if (start === this.#lastStart) this.#lastStart = Number.NaN
    }
  }

  restore(record: StoredRow): void {
    const { key, start, value } = this.changelog.read(record)
    if (value === undefined) {
      this.#windows.get(start)?.delete(key)
      return
    }
    const cell = this.cell(key, start)
    cell.value = value
    cell.timestamp = record.timestamp
  }

  get size(): number {
    let size = 0
    for (const cells of this.#windows.values()) size += cells.size
    return size
  }

  get(key: Key): unknown {
    return this.#life === undefined ? this.#windows.get(0)?.get(key)?.value : undefined
  }

  getWindow(key: Key, start: number): unknown {
    return this.#life === undefined ? undefined : this.#windows.get(start)?.get(key)?.value
  }

  *rows(): Iterable<Row> {
    const windowed = this.#life !== undefined
    for (const [start, cells] of this.#windows) {
      for (const { key, value } of cells.values()) {
        if (value !== undefined) yield { key, start: windowed ? start : undefined, value }
      }
    }
  }
}
