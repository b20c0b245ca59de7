/** What is done to a request before it is sent. Everything is drawn from a seed. */
import { concatBytes } from '../../src/base/bytes.ts'
import { drawInteger, type Draw } from '../../src/testing/seed.ts'
import type { Frame } from './frames.ts'

type Mutation = (bytes: Uint8Array, draw: Draw, frames: readonly Frame[]) => Uint8Array

/** Changes at most, of one frame. */
const changesMax = 4
const longestInsert = 64
const tellingBytes = [0, 1, 0x7f, 0x80, 0xff]
const tellingInts = [-1, 0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x00ff_ffff, 0x7fff_ffff, -0x8000_0000]

export const mutations: Readonly<Record<string, Mutation>> = {
  'a bit': (bytes, draw) => {
    const changed = bytes.slice()
    const at = drawInteger(draw, 0, changed.length - 1)
    changed[at] = changed[at]! ^ (1 << drawInteger(draw, 0, 7))
    return changed
  },
  'a byte': (bytes, draw) => {
    const changed = bytes.slice()
    changed[drawInteger(draw, 0, changed.length - 1)] = oneOf(tellingBytes, draw)
    return changed
  },
  'an int32': (bytes, draw) => {
    if (bytes.length < 4) return bytes
    const changed = bytes.slice()
    const at = drawInteger(draw, 0, changed.length - 4)
    new DataView(changed.buffer).setInt32(at, oneOf(tellingInts, draw))
    return changed
  },
  'a stretch removed': (bytes, draw) => {
    const [from, to] = stretch(bytes, draw)
    return concatBytes([bytes.subarray(0, from), bytes.subarray(to)])
  },
  'a stretch twice': (bytes, draw) => {
    const [from, to] = stretch(bytes, draw)
    return concatBytes([bytes.subarray(0, to), bytes.subarray(from)])
  },
  'the end cut off': (bytes, draw) => bytes.slice(0, drawInteger(draw, 1, bytes.length)),
  'something put in': (bytes, draw) => {
    const at = drawInteger(draw, 0, bytes.length)
    const length = drawInteger(draw, 1, longestInsert)
    const noise = Uint8Array.from({ length }, () => drawInteger(draw, 0, 255))
    return concatBytes([bytes.subarray(0, at), noise, bytes.subarray(at)])
  },
  'the end of another': (bytes, draw, frames) => {
    const other = oneOf(frames, draw).bytes
    const at = drawInteger(draw, 1, bytes.length)
    return concatBytes([bytes.subarray(0, at), other.subarray(Math.min(at, other.length))])
  },
  'another API or version': (bytes, draw) => {
    const changed = bytes.slice()
    if (changed.length < 4) return changed
    new DataView(changed.buffer).setInt16(oneOf([0, 2], draw), drawInteger(draw, -1, 95))
    return changed
  },
  nothing: (bytes) => bytes,
}

const all = Object.values(mutations)

/** A frame, with its length, after a few changes; at times the length is wrong, too. */
export function mutated(frame: Frame, draw: Draw, frames: readonly Frame[]): Uint8Array {
  let bytes = frame.bytes
  for (let left = drawInteger(draw, 1, changesMax); left > 0 && bytes.length > 0; left--) {
    bytes = oneOf(all, draw)(bytes, draw, frames)
  }
  const length = new Uint8Array(4)
  const told = draw() < 0.02 ? oneOf(tellingInts, draw) : bytes.length
  new DataView(length.buffer).setInt32(0, told)
  return concatBytes([length, bytes])
}

function stretch(bytes: Uint8Array, draw: Draw): [from: number, to: number] {
  const from = drawInteger(draw, 0, bytes.length)
  return [from, drawInteger(draw, from, bytes.length)]
}

export function oneOf<T>(list: readonly T[], draw: Draw): T {
  return list[drawInteger(draw, 0, list.length - 1)]!
}
