/**
 * About what a decoded value takes in memory, from its declaration alone: what bounds a request by what it
 * becomes and not by what it is on the wire, where an item may be one byte.
 *
 * The numbers are those of V8 on 64 bits, and rather too large than too small; a test holds them against
 * what decoding really takes.
 */
import type { Shape } from './shape.ts'

/** A place in an object or a list. */
const slotBytes = 8
const objectBytes = 24
/** A number that does not fit its place: from 32 bits on. */
const numberBytes = 16
const stringBytes = 24
/** Sixteen bytes as text. */
const uuidBytes = 48
/** A view of the frame; the frame itself is counted where it is held. */
const viewBytes = 112
const listBytes = 32
/** Room that V8 gives a list with its first item, since the next may come. */
const listRoomBytes = 152
/** The part of a list's places that is kept free for more. */
const listSlack = 1.5

/** A value with all that is there whatever it holds; items and text are charged as they are read. */
export function heapBytesOf(shape: Shape): number {
  switch (shape.kind) {
    case 'nullable':
      return heapBytesOf(shape.of)
    case 'array':
      return slotBytes + listBytes
    case 'struct': {
      let bytes = slotBytes + objectBytes
      for (const { shape: of } of Object.values(shape.members)) bytes += heapBytesOf(of)
      return bytes
    }
    case 'string':
      return slotBytes + stringBytes
    case 'bytes':
    case 'records':
      return slotBytes + viewBytes
    case 'uuid':
      return slotBytes + uuidBytes
    case 'int64':
      return slotBytes + numberBytes
    case 'bool':
    case 'int8':
    case 'int16':
    case 'int32':
      return slotBytes
  }
}

/** `count` items of a list, each of `itemBytes`. */
export function itemsHeapBytes(count: number, itemBytes: number): number {
  if (count === 0) return 0
  return listRoomBytes + count * (itemBytes + slotBytes * (listSlack - 1))
}

/** The characters of a string of `length` bytes: two bytes each, where one is not in Latin-1. */
export function textHeapBytes(length: number): number {
  return 2 * length
}
