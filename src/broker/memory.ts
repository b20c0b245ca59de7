/**
 * What requests and answers may hold in memory, all connections together.
 *
 * Whoever needs much asks before it takes, and waits its turn: nobody who asks later comes first. What is
 * there already is counted without asking. What is large in proportion has a queue and a part of its own, so
 * that it never keeps the usual waiting. Whoever has got its memory gives it back without needing more,
 * so nothing waits in a circle; but a client may be slow to send its request or to read its answer. While
 * others wait, those that have not moved on for `patienceMs` give their memory up; and what only waits for
 * something to happen (a parked fetch) is called in at once.
 */
import type { Clock, Timer } from '../io/ports.ts'

export interface MemoryPoolOptions {
  readonly bytesMax: number
  readonly patienceMs: number
  readonly clock: Clock
}

/** Memory that waits for a client, which can be given up with its connection. */
export interface Kept {
  giveUp(): void
}

/** Memory of somebody who only waits, and is done as soon as others need it. */
export interface Loan {
  /** What comes back soon after it is called in. */
  readonly bytes: number
  callIn(): void
}

interface Ask {
  readonly bytes: number
  readonly granted: () => void
}

/** The part of all memory from which on something is large. */
const largeShareMin = 1 / 16
/** The part of all memory that what is large may have together; one of it may have more. */
const largeShareMax = 3 / 4

export class MemoryPool {
  readonly bytesMax: number
  readonly #patienceMs: number
  readonly #clock: Clock
  /** Who waits, in the order they came. */
  readonly #usual = new Set<Ask>()
  readonly #large = new Set<Ask>()
  /** When it moved on last (monotonic ms), the longest ago first. */
  readonly #kept = new Map<Kept, number>()
  /** What can be called in, the oldest first. */
  readonly #loans = new Set<Loan>()
  /** What was called in and has not come back yet, in bytes. */
  readonly #called = new Map<Loan, number>()
  #usedBytes = 0
  /** Of these, what was asked for as large. */
  #largeBytes = 0
  #timer: Timer | undefined
  #isServing = false
  /** Memory came back while the queues were served. */
  #hasMore = false

