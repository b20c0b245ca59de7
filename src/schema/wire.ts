/**
 * The protobuf wire format's parts: varints, fixed numbers and UTF-8 text, read by a `Cursor` and written
 * to a `Writer`.
 *
 * Reading trusts nothing: whatever ends early, runs too long or nests too deep is `record-invalid`. A
 * varint may be read a little past the message's end; the caller looks after each field, which costs
 * one comparison instead of one per byte. Bytes are copied out, never shared: a record's buffer may be a
 * whole fetched batch, and a small value must not keep it alive.
 *
 * 64-bit integers pass as two 32-bit halves and become bigints at the edge, by way of a scratch view,
 * because arithmetic on bigints costs more than everything else here.
 */
import type { Writer } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'

/** How a field's value is delimited on the wire. */
export const Wire = { varint: 0, bit64: 1, bytes: 2, groupStart: 3, groupEnd: 4, bit32: 5 } as const

/** How deep messages may nest, as in every implementation of protobuf. */
const depthMax = 100

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const looseUtf8 = new TextDecoder('utf-8', { ignoreBOM: true })
const utf8Encoder = new TextEncoder()

/** Longest text that is worth reading byte by byte: above, one call into the engine is cheaper. */
const shortTextBytes = 24

const scratch = new DataView(new ArrayBuffer(8))
const twoTo32 = 0x1_0000_0000

const nothing = new Uint8Array(0)

/** Reads the bytes of one message after the other; `end` moves in and out as messages nest. */
export class Cursor {
  bytes: Uint8Array = nothing
  at = 0
  end = 0
  depth = 0
  /** The halves that `varint64` and `fixed64` read, unsigned. */
  low = 0
  high = 0
  #type = ''
  #view: DataView | undefined

  /** Begins with another message. @param type its name, for errors */
  begin(bytes: Uint8Array, start: number, end: number, type: string): void {
    if (this.bytes !== bytes) {
      this.bytes = bytes
      this.#view = undefined
    }
    this.at = start
    this.end = end
    this.depth = 0
    this.#type = type
  }

  /** The low 32 bits of a varint, unsigned; the others are dropped, as the format says. */
  varint32(): number {
    const bytes = this.bytes
    let at = this.at
    let byte = bytes[at++]!
    let value = byte & 0x7f
    if (byte >= 0x80) {
      byte = bytes[at++]!
      value |= (byte & 0x7f) << 7
      if (byte >= 0x80) {
        byte = bytes[at++]!
        value |= (byte & 0x7f) << 14
        if (byte >= 0x80) {
          byte = bytes[at++]!
          value |= (byte & 0x7f) << 21
          if (byte >= 0x80) {
            byte = bytes[at++]!
            value |= byte << 28
            if (byte >= 0x80) at = this.#dropHigh(at)
          }
        }
      }
    }
    this.at = at
    return value >>> 0
  }

  #dropHigh(at: number): number {
    for (let left = 5; left > 0; left--) if (this.bytes[at++]! < 0x80) return at
    throw this.refuse('a varint is longer than ten bytes')
  }

  /** A varint of 64 bits into `low` and `high`. */
  varint64(): void {
    const bytes = this.bytes
    let at = this.at
    let low = 0
    let high = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = bytes[at++]!
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return this.#halves(at, low, 0)
    }
    const middle = bytes[at++]!
    low |= (middle & 0x0f) << 28
    high = (middle & 0x70) >> 4
    if (middle < 0x80) return this.#halves(at, low, high)
    for (let shift = 3; shift <= 31; shift += 7) {
      const byte = bytes[at++]!
      high |= (byte & 0x7f) << shift
      if (byte < 0x80) return this.#halves(at, low, high)
    }
    throw this.refuse('a varint is longer than ten bytes')
  }

  #halves(at: number, low: number, high: number): void {
    this.at = at
    this.low = low >>> 0
    this.high = high >>> 0
  }

  fixed32(): number {
    return this.view.getUint32(this.skip(4), true)
  }

  /** Eight bytes into `low` and `high`. */
  fixed64(): void {
    const at = this.skip(8)
    this.low = this.view.getUint32(at, true)
    this.high = this.view.getUint32(at + 4, true)
  }

  /** The halves as a signed bigint. */
  signed(): bigint {
    const { low, high } = this
    if (high < 0x20_0000) return BigInt(high * twoTo32 + low)
    scratch.setUint32(0, low, true)
    scratch.setUint32(4, high, true)
    return scratch.getBigInt64(0, true)
  }

  /** The halves as an unsigned bigint. */
  unsigned(): bigint {
    const { low, high } = this
    if (high < 0x20_0000) return BigInt(high * twoTo32 + low)
    scratch.setUint32(0, low, true)
    scratch.setUint32(4, high, true)
    return scratch.getBigUint64(0, true)
  }

  get view(): DataView {
    const { bytes } = this
    return (this.#view ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }

  /** Moves on by `count` bytes and says where they began. */
  skip(count: number): number {
    const start = this.at
    if (count > this.end - start) {
      throw this.refuse(`${count} bytes are announced and ${Math.max(0, this.end - start)} left`)
    }
    this.at = start + count
    return start
  }

  /** Text after its length. @param strict whether bytes that are no UTF-8 are refused */
  string(strict: boolean): string {
    const length = this.varint32()
    const start = this.skip(length)
    if (length <= shortTextBytes) {
      const text = asciiText(this.bytes, start, start + length)
      if (text !== undefined) return text
    }
    const bytes = this.bytes.subarray(start, start + length)
    if (!strict) return looseUtf8.decode(bytes)
    try {
      return strictUtf8.decode(bytes)
    } catch {
      throw this.refuse('a string is no UTF-8')
    }
  }

  /** Bytes after their length, copied. */
  blob(): Uint8Array {
    const start = this.skip(this.varint32())
    return this.bytes.slice(start, this.at)
  }

  /** Everything of an unknown field after its tag, copied. */
  unknown(wire: number, number: number): Uint8Array {
    const start = this.at
    this.#pass(wire, number)
    if (this.at > this.end) throw this.refuse('a field ends after the message')
    return this.bytes.slice(start, this.at)
  }

  #pass(wire: number, number: number): void {
    switch (wire) {
      case Wire.varint:
        return this.varint64()
      case Wire.bit64:
        this.skip(8)
        return
      case Wire.bytes:
        this.skip(this.varint32())
        return
      case Wire.bit32:
        this.skip(4)
        return
      case Wire.groupStart:
        return this.#passGroup(number)
      default:
        throw this.refuse(`field ${number} has the wire type ${wire}, which cannot begin a field`)
    }
  }

  #passGroup(number: number): void {
    this.enter()
    for (;;) {
      if (this.at >= this.end) throw this.refuse(`group ${number} does not end`)
      const tag = this.varint32()
      if ((tag & 7) === Wire.groupEnd) {
        if (tag >>> 3 !== number) throw this.refuse(`group ${number} ends as group ${tag >>> 3}`)
        break
      }
      this.#pass(tag & 7, tag >>> 3)
    }
    this.depth--
  }

  /** One message deeper; the caller takes `depth` back. */
  enter(): void {
    if (++this.depth > depthMax) throw this.refuse(`messages nest more than ${depthMax} deep`)
  }

  refuse(why: string): HeadwaterError {
    return new HeadwaterError(
      'record-invalid',
      `the bytes are no ${this.#type}: ${why}. Read them with the schema they were written with`,
    )
  }
}

