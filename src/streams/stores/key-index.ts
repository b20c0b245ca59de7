/**
 * Finds a row by its key's bytes: an open hash table beside a slab of keys, both outside the heap.
 *
 * A Map holds a string and an entry for each key, a hundred bytes that every collection walks; and to fill
 * one, each key must become a string first. Here a key is its bytes, as in its record, so that a restore
 * copies it and nothing else. Strings are made where a program sees the key.
 *
 * | part  | holds                                                                              |
 * |-------|------------------------------------------------------------------------------------|
 * | slot  | the key's hash; the place of its entry in the slab plus one, 0 when the slot is free |
 * | entry | row (uint32), size of the key (7 bits a byte), key                                 |
 *
 * Slots are probed one after the other (linear probing; a deletion moves later ones up, Knuth 6.4 R), at
 * most three of four in use. Entries of deleted keys stay until they are half of the slab.
 */
import { assert } from '../../base/errors.ts'
import { ByteBounds } from './key-bounds.ts'
import type { KeyBounds } from './key-bounds.ts'
import type { Key, KeyCodec } from './serde.ts'

const slotsMin = 8
const slabBytesMin = 128
const rowBytes = 4
/** A place in the slab is 31 bits of a slot. */
const slabBytesMax = 2 ** 31 - 1

export class KeyIndex {
  readonly #codec: KeyCodec
  /** Pairs of hash and place; their number is a power of two. */
  #slots = new Int32Array(slotsMin * 2)
  #slab = new Uint8Array(slabBytesMin)
  #slabEnd = 0
  #garbageBytes = 0
  #size = 0
  /** The bytes of a key that is looked up as a value: of one index at a time, and there are many. */
  static #text = new Uint8Array(64)

  constructor(codec: KeyCodec) {
    this.#codec = codec
  }

  get size(): number {
    return this.#size
  }

  /** The row of a key; undefined when it has none. */
  get(key: Key): number | undefined {
    const size = this.#write(key)
    return this.#row(this.#seek(KeyIndex.#text, 0, size, hashOf(KeyIndex.#text, 0, size)))
  }

  /** The row of the key in `bytes[start, end)`. */
  getBytes(bytes: Uint8Array, start: number, end: number): number | undefined {
    return this.#row(this.#seek(bytes, start, end, hashOf(bytes, start, end)))
  }

