/**
 * Length-prefixed values of the Kafka protocol, in both of its dialects.
 *
 * | value          | plain              | compact (flexible versions, KIP-482) |
 * |----------------|--------------------|--------------------------------------|
 * | string         | int16 length       | unsigned varint of length + 1        |
 * | bytes, records | int32 length       | unsigned varint of length + 1        |
 * | array          | int32 count        | unsigned varint of count + 1         |
 * | null           | length −1          | 0                                    |
 *
 * `Outgoing` keeps large byte slices out of its own buffer: they leave as chunks of their own, uncopied.
 */
import { utf8Bytes, Writer, type Reader } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'

/** Slices of at least this many bytes are sent as they are; shorter ones are cheaper to copy. */
const spliceBytesMin = 1024

interface Splice {
  readonly at: number
  readonly chunk: Uint8Array
}

/** A buffer as full as this is not enlarged when a long message may begin another. */
const sealBytesMin = 64 * 1024

/** A message being written: small values in one buffer, large slices between its parts. */
export class Outgoing {
  writer = new Writer()
  #splices: Splice[] = []
  #splicedBytes = 0
  /** What was written into buffers before this one. */
  readonly #sealed: Uint8Array[] = []
  #sealedBytes = 0

  get sizeBytes(): number {
    return this.#sealedBytes + this.writer.at + this.#splicedBytes
  }

  append(chunk: Uint8Array): void {
    if (chunk.length < spliceBytesMin) return this.writer.append(chunk)
    this.#splices.push({ at: this.writer.at, chunk })
    this.#splicedBytes += chunk.length
  }

  /** Begins another buffer, if this one has become long: one that grows is copied whole. */
  seal(): void {
    if (this.writer.at < sealBytesMin) return
    this.#sealedBytes = this.sizeBytes
    for (const chunk of this.#written()) this.#sealed.push(chunk)
    this.writer = new Writer(2 * sealBytesMin)
    this.#splices = []
    this.#splicedBytes = 0
  }

  /** Overwrites the first four bytes of all: a length known only now. */
  setStart(value: number): void {
    const [first] = this.#sealed
    if (first === undefined) return this.writer.setInt32(0, value)
    new DataView(first.buffer, first.byteOffset).setInt32(0, value)
  }

  /** Everything written, in order. Nothing may be written afterwards. */
  chunks(): Uint8Array[] {
    return this.#sealed.length === 0 ? this.#written() : [...this.#sealed, ...this.#written()]
  }

  #written(): Uint8Array[] {
    const written = this.writer.finish()
    if (this.#splices.length === 0) return [written]
    const chunks: Uint8Array[] = []
    let from = 0
    for (const { at, chunk } of this.#splices) {
      if (at > from) chunks.push(written.subarray(from, at))
      chunks.push(chunk)
      from = at
    }
    if (from < written.length) chunks.push(written.subarray(from))
    return chunks
  }
}

export type LengthWidth = 'int16' | 'int32' | 'compact'

/** A length or count; −1 stands for null. */
export function readLength(from: Reader, width: LengthWidth): number {
  const length =
    width === 'compact' ? from.uvarint() - 1 : width === 'int16' ? from.int16() : from.int32()
  if (length < -1) throw new HeadwaterError('frame-invalid', `a length of ${length} in a message`)
  return length
}

/** Refuses a count of items, each of `bytesMin` or more, that the rest of the message cannot hold. */
export function checkCount(from: Reader, count: number, bytesMin: number, path: string): void {
  if (count * Math.max(1, bytesMin) <= from.remaining) return
  throw new HeadwaterError(
    'frame-invalid',
    `${path} claims ${count} items, more than the ${from.remaining} bytes left can hold`,
  )
}

export function textTooLong(path: string, bytes: number, bytesMax: number): HeadwaterError {
  return new HeadwaterError(
    'frame-invalid',
    `${path} is a string of ${bytes} bytes; ${bytesMax} is the longest`,
  )
}

/** Tagged fields of one struct or header; nobody has a tenth of them. */
const tagsMax = 1_000

/** How many tagged fields follow (KIP-482). */
export function readTagCount(from: Reader): number {
  const count = from.uvarint()
  if (count <= tagsMax) return count
  throw new HeadwaterError(
    'frame-invalid',
    `${count} tagged fields where ${tagsMax} are allowed: the other side does not speak the Kafka protocol`,
  )
}

export function writeLength(out: Writer, width: LengthWidth, length: number): void {
  if (width === 'compact') return out.uvarint(length + 1)
  if (width === 'int32') return out.int32(length)
  if (length > 0x7fff) {
    throw new HeadwaterError('protocol-error', `a string of ${length} bytes; 32767 is the longest`)
  }
  out.int16(length)
}

export function writeString(out: Writer, width: LengthWidth, text: string): void {
  if (text.length < 64 && writeAscii(out, width, text)) return
  const bytes = utf8Bytes(text)
  writeLength(out, width, bytes.length)
  out.append(bytes)
}

/** Nearly every string of the protocol is short ASCII; false, with nothing written, when one is not. */
function writeAscii(out: Writer, width: LengthWidth, text: string): boolean {
  const before = out.at
  writeLength(out, width, text.length)
  const start = out.claim(text.length)
  const bytes = out.bytes
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) {
      out.at = before
      return false
    }
    bytes[start + i] = code
  }
  return true
}

/** Writes bytes given whole or in chunks. */
export function writeBytes(
  out: Outgoing,
  width: LengthWidth,
  value: Uint8Array | readonly Uint8Array[],
): void {
  if (value instanceof Uint8Array) {
    writeLength(out.writer, width, value.length)
    return out.append(value)
  }
  let length = 0
  for (const chunk of value) length += chunk.length
  writeLength(out.writer, width, length)
  for (const chunk of value) out.append(chunk)
}