/** The text of bytes that are all ASCII; undefined when one is not. */
function asciiText(bytes: Uint8Array, start: number, end: number): string | undefined {
  let all = 0
  let text = ''
  let at = start
  for (; at + 4 <= end; at += 4) {
    const a = bytes[at]!
    const b = bytes[at + 1]!
    const c = bytes[at + 2]!
    const d = bytes[at + 3]!
    all |= a | b | c | d
    text += String.fromCharCode(a, b, c, d)
  }
  for (; at < end; at++) {
    const a = bytes[at]!
    all |= a
    text += String.fromCharCode(a)
  }
  return all < 0x80 ? text : undefined
}

/** An unsigned varint of 32 bits. */
export function writeVarint32(writer: Writer, value: number): void {
  if (value < 0x80) {
    const only = writer.claim(1)
    writer.bytes[only] = value
    return
  }
  let at = writer.claim(5)
  const { bytes } = writer
  while (value > 0x7f) {
    bytes[at++] = (value & 0x7f) | 0x80
    value >>>= 7
  }
  bytes[at++] = value
  writer.at = at
}

/** A varint of 64 bits from its unsigned halves. */
export function writeVarint64(writer: Writer, low: number, high: number): void {
  let at = writer.claim(10)
  const { bytes } = writer
  while (high > 0) {
    bytes[at++] = (low & 0x7f) | 0x80
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
  }
  while (low > 0x7f) {
    bytes[at++] = (low & 0x7f) | 0x80
    low >>>= 7
  }
  bytes[at++] = low
  writer.at = at
}

export function writeFixed32(writer: Writer, value: number): void {
  const at = writer.claim(4)
  const { bytes } = writer
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

/** Text and its length before it. */
export function writeText(writer: Writer, text: string): void {
  const length = text.length
  if (length < 0x80) {
    const start = writer.claim(length + 1)
    const { bytes } = writer
    bytes[start] = length
    let i = 0
    for (; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) break
      bytes[start + 1 + i] = code
    }
    if (i === length) return
    writer.at = start
  }
  writeUtf8(writer, text)
}

function writeUtf8(writer: Writer, text: string): void {
  const guess = varintBytes(text.length)
  const start = writer.claim(guess + text.length * 3)
  const room = writer.bytes.subarray(start + guess, writer.at)
  const written = utf8Encoder.encodeInto(text, room).written
  closeSpan(writer, start, guess, start + guess + written)
}

/** Claims the byte that a nested message's length most often needs, and says where it is. */
export function openSpan(writer: Writer): number {
  return writer.claim(1)
}

/**
 * Writes the length of what stands between `start + reserved` and `end` into the room before it, moving
 * it when the room does not fit the length.
 */
export function closeSpan(
  writer: Writer,
  start: number,
  reserved = 1,
  end: number = writer.at,
): void {
  const length = end - start - reserved
  const needed = varintBytes(length)
  if (needed !== reserved) {
    writer.at = end
    if (needed > reserved) writer.claim(needed - reserved)
    writer.bytes.copyWithin(start + needed, start + reserved, end)
  }
  writer.at = start
  writeVarint32(writer, length)
  writer.at = start + needed + length
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  return value < 0x1000_0000 ? 4 : 5
}
