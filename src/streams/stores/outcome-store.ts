/**
 * What came of commands, by key and id, so that one that comes again is answered as before.
 *
 * An outcome is written once, as a record of its own in a compacted changelog, and is forgotten in the order in which
 * it was decided: when its time is over, or when all of a partition's take more memory than they may, with a null in
 * the transaction that forgets it.
 *
 * | part      | bytes                                                                        |
 * |-----------|------------------------------------------------------------------------------|
 * | key       | the key as in its stream, the command's id in UTF-8, the id's bytes as uint16 |
 * | value     | the outcome; null forgets it                                                 |
 * | timestamp | the store's time when it was decided, or forgotten                           |
 *
 * The store's time is what `moveTo` was told, and never goes back. It comes back with the rows.
 */
import { Writer } from '../../base/bytes.ts'
import { HeadwaterError, assert } from '../../base/errors.ts'
import type { Emit } from './emit.ts'
import { KeyIndex } from './key-index.ts'
import { RowQueue } from './row-queue.ts'
import type { Key, KeyCodec, ValueCodec } from './serde.ts'
import type { RestorableStore, StoredRow } from './store.ts'

const idSizeBytes = 2
/** What a row takes beside its key, which is there twice, and its value: slots and columns. */
const rowCostBytes = 64

/** How long outcomes are remembered, and how much memory those of one partition may take. */
export interface Remembering {
  readonly ms: number
  readonly bytesMax: number
}

/** An outcome that is not written yet. */
interface Pending {
  readonly rowKey: Uint8Array
  readonly value: unknown
  readonly time: number
}

export class OutcomeStore implements RestorableStore {
  readonly #store: string
  readonly #topic: string
  readonly #keys: KeyCodec
  readonly #values: ValueCodec
  readonly #remember: Remembering
  readonly #onForgotten: () => void
  readonly #writer = new Writer()
  /** The row of each outcome: its number in 32 bits. */
  readonly #index: KeyIndex
  readonly #rows = new RowQueue()
  /** Their numbers go on from the end of `#rows`. */
  #pending: Pending[] = []
  #written = 0
  #bytes = 0
  #now = 0

  /**
   * @param o `store` is what it is called in errors, `onForgotten` is told of each outcome that is forgotten before its
   * time
   */
  constructor(o: {
    store: string
    topic: string
    keys: KeyCodec
    values: ValueCodec
    remember: Remembering
    onForgotten: () => void
  }) {
    this.#store = o.store
    this.#topic = o.topic
    this.#keys = o.keys
    this.#values = o.values
    this.#remember = o.remember
    this.#onForgotten = o.onForgotten
    this.#index = new KeyIndex(o.keys)
  }

  /** Outcomes that are remembered. */
  get size(): number {
    return this.#index.size
  }

  /** The memory they take, those that are not written yet left out. */
  get bytes(): number {
    return this.#bytes
  }

  /** Lets time pass, in milliseconds since 1970; a time before the store's changes nothing. */
  moveTo(time: number): void {
    if (time > this.#now) this.#now = time
  }

  /** What the outcome of a command is known by. */
  rowKey(key: Key, id: string): Uint8Array {
    const writer = this.#writer
    writer.at = 0
    writer.append(this.#keys.encode(key).bytes)
    const from = writer.at
    writer.string(id)
    writer.uint16(writer.at - from)
    return writer.bytes.slice(0, writer.at)
  }

  /** What is remembered; undefined: nothing, or not any more. */
  get(rowKey: Uint8Array): unknown {
    const row = this.#index.getBytes(rowKey, 0, rowKey.length)
    if (row === undefined) return undefined
    const number = this.#rows.first + ((row - this.#rows.first) >>> 0)
    if (number >= this.#rows.end) {
      const { time, value } = this.#pending[this.#written + number - this.#rows.end]!
      return this.#isOver(time) ? undefined : value
    }
    const { time, bytes, keyEnd, valueEnd } = this.#rows.at(number)
    return this.#isOver(time) ? undefined : this.#values.decode(bytes, keyEnd, valueEnd)
  }

  #isOver(time: number): boolean {
    return time + this.#remember.ms <= this.#now
  }

  /** Remembers an outcome. @param rowKey is kept; one that is over, or another's, gives way */
  add(rowKey: Uint8Array, value: unknown): void {
    const number = this.#rows.end + this.#pending.length - this.#written
    this.#point(rowKey, 0, rowKey.length, number)
    this.#pending.push({ rowKey, value, time: this.#now })
  }

  #point(bytes: Uint8Array, start: number, end: number, number: number): void {
    this.#index.deleteBytes(bytes, start, end)
    this.#index.addBytes(bytes, start, end, number >>> 0)
  }

