/**
 * Which keys a listing still looks for, told by their bytes: making a text of each of a million keys, to drop
 * nearly all of them, takes longer than anything else that a query does.
 */
import { utf8Bytes } from '../../base/bytes.ts'

/** In the order of the keys' text, as JavaScript compares it. Keys outside may be left out. */
export interface KeyBounds {
  readonly prefix: string
  /** The least text. */
  readonly from: string
  /** The greatest; undefined for none. It may become less while keys are taken. */
  to: string | undefined
}

export class ByteBounds {
  readonly #bounds: KeyBounds
  readonly #prefix: Uint8Array | undefined
  readonly #from: Uint8Array | undefined
  #toText: string | undefined
  #to: Uint8Array | undefined

  constructor(bounds: KeyBounds) {
    this.#bounds = bounds
    this.#prefix = bytesOf(bounds.prefix)
    this.#from = bytesOf(bounds.from)
  }

  /** Whether the key in `bytes[at, at + size)` is outside. */
  excludes(bytes: Uint8Array, at: number, size: number): boolean {
    const { to } = this.#bounds
    if (to !== this.#toText) {
      this.#toText = to
      this.#to = to === undefined ? undefined : bytesOf(to)
    }
    if (this.#to !== undefined && compare(bytes, at, size, this.#to) > 0) return true
    if (this.#from !== undefined && compare(bytes, at, size, this.#from) < 0) return true
    return this.#prefix !== undefined && !begins(bytes, at, size, this.#prefix)
  }
}

/** Undefined for what bounds nothing, and for half a character, which has no bytes. */
function bytesOf(text: string): Uint8Array | undefined {
  return text === '' || !text.isWellFormed() ? undefined : utf8Bytes(text)
}

function begins(bytes: Uint8Array, at: number, size: number, prefix: Uint8Array): boolean {
  if (size < prefix.length) return false
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false
  return true
}

/**
 * As JavaScript compares the texts. UTF-8 keeps the order of code points, and JavaScript that of UTF-16 units: the
 * two differ between U+E000 to U+FFFF (first byte 0xee or 0xef) and what is beyond, which has surrogates (0xf0 on).
 */
function compare(bytes: Uint8Array, at: number, size: number, other: Uint8Array): number {
  const both = Math.min(size, other.length)
  for (let i = 0; i < both; i++) {
    const a = bytes[at + i]!
    const b = other[i]!
    if (a === b) continue
    const isTurned = a >= 0xee && b >= 0xee && a >= 0xf0 !== b >= 0xf0
    return isTurned ? b - a : a - b
  }
  return size - other.length
}
