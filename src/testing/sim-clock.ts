/**
 * Time that moves only when nothing else is left to do.
 *
 * Callbacks wait in two places: those of `soon` in the order they came, and timers in a heap by due time,
 * then by the order they were set. `next` takes one: a `soon` first; else the earliest timer, and time
 * jumps to it. So an hour of waiting costs nothing, and the order is the same for the same calls.
 *
 * Whoever drives the clock runs each callback to its end, promises included, before it takes another.
 *
 * The wall clock may be set at any time, and nothing waits for it: `setWall`.
 */
import { Heap } from '../base/heap.ts'
import type { Clock, Timer } from '../io/ports.ts'

/** A Sunday in 2001, when the wall clock of a simulation begins. */
const startMs = 1_000_000_000_000

interface Due {
  readonly at: number
  readonly order: number
  callback: (() => void) | undefined
}

export class SimClock implements Clock {
  #elapsedMs = 0
  #aheadMs = 0
  #order = 0
  #soon: (() => void)[] = []
  #soonAt = 0
  readonly #timers = new Heap<Due>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order))

  now(): number {
    return startMs + Math.floor(this.#elapsedMs) + this.#aheadMs
  }

  /** Sets the wall clock to be ahead of the time that has passed by so much, or behind it. */
  setWall(aheadMs: number): void {
    this.#aheadMs = aheadMs
  }

  monotonic(): number {
    return this.#elapsedMs
  }

  after(delayMs: number, callback: () => void): Timer {
    const at = this.#elapsedMs + Math.max(0, delayMs)
    const due: Due = { at, order: this.#order++, callback }
    this.#timers.push(due)
    return { cancel: () => void (due.callback = undefined) }
  }

  soon(callback: () => void): void {
    this.#soon.push(callback)
  }

  /** The callback to run now; undefined when nothing is left to happen, ever. */
  next(): (() => void) | undefined {
    if (this.#soonAt < this.#soon.length) return this.#nextSoon()
    for (let due = this.#timers.pop(); due !== undefined; due = this.#timers.pop()) {
      const { at, callback } = due
      if (callback === undefined) continue
      this.#elapsedMs = at
      return callback
    }
    return undefined
  }

  #nextSoon(): () => void {
    const callback = this.#soon[this.#soonAt++]!
    if (this.#soonAt === this.#soon.length) {
      this.#soon = []
      this.#soonAt = 0
    }
    return callback
  }
}
