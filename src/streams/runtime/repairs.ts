/**
 * Whether a service goes on after a failure, and after which pause.
 *
 * What passes by itself is tried again for as long as it takes. What cannot be told from outside is tried
 * again for a minute in which it comes again and again and nothing is committed.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import { assert } from '../../base/errors.ts'
import { backoffMs, sleep } from '../../client/cluster/backoff.ts'
import type { Clock, Random } from '../../io/ports.ts'
import { verdictOf } from './failures.ts'
import type { ServiceEvent } from './service-event.ts'
import { Stalls } from './stalls.ts'
import type { Stall } from './stalls.ts'

/** How long a failure that may be for good is tried again without a commit in between. */
const doubtMsMax = 60_000

export class Repairs {
  /** What is waited for, and tried again where it is. */
  readonly stalls: Stalls
  readonly #clock: Clock
  readonly #random: Random
  readonly #onEvent: (event: ServiceEvent) => void
  #count = 0
  #inARow = 0
  /** When doubtful failures began to follow each other, and the last one. */
  #doubted: { readonly since: number; readonly last: number } | undefined
  #pauseMs = 0
  #lastError: { readonly code: string; readonly message: string } | undefined

  constructor(clock: Clock, random: Random, onEvent: (event: ServiceEvent) => void) {
    this.stalls = new Stalls(clock, (stall) => this.#stalled(stall))
    this.#clock = clock
    this.#random = random
    this.#onEvent = onEvent
  }

  get count(): number {
    return this.#count
  }

  get lastError(): { readonly code: string; readonly message: string } | undefined {
    return this.#lastError
  }

  /**
   * Notes a failure; false when the service has to stop with it.
   * @param isLearned whether it will be known beforehand the next time
   */
  mayGoOn(error: unknown, isLearned = false): boolean {
    const verdict = isLearned ? 'retry' : verdictOf(error)
    if (verdict === 'stop') return false
    assert(isHeadwaterError(error), 'only operating errors are repaired')
    const now = this.#clock.monotonic()
    if (verdict === 'doubt') {
      // A service without anything to do commits nothing: that it failed an hour ago says nothing now.
      const isAgain = this.#doubted !== undefined && now - this.#doubted.last <= doubtMsMax
      this.#doubted = { since: isAgain ? this.#doubted!.since : now, last: now }
      if (now - this.#doubted.since > doubtMsMax) return false
    }
    this.#count++
    this.#pauseMs = backoffMs(++this.#inARow, this.#random)
    this.#lastError = { code: error.code, message: error.message }
    this.#onEvent({ type: 'repair', error, pauseMs: Math.round(this.#pauseMs) })
    return true
  }

  /** Nothing is given up for it. */
  #stalled(stall: Stall): void {
    const { code, message } = stall.error
    this.#lastError = { code, message }
    this.#onEvent({ type: 'stalled', ...stall })
  }

  /** Notes what stopped the service. */
  ended(error: unknown): void {
    const code = isHeadwaterError(error) ? error.code : 'bug'
    this.#lastError = { code, message: error instanceof Error ? error.message : String(error) }
  }

  /** Waits before the next attempt. */
  pause(): Promise<void> {
    return sleep(this.#clock, this.#pauseMs)
  }

  /** Something was committed. */
  progressed(): void {
    this.#inARow = 0
    this.#doubted = undefined
  }
}
