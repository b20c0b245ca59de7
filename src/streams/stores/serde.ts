/**
 * How keys and values become record bytes and come back.
 *
 * Keys: a string is its UTF-8 bytes; a 64-bit integer its decimal text, so that every client and tool can
 * read it. The bytes decide the partition (murmur2, as in Kafka), so encoding is exact and one-to-one.
 * A stream repeats few keys often: both directions remember what they have seen, within a named bound.
 *
 * Values: the schema's codec where a schema is known, else JSON in which a bigint, a date and bytes
 * survive. A value that does not decode throws; naming the record is the task's business.
 */
import { utf8Bytes, utf8String } from '../../base/bytes.ts'
import type { Writer } from '../../base/bytes.ts'
import { murmur2 } from '../../base/checksum.ts'

/** A key as programs see it. */
export type Key = string | bigint

export type KeyKind = 'string' | 'int64'

/** A key's bytes, and the hash that decides its partition. */
export interface EncodedKey {
  readonly bytes: Uint8Array
  /** Kafka's murmur2 without its sign: the partition is its remainder by the partition count. */
  readonly hash: number
}

/** Slots of decoded keys, direct-mapped by a hash of the bytes; a power of two. */
const decodedKeysMax = 16_384

/** Encoded keys remembered before all are forgotten. */
const encodedKeysMax = 65_536

/** Encodes and decodes keys of one kind. */
export class KeyCodec {
  readonly #kind: KeyKind
  readonly #decoded: (SeenKey | undefined)[] = []
  readonly #encoded = new Map<Key, EncodedKey>()

  constructor(kind: KeyKind) {
    this.#kind = kind
  }

  /** The key in `bytes[start, end)`. */
  decode(bytes: Uint8Array, start: number, end: number): Key {
    let hash = 0x811c9dc5
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
    const slot = (hash ^ (hash >>> 15)) & (decodedKeysMax - 1)
    const seen = this.#decoded[slot]
    if (seen !== undefined && sameBytes(seen.bytes, bytes, start, end)) return seen.key
    const own = bytes.slice(start, end)
    const key = this.#parse(utf8String(own))
    this.#decoded[slot] = { key, bytes: own }
    return key
  }

  encode(key: Key): EncodedKey {
    const seen = this.#encoded.get(key)
    if (seen !== undefined) return seen
    const bytes = utf8Bytes(this.#print(key))
    const encoded = { bytes, hash: murmur2(bytes) & 0x7fffffff }
    if (this.#encoded.size >= encodedKeysMax) this.#encoded.clear()
    this.#encoded.set(key, encoded)
    return encoded
  }

  #parse(text: string): Key {
    if (this.#kind === 'string') return text
    if (!/^-?\d+$/.test(text)) throw new TypeError(`the key '${text}' is not a whole number`)
    return BigInt(text)
  }

  #print(key: Key): string {
    if (typeof key === (this.#kind === 'string' ? 'string' : 'bigint')) return String(key)
    throw new TypeError(`a key of type ${typeof key} was given where ${this.#kind} is declared`)
  }
}

/** The codecs of both kinds of key; one pair a service, so that what one task has seen all know. */
export type KeyCodecs = Readonly<Record<KeyKind, KeyCodec>>

export function keyCodecs(): KeyCodecs {
  return { string: new KeyCodec('string'), int64: new KeyCodec('int64') }
}

interface SeenKey {
  readonly key: Key
  readonly bytes: Uint8Array
}

function sameBytes(own: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (own.length !== end - start) return false
  for (let i = 0; i < own.length; i++) if (own[i] !== bytes[start + i]) return false
  return true
}

/** Values of one type as bytes. */
export interface ValueCodec {
  encode(value: unknown, writer: Writer): void
  decode(bytes: Uint8Array, start: number, end: number): unknown
}

/** JSON that keeps what plain JSON loses: bigints, dates, byte arrays, infinities; each under a `$` key. */
export const jsonCodec: ValueCodec = {
  encode: (value, writer) => {
    const text = JSON.stringify(value, mark)
    if (text === undefined) throw new TypeError(`a ${typeof value} cannot be stored`)
    writer.string(text)
  },
  decode: (bytes, start, end) => {
    const text = utf8String(bytes.subarray(start, end))
    return text.includes('"$') ? JSON.parse(text, unmark) : JSON.parse(text)
  },
}

/** `this` is the holder: a `Date` has become a string before a replacer sees it. */
function mark(this: unknown, name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return { $bigint: String(value) }
  if (typeof value === 'string') {
    const original = (this as Record<string, unknown>)[name]
    return original instanceof Date ? { $date: original.getTime() } : value
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return { $number: String(value) }
  if (value instanceof Uint8Array) return { $bytes: base64(value) }
  return value
}

function unmark(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('$bigint' in value) return BigInt(value.$bigint as string)
  if ('$date' in value) return new Date(value.$date as number)
  if ('$number' in value) return Number(value.$number)
  if ('$bytes' in value) return fromBase64(value.$bytes as string)
  return value
}

function base64(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}
