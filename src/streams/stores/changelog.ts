/**
 * The changelog of an aggregate: one record per changed row and commit, in a compacted topic, from which
 * the state is rebuilt anywhere.
 *
 * | part  | bytes                                                                              |
 * |-------|------------------------------------------------------------------------------------|
 * | key   | the key as in its stream; in a windowed store followed by the window's start, int64 |
 * | value | JSON, or the schema's encoding; null deletes                                        |
 *
 * A window that is dropped writes a null for each of its rows, so compaction can forget it. (A retention
 * time would not do: record timestamps are event times, and events of last year would vanish at once.)
 */
import { Reader, Writer } from '../../base/bytes.ts'
import type { Emit } from './emit.ts'
import type { Key, KeyCodec, ValueCodec } from './serde.ts'
import type { StoredRow } from './store.ts'

const startBytes = 8

/** Writes and reads the records of one changelog topic. */
export class Changelog {
  readonly topic: string
  readonly #keys: KeyCodec
  readonly #values: ValueCodec
  readonly #windowed: boolean
  readonly #writer = new Writer()

  constructor(topic: string, keys: KeyCodec, values: ValueCodec, windowed: boolean) {
    this.topic = topic
    this.#keys = keys
    this.#values = values
    this.#windowed = windowed
  }

  /** Appends the row; an undefined value as null. */
  write(
    emit: Emit,
    partition: number,
    row: { key: Key; start: number; value: unknown; timestamp: number },
  ): void {
    const writer = this.#writer
    writer.at = 0
    let key = this.#keys.encode(row.key).bytes
    if (this.#windowed) {
      writer.append(key)
      writer.int64(row.start)
    }
    const keyEnd = writer.at
    if (row.value !== undefined) this.#values.encode(row.value, writer)
    if (this.#windowed) key = writer.bytes.subarray(0, keyEnd)
    const value = row.value === undefined ? null : writer.bytes.subarray(keyEnd, writer.at)
    emit.append(this.topic, partition, row.timestamp, key, value)
  }

  /** The row in a record; `value` undefined when it was deleted. */
  read(record: StoredRow): { key: Key; start: number; value: unknown } {
    const { bytes, keyStart, keyEnd, valueStart, valueEnd } = record
    const plainEnd = this.#windowed ? keyEnd - startBytes : keyEnd
    const start = this.#windowed ? new Reader(bytes, plainEnd, keyEnd).int64() : 0
    return {
      key: this.#keys.decode(bytes, keyStart, plainEnd),
      start,
      value: valueEnd < 0 ? undefined : this.#values.decode(bytes, valueStart, valueEnd),
    }
  }
}
