/**
 * Time as it counts against clients: the monotonic clock, but for stretches in which this process did not
 * run.
 *
 * A process that was stopped (a suspended laptop, a paused virtual machine, SIGSTOP, one long turn of the
 * event loop) finds its timers due before it has read what came in meanwhile. Where the monotonic clock
 * went on (macOS and Windows count the time asleep, Linux does not), every session and every transaction
 * would be over at once, those of clients that slept on the same machine too. So the clock is looked at
 * again and again while anybody waits, and of a stretch between two looks that is longer than any turn
 * should be, only a little counts. Who is gone is still found out: a full timeout of being there later.
 */
import { planted } from '../../base/planted.ts'
import type { Clock, Timer } from '../../io/ports.ts'

/** How often the clock is looked at while anybody waits. */
const lookMs = 500
/** What counts of a stretch without a look, at most: no session is shorter than some of these. */
const stretchMsMax = 1000

export class AttentiveClock {
  readonly #clock: Clock
  #lookedAt: number
  #countedMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#lookedAt = clock.monotonic()
  }

  /** Milliseconds since its making that count. */
  now(): number {
    if (planted.has('wall-clock-deadlines')) return this.#clock.now()
    const at = this.#clock.monotonic()
    const stretchMs = at - this.#lookedAt
    this.#lookedAt = at
    const isPlanted = planted.has('deadlines-while-stopped')
    this.#countedMs += isPlanted ? stretchMs : Math.min(stretchMs, stretchMsMax)
    return this.#countedMs
  }

  /** Calls `callback` once, when it is `deadlineMs` or a little later. */
  at(deadlineMs: number, callback: () => void): Timer {
    let timer: Timer
    const wait = (leftMs: number): void => {
      // Whole milliseconds: what is left may be less than a clock can tell from nothing.
      timer = this.#clock.after(Math.ceil(Math.min(Math.max(0, leftMs), lookMs)), look)
    }
    const look = (): void => {
      const leftMs = deadlineMs - this.now()
      if (leftMs <= 0) callback()
      else wait(leftMs)
    }
    wait(deadlineMs - this.now())
    return { cancel: () => timer.cancel() }
  }
}
