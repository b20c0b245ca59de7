/**
 * Reading and writing bytes in the Kafka protocol's own encodings: big-endian integers, unsigned
 * varints, and zigzag varints (the record format's).
 *
 * A `Reader` never reads past its end: it throws `frame-invalid`, which a connection answers by closing.
 * 64-bit integers are JavaScript numbers: offsets, ids and timestamps stay below 2^53 for centuries,
 * and a hostile value above it is merely out of range wherever it is used.
 */
import { HeadwaterError } from './errors.ts'

// A leading U+FEFF is text like any other here; without the option it would be lost.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
const exactUtf8 = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })
const utf8Encoder = new TextEncoder()
const twoTo32 = 0x1_0000_0000

/** UTF-8 bytes of a string. */
export function utf8Bytes(text: string): Uint8Array {
  return utf8Encoder.encode(text)
}

/** The string in UTF-8 bytes; invalid sequences become U+FFFD. */
export function utf8String(bytes: Uint8Array): string {
  return utf8.decode(bytes)
}

/** The string whose UTF-8 bytes these are; undefined when they are no string's. */
export function exactUtf8String(bytes: Uint8Array): string | undefined {
  try {
    return exactUtf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** Two digits a byte, in lower case. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** All of `chunks` as one array; the only chunk itself when there is one. */
export function concatBytes(chunks: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer>
export function concatBytes(chunks: readonly Uint8Array[]): Uint8Array
export function concatBytes(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0]!
  let length = 0
  for (const chunk of chunks) length += chunk.length
  const whole = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

/** The same bytes in fewer views: neighbours that stand side by side in one buffer become one. */
export function adjoined(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
  if (chunks.length < 2) return chunks
  const joined: Uint8Array[] = []
  let last: Uint8Array | undefined
  for (const chunk of chunks) {
    const isNext =
      last?.buffer === chunk.buffer && last.byteOffset + last.byteLength === chunk.byteOffset
    if (!isNext) joined.push(chunk)
    else {
      const { byteOffset, byteLength } = last!
      joined[joined.length - 1] = new Uint8Array(
        chunk.buffer,
        byteOffset,
        byteLength + chunk.byteLength,
      )
    }
    last = joined.at(-1)
  }
  return joined
}

/** The part of its buffer that a view must take to be kept as it is. */
const compactShareMin = 3 / 4

/**
 * `bytes`, to be kept: a copy when they are a small part of a larger buffer, which would live as long as
 * they do. What is kept in views that went through here takes a third more memory than it says, at most.
 */
export function compactBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length >= compactShareMin * bytes.buffer.byteLength ? bytes : bytes.slice()
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Memory that decoding may take. Readers of parts of one message share it. */
export interface HeapAllowance {
  readonly bytesMax: number
  usedBytes: number
}

export class Reader {
  readonly bytes: Uint8Array
  readonly end: number
  at: number
  readonly #view: DataView
  readonly #allowance: HeapAllowance | undefined

  /** @param allowance what `charge` draws on; without one it never refuses */
  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length, allowance?: HeapAllowance) {
    this.bytes = bytes
    this.at = start
    this.end = end
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#allowance = allowance
  }

  /** A reader of the bytes from `start` to `end`, with the same allowance. */
  within(start: number, end: number): Reader {
    return new Reader(this.bytes, start, end, this.#allowance)
  }

  /** Counts memory that is about to be taken; `frame-too-large` when the message may not have it. */
  charge(heapBytes: number): void {
    const allowance = this.#allowance
    if (allowance === undefined) return
    allowance.usedBytes += heapBytes
    if (allowance.usedBytes > allowance.bytesMax) throw tooMuchHeap(allowance)
  }

  get remaining(): number {
    return this.end - this.at
  }

  /** Moves on by `count` bytes and says where they began. */
  skip(count: number): number {
    const start = this.at
    if (count < 0 || count > this.end - start) throw truncated(count, this.end - start)
    this.at = start + count
    return start
  }

  int8(): number {
    return this.#view.getInt8(this.skip(1))
  }

  uint8(): number {
    return this.bytes[this.skip(1)]!
  }

  int16(): number {
    return this.#view.getInt16(this.skip(2))
  }

  uint16(): number {
    return this.#view.getUint16(this.skip(2))
  }

  int32(): number {
    return this.#view.getInt32(this.skip(4))
  }

  uint32(): number {
    return this.#view.getUint32(this.skip(4))
  }

  int64(): number {
    const at = this.skip(8)
    return this.#view.getInt32(at) * twoTo32 + this.#view.getUint32(at + 4)
  }

  float64(): number {
    return this.#view.getFloat64(this.skip(8))
  }

  /** Unsigned LEB128 of at most 32 bits. */
  uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.uint8()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new HeadwaterError('frame-invalid', 'a varint is longer than five bytes')
  }

  /** Zigzag varint of at most 32 bits. */
  varint(): number {
    const raw = this.uvarint() >>> 0
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** Zigzag varint of at most 64 bits. */
  varlong(): number {
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.uint8()
      if (shift < 28) low += (byte & 0x7f) * 2 ** shift
      else high += (byte & 0x7f) * 2 ** (shift - 28)
      if (byte < 0x80) return unzigzag(low, high)
    }
    throw new HeadwaterError('frame-invalid', 'a varint is longer than ten bytes')
  }

  /** A view, not a copy, of the next `count` bytes. */
  slice(count: number): Uint8Array {
    const start = this.skip(count)
    return this.bytes.subarray(start, start + count)
  }

  string(count: number): string {
    const start = this.skip(count)
    return utf8.decode(this.bytes.subarray(start, start + count))
  }
}

/** Halves `high * 2^28 + low` without losing bits that a double would round away. */
function unzigzag(low: number, high: number): number {
  const negative = low % 2 === 1
  const magnitude = high * 0x8000000 + Math.floor(low / 2)
  return negative ? -magnitude - 1 : magnitude
}

/**
 * Grows as it is written to; `finish` gives a view of what was written. Room is claimed before the array
 * is touched, because growing replaces it.
 */
export class Writer {
  at = 0
  bytes: Uint8Array
  #view: DataView

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.bytes.buffer)
  }

  /** Makes room for `count` bytes, claims them and says where they begin. */
  claim(count: number): number {
    const start = this.at
    const end = start + count
    if (end > this.bytes.length) this.#grow(end)
    this.at = end
    return start
  }

  #grow(least: number): void {
    const larger = new Uint8Array(Math.max(least, this.bytes.length * 2))
    larger.set(this.bytes)
    this.bytes = larger
    this.#view = new DataView(larger.buffer)
  }

  int8(value: number): void {
    const at = this.claim(1)
    this.#view.setInt8(at, value)
  }

  uint8(value: number): void {
    const at = this.claim(1)
    this.bytes[at] = value
  }

  int16(value: number): void {
    const at = this.claim(2)
    this.#view.setInt16(at, value)
  }

  uint16(value: number): void {
    const at = this.claim(2)
    this.#view.setUint16(at, value)
  }

  int32(value: number): void {
    const at = this.claim(4)
    this.#view.setInt32(at, value)
  }

  uint32(value: number): void {
    const at = this.claim(4)
    this.#view.setUint32(at, value)
  }

  int64(value: number): void {
    const at = this.claim(8)
    this.#view.setInt32(at, Math.floor(value / twoTo32))
    this.#view.setUint32(at + 4, value >>> 0)
  }

  float64(value: number): void {
    const at = this.claim(8)
    this.#view.setFloat64(at, value)
  }

  uvarint(value: number): void {
    while (value >= 0x80) {
      this.uint8((value & 0x7f) | 0x80)
      value = value >= 0x8000_0000 ? Math.floor(value / 128) : value >>> 7
    }
    this.uint8(value)
  }

  varint(value: number): void {
    this.uvarint(((value << 1) ^ (value >> 31)) >>> 0)
  }

  varlong(value: number): void {
    if (value >= -0x4000_0000 && value < 0x4000_0000) return this.varint(value)
    const magnitude = value < 0 ? -value - 1 : value
    let high = Math.floor(magnitude / 64)
    this.uint8(((magnitude % 64) * 2 + (value < 0 ? 1 : 0)) | 0x80)
    while (high >= 0x80) {
      this.uint8((high % 128) | 0x80)
      high = Math.floor(high / 128)
    }
    this.uint8(high)
  }

  append(bytes: Uint8Array): void {
    const at = this.claim(bytes.length)
    this.bytes.set(bytes, at)
  }

  /** The text's UTF-8 bytes, without a length before them. */
  string(text: string): void {
    this.append(utf8Encoder.encode(text))
  }

  /** Overwrites four bytes written before: a length or checksum known only now. */
  setInt32(at: number, value: number): void {
    this.#view.setInt32(at, value)
  }

  /** What was written, as a view. The writer must not be written to afterwards. */
  finish(): Uint8Array {
    return this.bytes.subarray(0, this.at)
  }
}

function tooMuchHeap({ usedBytes, bytesMax }: HeapAllowance): HeadwaterError {
  return new HeadwaterError(
    'frame-too-large',
    `the message would take ${Math.ceil(usedBytes)} bytes of memory or more, and ${bytesMax} are allowed: ` +
      'ask for fewer items in one request, or raise requestHeapBytesMax',
  )
}

function truncated(wanted: number, left: number): HeadwaterError {
  return new HeadwaterError(
    'frame-invalid',
    `the message ends early: ${wanted} bytes wanted, ${left} left`,
  )
}
