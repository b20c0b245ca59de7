/**
 * How much of what clients send ahead is begun at once, over all connections: a thousand requests fit into
 * one read of a socket, and nobody else is heard until the last of them is begun.
 *
 * They are begun a few each time the event loop comes round; what is left over waits, first come first
 * served. They are counted, not timed: the same requests take the same rounds.
 */
import type { Clock } from '../../io/ports.ts'

/** A request of another kind counts as so many of Produce and Fetch, which have the first two keys. */
const otherWeight = 4
const fetchKey = 1

export class Rounds {
  readonly #clock: Clock
  readonly #weightMax: number
  readonly #waiting: (() => void)[] = []
  /** What may still be begun in this round. */
  #left: number
  #isTurning = false

  /** @param requestsMax what is begun in one round; of Produce and Fetch, four times as much */
  constructor(clock: Clock, requestsMax: number) {
    this.#clock = clock
    this.#weightMax = requestsMax * otherWeight
    this.#left = this.#weightMax
  }

  /** Whether enough was begun in this round. */
  get isOver(): boolean {
    return this.#left <= 0
  }

  count(frame: Uint8Array): void {
    const isOther = frame[0] !== 0 || frame[1]! > fetchKey
    this.#left -= isOther ? otherWeight : 1
    this.#turn()
  }

  /** Calls back in a later round. */
  later(callback: () => void): void {
    this.#waiting.push(callback)
    this.#turn()
  }

  #turn(): void {
    if (this.#isTurning) return
    this.#isTurning = true
    this.#clock.soon(() => {
      this.#isTurning = false
      this.#left = this.#weightMax
      while (this.#waiting.length > 0 && !this.isOver) this.#waiting.shift()!()
      if (this.#waiting.length > 0) this.#turn()
    })
  }
}