  constructor({ bytesMax, patienceMs, clock }: MemoryPoolOptions) {
    this.bytesMax = bytesMax
    this.#patienceMs = patienceMs
    this.#clock = clock
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Counts memory without asking. */
  take(bytes: number): void {
    this.#usedBytes += bytes
  }

  /** @param isLarge it was asked for as such */
  free(bytes: number, isLarge = false): void {
    this.#usedBytes -= bytes
    if (isLarge) this.#largeBytes -= bytes
    this.#serve()
  }

  /** Whether so much has a queue and a part of its own. */
  isLarge(bytes: number): boolean {
    return bytes > largeShareMin * this.bytesMax
  }

  /**
   * Takes memory now, or calls `granted` when it is the caller's turn and the memory is taken; what is
   * returned then takes the question back. More than there is in all is given when nothing else is held.
   */
  ask(bytes: number, granted: () => void, isLarge = false): (() => void) | undefined {
    const queue = isLarge ? this.#large : this.#usual
    if (queue.size === 0 && this.#fits(bytes, isLarge)) {
      this.#grant(bytes, isLarge)
      return undefined
    }
    const ask: Ask = { bytes, granted }
    queue.add(ask)
    this.#watch()
    this.#callIn()
    return () => {
      if (queue.delete(ask)) this.#serve()
    }
  }

  /** From now on, memory waits for a client; called again when the client has moved on. */
  keep(kept: Kept): void {
    this.#kept.delete(kept)
    this.#kept.set(kept, this.#clock.monotonic())
    if (this.#isWanted) this.#watch()
  }

  release(kept: Kept): void {
    this.#kept.delete(kept)
  }

  /** It is taken already, and may be called in from now on until it is settled. */
  lend(loan: Loan): void {
    this.#loans.add(loan)
    // Not here: whoever lends is in the middle of something.
    if (this.#isWanted) queueMicrotask(() => this.#callIn())
  }

  settle(loan: Loan): void {
    this.#loans.delete(loan)
    this.#called.delete(loan)
  }

  get #isWanted(): boolean {
    return this.#usual.size > 0 || this.#large.size > 0
  }

  #fits(bytes: number, isLarge: boolean): boolean {
    const { bytesMax } = this
    if (this.#usedBytes === 0) return true
    if (this.#usedBytes + bytes > bytesMax) return false
    return (
      !isLarge || this.#largeBytes + bytes <= largeShareMax * bytesMax || this.#largeBytes === 0
    )
  }

  #grant(bytes: number, isLarge: boolean): void {
    this.#usedBytes += bytes
    if (isLarge) this.#largeBytes += bytes
  }

  /**
   * Whoever is granted memory may give it back at once. That is heard of here and not served deeper down:
   * the stack would grow by each one that waits.
   */
  #serve(): void {
    this.#hasMore = true
    if (this.#isServing) return
    this.#isServing = true
    try {
      while (this.#hasMore) {
        this.#hasMore = false
        this.#serveQueue(this.#usual, false)
        this.#serveQueue(this.#large, true)
      }
    } finally {
      this.#isServing = false
    }
    if (this.#isWanted) this.#callIn()
  }

  /** Calls in what the first of those who wait lack, and no more. */
  #callIn(): void {
    let lacking = this.#lacking
    if (lacking <= 0 || this.#loans.size === 0) return
    for (const bytes of this.#called.values()) lacking -= bytes
    for (const loan of this.#loans) {
      if (lacking <= 0) return
      const { bytes } = loan
      this.#loans.delete(loan)
      this.#called.set(loan, bytes)
      lacking -= bytes
      loan.callIn()
    }
  }

  get #lacking(): number {
    let bytes = 0
    for (const [ask] of [this.#usual, this.#large]) bytes = Math.max(bytes, ask?.bytes ?? 0)
    return bytes === 0 ? 0 : this.#usedBytes + bytes - this.bytesMax
  }

  #serveQueue(queue: Set<Ask>, isLarge: boolean): void {
    for (const ask of queue) {
      if (!this.#fits(ask.bytes, isLarge)) return
      queue.delete(ask)
      this.#grant(ask.bytes, isLarge)
      ask.granted()
    }
  }

  /** Looks again when the one that has not moved on for longest has had its time. */
  #watch(): void {
    if (this.#timer !== undefined) return
    const [since] = this.#kept.values()
    if (since === undefined) return
    const leftMs = since + this.#patienceMs - this.#clock.monotonic()
    this.#timer = this.#clock.after(Math.max(0, leftMs), () => {
      this.#timer = undefined
      this.#makeRoom()
    })
  }

  #makeRoom(): void {
    for (const [kept, since] of this.#kept) {
      if (!this.#isWanted) return
      if (since + this.#patienceMs > this.#clock.monotonic()) break
      this.#kept.delete(kept)
      kept.giveUp()
    }
    if (this.#isWanted) this.#watch()
  }
}

/** An answer's share of the memory, as the handler that makes it sees it, and whoever runs the handler. */
export interface AnswerRoom {
  /** Settles when every request before it on its connection has been answered; undefined when that is so. */
  whenFirst(): Promise<void> | undefined
  /** How much of `bytesMax` may be read now; less when memory is short, but something. */
  reserve(bytesMax: number): number | Promise<number>
  /** What the answer holds of what was reserved. */
  keep(bytes: number): void
  /** Nothing is kept of the decoded request any more but what takes `heapBytes`. */
  shrink(heapBytes: number): void
  /** The request does nothing but wait from now on; `end` is called when others need what it holds. */
  parked(end: () => void): void
  /** Counts `bytes` more of what was reserved; throws `Outgrown` when that was all. */
  grow(bytes: number): void
  /**
   * Drops what was made, and reserves more for making it again, `bytesMax` at most: whoever waits for memory
   * holds none, so nobody waits in a circle. Throws `frame-too-large` when it had that much.
   */
  more(bytesMax: number): Promise<number> | number
}

/** An answer that is being made takes more than it has room for: nothing of it may be used. */
export class Outgrown extends Error {}

/** What a large answer is given at least when it is its turn. */
const shareBytesMin = 1024 * 1024

/** What an answer of up to `bytesMax` is given where `free` bytes are left: half of it, so that more come. */
export function shareOf(free: number, bytesMax: number): number {
  return Math.min(bytesMax, Math.max(shareBytesMin, Math.floor(free / 2)))
}
