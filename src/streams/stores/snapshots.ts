/**
 * Values as they were at a moment, kept while the fold that owns them may change them in place.
 *
 * What cannot change is kept as it is; anything else as its bytes, one after the other in one array that is
 * used again for the next transaction.
 */
import { Writer } from '../../base/bytes.ts'
import type { ValueCodec } from './serde.ts'

/** Where in the array a value lies. */
class Kept {
  readonly start: number
  readonly end: number

  constructor(start: number, end: number) {
    this.start = start
    this.end = end
  }
}

/** Bytes of the array that are not given back after a transaction that needed more. */
const keptBytesMax = 1024 * 1024

export class Snapshots {
  readonly #codec: ValueCodec
  #kept = new Writer()
  readonly #scratch = new Writer()

  constructor(codec: ValueCodec) {
    this.#codec = codec
  }

  /** What `read` makes the value of again, as it is now. */
  take(value: unknown): unknown {
    if (!canChange(value)) return value
    const start = this.#kept.at
    this.#codec.encode(value, this.#kept)
    return new Kept(start, this.#kept.at)
  }

  /** The value `taken` was, each time a new one. */
  read(taken: unknown): unknown {
    if (!(taken instanceof Kept)) return taken
    return this.#codec.decode(this.#kept.bytes, taken.start, taken.end)
  }

  /** A value equal to `value` that shares nothing with it. */
  copy(value: unknown): unknown {
    if (!canChange(value)) return value
    this.#scratch.at = 0
    this.#codec.encode(value, this.#scratch)
    return this.#codec.decode(this.#scratch.bytes, 0, this.#scratch.at)
  }

  /** Forgets everything that was taken. */
  clear(): void {
    if (this.#kept.bytes.length > keptBytesMax) this.#kept = new Writer()
    else this.#kept.at = 0
  }
}

function canChange(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}
