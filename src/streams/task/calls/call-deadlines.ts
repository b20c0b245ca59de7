/**
 * The time limit of calls, one timer for all of an operator in a task: as every attempt may take equally long,
 * they run out in the order in which they went out.
 */
import type { Clock, Timer } from '../../../io/ports.ts'

/** An attempt as far as its time goes. */
export interface Timed {
  /** Its time is up. */
  expire(): void
}

/** An attempt that is watched, until it is over: nothing is kept of it then. */
export interface Watched {
  timed: Timed | undefined
  readonly at: number
}

/** Places of attempts that are over are given back when there are so many, or as many as are not. */
const overMax = 1_024

export class CallDeadlines {
  readonly #clock: Clock
  readonly #timeoutMs: number
  #watched: Watched[] = []
  #tidyAt = overMax
  #isLooking = false
  #timer: Timer | undefined

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  watch(timed: Timed): Watched {
    const watched = { timed, at: this.#clock.monotonic() + this.#timeoutMs }
    if (this.#watched.length >= this.#tidyAt && !this.#isLooking) this.#tidy()
    this.#watched.push(watched)
    this.#timer ??= this.#clock.after(this.#timeoutMs, this.#look)
    return watched
  }

  /** Most attempts end long before their time. */
  #tidy(): void {
    this.#watched = this.#watched.filter((watched) => watched.timed !== undefined)
    this.#tidyAt = overMax + 2 * this.#watched.length
  }

  /** Ends what has run out, and waits for the next that has not ended by itself. */
  readonly #look = (): void => {
    const now = this.#clock.monotonic()
    let at = 0
    this.#isLooking = true
    for (; at < this.#watched.length; at++) {
      const watched = this.#watched[at]!
      if (watched.timed === undefined) continue
      if (watched.at > now) break
      watched.timed.expire()
    }
    this.#isLooking = false
    this.#watched = this.#watched.slice(at)
    const [next] = this.#watched
    this.#timer = next && this.#clock.after(Math.max(1, next.at - now), this.#look)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#watched = []
  }
}
