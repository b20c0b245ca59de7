/**
 * Numbers from a seed: the only chance there is in a simulated world.
 *
 * Every part of a world draws from a stream of its own (`fork`), so that one more draw in the network does
 * not change what the disk does.
 */
import type { Random } from '../io/ports.ts'

/** Draws the next number, from 0 up to but not including 1. */
export type Draw = () => number

/** Mulberry32: small, and the same numbers for a seed on every machine. */
export function seededDraw(seed: number): Draw {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A stream of numbers of its own. */
export function fork(draw: Draw): Draw {
  return seededDraw(Math.floor(draw() * 2 ** 32))
}

/** A whole number from `from` to `to`, both included. */
export function drawInteger(draw: Draw, from: number, to: number): number {
  return from + Math.floor(draw() * (to - from + 1))
}

/** Random bytes for a part of the system, from a seed. */
export function simRandom(draw: Draw): Random {
  return {
    bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(draw() * 256)),
  }
}
