/**
 * The time limit of calls, one timer for all of an operator in a task: as every attempt may take equally long,
 * they run out in the order in which they went out.
 */
import type { Clock, Timer } from '../../../io/ports.ts'

/** An attempt as far as its time goes. */
export interface Timed {
  readonly isOver: boolean
  /** Its time is up. */
  expire(): void
}

export class CallDeadlines {
  readonly #clock: Clock
  readonly #timeoutMs: number
  #watched: { readonly timed: Timed; readonly at: number }[] = []
  #timer: Timer | undefined

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  watch(timed: Timed): void {
    this.#watched.push({ timed, at: this.#clock.monotonic() + this.#timeoutMs })
    this.#timer ??= this.#clock.after(this.#timeoutMs, this.#look)
  }

  /** Ends what has run out, and waits for the next that has not ended by itself. */
  readonly #look = (): void => {
    const now = this.#clock.monotonic()
    let at = 0
    for (; at < this.#watched.length; at++) {
      const watched = this.#watched[at]!
      if (watched.timed.isOver) continue
      if (watched.at > now) break
      watched.timed.expire()
    }
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
