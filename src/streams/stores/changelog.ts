/**
 * The changelog of an aggregate: one record per changed row and commit, in a compacted topic, from which
 * the state is rebuilt anywhere.
 *
 * | part  | bytes                                                                              |
 * |-------|------------------------------------------------------------------------------------|
 * | key   | the key as in its stream; in a windowed store followed by the window's start, int64 |
 * | value | the state's format: plain data, or a message; null deletes                          |
 *
 * A window that is dropped writes a null for each of its rows, so compaction can forget it. (A retention
 * time would not do: record timestamps are event times, and events of last year would vanish at once.)
 */
import { Reader, Writer } from '../../base/bytes.ts'
import { HeadwaterError } from '../../base/errors.ts'
import type { Emit } from './emit.ts'
import type { Key, KeyCodec, ValueCodec } from './serde.ts'
import type { StoredRow } from './store.ts'

const startBytes = 8

interface ChangelogRow {
  readonly key: Key
  readonly start: number
  /** Undefined: there is no such row. */
  readonly value: unknown
}

/** Writes and reads the records of one changelog topic. */
export class Changelog {
  readonly topic: string
  readonly values: ValueCodec
  readonly #store: string
  readonly keys: KeyCodec
  readonly #windowed: boolean
  readonly #writer = new Writer()

  /** @param o `store` is the aggregation's name, for errors */
  constructor(o: {
    store: string
    topic: string
    keys: KeyCodec
    values: ValueCodec
    windowed: boolean
  }) {
    this.#store = o.store
    this.topic = o.topic
    this.keys = o.keys
    this.values = o.values
    this.#windowed = o.windowed
  }

  /**
   * Appends the row; an undefined value as null. State that cannot be stored is `operator-failed`, and so is a row
   * that is larger than its topic takes: many records have made it, and none of them is at fault.
   */
  write(emit: Emit, partition: number, row: ChangelogRow & { readonly timestamp: number }): void {
    const { key, value } = this.#record(row)
    const flaw = emit.tooLarge?.(this.topic, key, value)
    if (flaw !== undefined) throw this.#notStored(row, flaw)
    emit.append(this.topic, partition, row.timestamp, key, value)
  }

  /** Why a row could not be written; undefined when it could. State that cannot be stored is `operator-failed`. */
  flaw(emit: Emit, row: ChangelogRow): HeadwaterError | undefined {
    if (emit.tooLarge === undefined) return undefined
    const { key, value } = this.#record(row)
    const flaw = emit.tooLarge(this.topic, key, value)
    return flaw && this.#notStored(row, flaw)
  }

  /** Good until the next call. */
  #record(row: ChangelogRow): { readonly key: Uint8Array; readonly value: Uint8Array | null } {
    const writer = this.#writer
    writer.at = 0
    let key = this.keys.encode(row.key).bytes
    if (this.#windowed) {
      writer.append(key)
      writer.int64(row.start)
    }
    const keyEnd = writer.at
    if (row.value !== undefined) this.#encode(row, writer)
    if (this.#windowed) key = writer.bytes.subarray(0, keyEnd)
    const value = row.value === undefined ? null : writer.bytes.subarray(keyEnd, writer.at)
    return { key, value }
  }

  #encode(row: ChangelogRow, writer: Writer): void {
    try {
      this.values.encode(row.value, writer)
    } catch (cause) {
      throw this.#notStored(row, cause)
    }
  }

  #notStored({ key, start }: ChangelogRow, cause: unknown): HeadwaterError {
    const window = this.#windowed ? ` in the window from ${new Date(start).toISOString()}` : ''
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new HeadwaterError(
      'operator-failed',
      `state of '${this.#store}' for key '${key}'${window}: ${reason}`,
      { cause },
    )
  }

  /** Where the key ends in a record, without the window's start. A key too short for one throws. */
  keyEnd({ keyStart, keyEnd }: StoredRow): number {
    const end = this.#windowed ? keyEnd - startBytes : keyEnd
    if (end >= keyStart) return end
    const what = this.#windowed ? 'no window' : 'no key'
    throw new HeadwaterError('record-invalid', `a row of '${this.#store}' has ${what} in its key`)
  }

  /** The window's start in a record; 0 without windows. */
  start({ bytes, keyEnd }: StoredRow): number {
    return this.#windowed ? new Reader(bytes, keyEnd - startBytes, keyEnd).int64() : 0
  }

  /** The value in a record; undefined when the row was deleted. */
  value({ bytes, valueStart, valueEnd }: StoredRow): unknown {
    return valueEnd < 0 ? undefined : this.values.decode(bytes, valueStart, valueEnd)
  }
}
