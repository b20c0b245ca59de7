/**
 * How keys and values become record bytes and come back.
 *
 * Keys: a string is its UTF-8 bytes; a 64-bit integer its decimal text, so that every client and tool can
 * read it. A key's bytes are its identity and decide its partition (murmur2, as in Kafka): each key has one
 * form, and bytes that are no key's form are refused, never taken for another key.
 * A stream repeats few keys often: both directions remember what they have seen, within a named bound.
 *
 * Values: the schema's codec where a schema is known, else plain data (`plain.ts`). What does not decode
 * throws `record-invalid`; naming the record is the task's business.
 */
import { exactUtf8String, hexOf, utf8Bytes } from '../../base/bytes.ts'
import type { Writer } from '../../base/bytes.ts'
import { murmur2 } from '../../base/checksum.ts'
import { HeadwaterError } from '../../base/errors.ts'

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
/** Longer keys are encoded each time: whoever asks for many of them would fill the memory. */
const rememberedCharsMax = 256

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
    const key = this.#parse(own)
    this.#decoded[slot] = { key, bytes: own }
    return key
  }

  /** Throws what `decode` would. */
  check(bytes: Uint8Array, start: number, end: number): void {
    let isAscii = this.#kind === 'string'
    for (let at = start; isAscii && at < end; at++) isAscii = bytes[at]! < 128
    if (!isAscii) this.decode(bytes, start, end)
  }

  encode(key: Key): EncodedKey {
    const seen = this.#encoded.get(key)
    if (seen !== undefined) return seen
    const encoded = encodeKey(this.#kind, key)
    if (typeof key === 'string' && key.length > rememberedCharsMax) return encoded
    if (this.#encoded.size >= encodedKeysMax) this.#encoded.clear()
    this.#encoded.set(key, encoded)
    return encoded
  }

  #parse(bytes: Uint8Array): Key {
    const text = exactUtf8String(bytes)
    if (text === undefined) {
      throw refuse(
        `the key's bytes (${shownBytes(bytes)}) are not UTF-8 text: its keyspace says ${this.#kind}, so whoever ` +
          'wrote it must write that, or the stream needs a keyspace of what it holds',
      )
    }
    if (this.#kind === 'string') return text
    const key = int64Key(text)
    if (key !== undefined) return key
    throw refuse(
      `the key ${JSON.stringify(text.slice(0, 40))} is not a 64-bit whole number in its one decimal form ` +
        "(no '+', no spaces, no leading zeros): whoever wrote it must write that",
    )
  }
}

/** The bytes and hash of a key, of which nothing is remembered. Throws `record-invalid` when it is none of `kind`. */
export function encodeKey(kind: KeyKind, key: Key): EncodedKey {
  const bytes = utf8Bytes(printKey(kind, key))
  return { bytes, hash: murmur2(bytes) & 0x7fffffff }
}

function printKey(kind: KeyKind, key: Key): string {
  if (typeof key !== (kind === 'string' ? 'string' : 'bigint')) {
    throw refuse(`a key of type ${typeof key} was given where ${kind} is declared`)
  }
  if (typeof key === 'string') {
    if (key.isWellFormed()) return key
    throw refuse(
      `the key ${JSON.stringify(key.slice(0, 40))} holds half a character: no bytes are its`,
    )
  }
  if (BigInt.asIntN(64, key) === key) return String(key)
  throw refuse(`the key ${key} does not fit 64 bits`)
}

/** The integer that `text` is the one form of; undefined when it is none's. */
export function int64Key(text: string): bigint | undefined {
  if (!/^(0|-?[1-9]\d{0,18})$/.test(text)) return undefined
  const key = BigInt(text)
  return BigInt.asIntN(64, key) === key ? key : undefined
}

function shownBytes(bytes: Uint8Array): string {
  return `0x${hexOf(bytes.subarray(0, 16))}${bytes.length > 16 ? '…' : ''}`
}

function refuse(why: string): HeadwaterError {
  return new HeadwaterError('record-invalid', why)
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