  /** Gives a key a row, which it must not have yet. */
  add(key: Key, row: number): void {
    const size = this.#write(key)
    this.addBytes(KeyIndex.#text, 0, size, row)
  }

  /** Gives the key in `bytes[start, end)` a row, which it must not have yet. */
  addBytes(bytes: Uint8Array, start: number, end: number, row: number): void {
    if ((this.#size + 1) * 8 > this.#slots.length * 3) this.#rebuild(this.#slots.length * 2)
    else if (this.#garbageBytes * 2 > this.#slab.length) this.#rebuild(this.#slots.length)
    const at = this.#slabEnd
    this.#reserve(rowBytes + 5 + end - start)
    const slab = this.#slab
    slab[at] = row
    slab[at + 1] = row >>> 8
    slab[at + 2] = row >>> 16
    slab[at + 3] = row >>> 24
    let to = at + rowBytes
    let size = end - start
    for (; size > 127; size >>>= 7) slab[to++] = size | 128
    slab[to++] = size
    for (let from = start; from < end; from++) slab[to++] = bytes[from]!
    this.#slabEnd = to
    this.#size++
    this.#occupy(hashOf(bytes, start, end), at)
  }

  /** Forgets a key; nothing when it has no row. */
  delete(key: Key): void {
    const size = this.#write(key)
    this.deleteBytes(KeyIndex.#text, 0, size)
  }

  deleteBytes(bytes: Uint8Array, start: number, end: number): void {
    let hole = this.#seek(bytes, start, end, hashOf(bytes, start, end))
    if (hole < 0) return
    const slots = this.#slots
    const place = slots[hole + 1]! - 1
    const key = keyStart(this.#slab, place)
    this.#garbageBytes += key.at + key.size - place
    this.#size--
    const mask = slots.length - 1
    for (let slot = hole; ;) {
      slot = (slot + 2) & mask
      if (slots[slot + 1] === 0) break
      const home = (slots[slot]! << 1) & mask
      // It may move up when its home is not between the hole and where it is.
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      slots[hole] = slots[slot]!
      slots[hole + 1] = slots[slot + 1]!
      hole = slot
    }
    slots[hole + 1] = 0
  }

  /** Keys and their rows, in no order. Nothing may be added or deleted meanwhile. */
  [Symbol.iterator](): IterableIterator<readonly [key: Key, row: number]> {
    return this.within()
  }

  /** The same without keys outside of `bounds`. */
  *within(bounds?: KeyBounds): IterableIterator<readonly [key: Key, row: number]> {
    const slots = this.#slots
    const byBytes = bounds && new ByteBounds(bounds)
    for (let slot = 0; slot < slots.length; slot += 2) {
      if (slots[slot + 1] === 0) continue
      const { at, size } = keyStart(this.#slab, slots[slot + 1]! - 1)
      if (byBytes?.excludes(this.#slab, at, size) === true) continue
      yield [this.#codec.decode(this.#slab, at, at + size), this.#row(slot)!]
    }
  }

  /** Writes the key's bytes into `#text` and returns how many. */
  #write(key: Key): number {
    const text = typeof key === 'string' ? key : String(key)
    const size = text.length
    if (size > KeyIndex.#text.length) KeyIndex.#text = new Uint8Array(size * 2)
    for (let i = 0; i < size; i++) {
      const code = text.charCodeAt(i)
      if (code > 127) return this.#writeWide(key)
      KeyIndex.#text[i] = code
    }
    return size
  }

  #writeWide(key: Key): number {
    const { bytes } = this.#codec.encode(key)
    if (bytes.length > KeyIndex.#text.length) KeyIndex.#text = new Uint8Array(bytes.length * 2)
    KeyIndex.#text.set(bytes)
    return bytes.length
  }

  /** The slot of a key; -1 when it has none. */
  #seek(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = (hash << 1) & mask; ; slot = (slot + 2) & mask) {
      const place = slots[slot + 1]!
      if (place === 0) return -1
      if (slots[slot] === hash && this.#holds(place - 1, bytes, start, end)) return slot
    }
  }

  #holds(at: number, bytes: Uint8Array, start: number, end: number): boolean {
    const slab = this.#slab
    let from = at + rowBytes
    let size = end - start
    for (; size > 127; size >>>= 7) if (slab[from++] !== ((size & 127) | 128)) return false
    if (slab[from++] !== size) return false
    for (let i = start; i < end; i++) if (slab[from++] !== bytes[i]) return false
    return true
  }

  #row(slot: number): number | undefined {
    if (slot < 0) return undefined
    const slab = this.#slab
    const at = this.#slots[slot + 1]! - 1
    return (slab[at]! | (slab[at + 1]! << 8) | (slab[at + 2]! << 16) | (slab[at + 3]! << 24)) >>> 0
  }

  #occupy(hash: number, at: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = (hash << 1) & mask
    while (slots[slot + 1] !== 0) slot = (slot + 2) & mask
    slots[slot] = hash
    slots[slot + 1] = at + 1
  }

  #reserve(bytes: number): void {
    const needed = this.#slabEnd + bytes
    if (needed <= this.#slab.length) return
    assert(needed < slabBytesMax, 'the keys of one store and partition exceed 2 GiB')
    const grown = new Uint8Array(Math.min(slabBytesMax, Math.ceil(needed * 1.5)))
    grown.set(this.#slab)
    this.#slab = grown
  }

  /** Moves everything into a table of so many numbers, and into a slab without garbage. */
  #rebuild(slotNumbers: number): void {
    const [oldSlots, oldSlab] = [this.#slots, this.#slab]
    const hasGarbage = this.#garbageBytes > 0
    this.#slots = new Int32Array(slotNumbers)
    if (hasGarbage) {
      this.#slab = new Uint8Array(Math.max(slabBytesMin, this.#slabEnd - this.#garbageBytes))
      this.#slabEnd = 0
      this.#garbageBytes = 0
    }
    for (let slot = 0; slot < oldSlots.length; slot += 2) {
      const place = oldSlots[slot + 1]!
      if (place === 0) continue
      this.#occupy(oldSlots[slot]!, hasGarbage ? this.#move(oldSlab, place - 1) : place - 1)
    }
  }

  /** Copies an entry and returns its new place. */
  #move(from: Uint8Array, at: number): number {
    const { at: start, size } = keyStart(from, at)
    const entryBytes = start + size - at
    this.#reserve(entryBytes)
    const to = this.#slabEnd
    this.#slab.set(from.subarray(at, at + entryBytes), to)
    this.#slabEnd += entryBytes
    return to
  }
}

/** Where the key of the entry at `at` begins, and how long it is. */
function keyStart(slab: Uint8Array, at: number): { readonly at: number; readonly size: number } {
  let from = at + rowBytes
  let size = 0
  for (let shift = 0; ; shift += 7) {
    const byte = slab[from++]!
    size |= (byte & 127) << shift
    if (byte < 128) return { at: from, size }
  }
}

/** FNV-1a, and the last steps of murmur3 so that its low bits depend on all of the key. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