  /** Outcomes that are not written yet. */
  get waiting(): number {
    return this.#pending.length - this.#written
  }

  /**
   * Writes up to `limit` records, outcomes first and then nulls for what is to be forgotten, and returns how many:
   * fewer than `limit` when none is left.
   */
  write(emit: Emit, partition: number, limit: number): number {
    let count = 0
    for (; count < limit && this.waiting > 0; count++) this.#writeNext(emit, partition)
    if (this.waiting === 0) {
      this.#pending = []
      this.#written = 0
    }
    for (; count < limit && this.#mustForget(); count++) this.#forgetFirst(emit, partition)
    return count
  }

  #writeNext(emit: Emit, partition: number): void {
    const { rowKey, value, time } = this.#pending[this.#written]!
    const writer = this.#writer
    writer.at = 0
    this.#values.encode(value, writer)
    const bytes = writer.bytes.subarray(0, writer.at)
    const flaw = emit.tooLarge?.(this.#topic, rowKey, bytes)
    if (flaw !== undefined) throw this.#notStored(rowKey, flaw)
    emit.append(this.#topic, partition, time, rowKey, bytes)
    this.#written++
    this.#push(time, rowKey, bytes)
  }

  #notStored(rowKey: Uint8Array, cause: Error): HeadwaterError {
    const key = this.#keys.decode(rowKey, 0, keyEndOf(rowKey, 0, rowKey.length))
    const what = `what came of a command of key '${String(key).slice(0, 100)}' in '${this.#store}'`
    return new HeadwaterError('operator-failed', `${what}: ${cause.message}`, { cause })
  }

  #push(time: number, key: Uint8Array, value: Uint8Array): void {
    this.#rows.push(time, key, value)
    this.#bytes += bytesOf(key.length, value.length)
  }

  /** Whether the oldest row is over, or in the way of others. */
  #mustForget(): boolean {
    const rows = this.#rows
    if (rows.first === rows.end) return false
    return this.#bytes > this.#remember.bytesMax || this.#isOver(rows.at(rows.first).time)
  }

  #forgetFirst(emit: Emit, partition: number): void {
    const row = this.#rows.at(this.#rows.first)
    const { bytes, keyStart, keyEnd, time } = row
    if (this.#isFirst(bytes, keyStart, keyEnd)) {
      this.#index.deleteBytes(bytes, keyStart, keyEnd)
      emit.append(this.#topic, partition, this.#now, bytes.subarray(keyStart, keyEnd), null)
      if (!this.#isOver(time)) this.#onForgotten()
    }
    this.#dropFirst()
  }

  /** Whether the row in front is the last of its key. */
  #isFirst(bytes: Uint8Array, keyStart: number, keyEnd: number): boolean {
    return this.#index.getBytes(bytes, keyStart, keyEnd) === this.#rows.first >>> 0
  }

  #dropFirst(): void {
    const { keyStart, keyEnd, valueEnd } = this.#rows.at(this.#rows.first)
    this.#bytes -= bytesOf(keyEnd - keyStart, valueEnd - keyEnd)
    this.#rows.shift()
  }

  committed(): void {
    assert(this.waiting === 0, 'outcomes were committed that had not been written')
  }

  restore({ bytes, keyStart, keyEnd, valueStart, valueEnd, timestamp }: StoredRow): void {
    this.moveTo(timestamp)
    if (keyEndOf(bytes, keyStart, keyEnd) < keyStart) {
      throw new HeadwaterError('record-invalid', `a row of '${this.#store}' has no id in its key`)
    }
    if (valueEnd < 0) {
      this.#index.deleteBytes(bytes, keyStart, keyEnd)
      this.#dropForgotten()
      return
    }
    this.#point(bytes, keyStart, keyEnd, this.#rows.end)
    const value = bytes.subarray(valueStart, valueEnd)
    this.#push(timestamp, bytes.subarray(keyStart, keyEnd), value)
  }

  /** They are forgotten in the order they came: so a log that is not compacted takes no more memory than what it says. */
  #dropForgotten(): void {
    const rows = this.#rows
    while (rows.first < rows.end) {
      const { bytes, keyStart, keyEnd } = rows.at(rows.first)
      if (this.#isFirst(bytes, keyStart, keyEnd)) return
      this.#dropFirst()
    }
  }
}

function bytesOf(keyBytes: number, valueBytes: number): number {
  return 2 * keyBytes + valueBytes + rowCostBytes
}

/** Where the key of a command ends in that of a row; before its start when it is none. */
function keyEndOf(bytes: Uint8Array, start: number, end: number): number {
  const at = end - idSizeBytes
  return at < start ? at : at - ((bytes[at]! << 8) | bytes[at + 1]!)
}
