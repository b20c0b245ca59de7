/**
 * The table of an entity stream: the last value per key in offset order, whatever its timestamp. The stream
 * itself is what it is rebuilt from, so it has no changelog.
 *
 * Rows are frozen, so that neither a join's function nor anyone else who is handed one can change the
 * table. (Bytes inside a message cannot be frozen; a query's answer is a copy, a join's is not.)
 */
import type { Key, KeyCodec, ValueCodec } from './serde.ts'
import { Snapshots } from './snapshots.ts'
import type { ReadableStore, RestorableStore, RowKey, StoredRow } from './store.ts'

export class TableStore implements ReadableStore, RestorableStore {
  readonly #values = new Map<Key, unknown>()
  /** By key changed since the last commit: what is committed; undefined for no row. */
  readonly #committed = new Map<Key, unknown>()
  readonly #keys: KeyCodec
  readonly #codec: ValueCodec
  readonly #copies: Snapshots
  readonly #isTolerant: boolean
  #size = 0

  /** @param isTolerant whether records that do not decode are passed over when it is rebuilt */
  constructor(keys: KeyCodec, codec: ValueCodec, isTolerant = false) {
    this.#isTolerant = isTolerant
    this.#keys = keys
    this.#codec = codec
    this.#copies = new Snapshots(codec)
  }

  /** The row now, committed or not. */
  live(key: Key): unknown {
    return this.#values.get(key)
  }

  /** Sets the row; null deletes it. */
  put(key: Key, value: unknown): void {
    if (!this.#committed.has(key)) this.#committed.set(key, this.#values.get(key))
    this.#set(key, value)
  }

  #set(key: Key, value: unknown): void {
    if (value === null) this.#values.delete(key)
    else this.#values.set(key, freeze(value))
  }

  committed(): void {
    this.#committed.clear()
    this.#size = this.#values.size
  }

  restore(row: StoredRow): void {
    if (row.keyEnd < 0) return
    try {
      this.#restore(row)
    } catch (error) {
      if (!this.#isTolerant) throw error
    }
    this.#size = this.#values.size
  }

  #restore({ bytes, keyStart, keyEnd, valueStart, valueEnd }: StoredRow): void {
    const value = valueEnd < 0 ? null : this.#codec.decode(bytes, valueStart, valueEnd)
    this.#set(this.#keys.decode(bytes, keyStart, keyEnd), value)
  }

  get size(): number {
    return this.#size
  }

  get(key: Key): unknown {
    const row = this.#committed.has(key) ? this.#committed.get(key) : this.#values.get(key)
    return this.#copies.copy(row)
  }

  getWindow(): undefined {
    return undefined
  }

  *keys(): Iterable<RowKey> {
    for (const key of this.#values.keys()) {
      if (!this.#committed.has(key)) yield { key, start: undefined }
    }
    for (const [key, value] of this.#committed) {
      if (value !== undefined) yield { key, start: undefined }
    }
  }
}

/** Freezes a message with everything in it but bytes. */
function freeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  const parts = value as Record<string, unknown>
  for (const name in parts) freeze(parts[name])
  return Object.freeze(value)
}
