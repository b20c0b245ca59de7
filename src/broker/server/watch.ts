/**
 * What a connection may not do without end: be silent, or begin a request and not go on with it.
 *
 * Deadlines are looked at when their timers ring, and set on from there, so a busy connection sets none.
 */
import type { Clock, Timer } from '../../io/ports.ts'
import { gatherBytesFirst } from '../../protocol/frame.ts'

/** A timer that is later than this rings in a process that was stopped for a while. */
const lateMsMax = 1000

export interface WatchOptions {
  readonly clock: Clock
  /** How long it may neither ask for anything nor wait for an answer; for ever when left out. */
  readonly connectionIdleMsMax?: number | undefined
  /** How long the next 64 KiB of a request, or its end, may take. */
  readonly requestStallMsMax: number
  readonly isIdle: () => boolean
  readonly onIdle: () => void
  readonly onStalled: () => void
}

export class Watch {
  readonly #o: WatchOptions
  /** When it last asked for something, or was answered (monotonic ms). */
  #activeAt: number
  #isPartial = false
  #progressAt = 0
  #progressBytes = 0
  #idleTimer: Timer | undefined
  #partialTimer: Timer | undefined

  constructor(options: WatchOptions) {
    this.#o = options
    this.#activeAt = options.clock.monotonic()
    const { connectionIdleMsMax } = options
    if (connectionIdleMsMax !== undefined) this.#watchIdle(connectionIdleMsMax, connectionIdleMsMax)
  }

  /** How long it has done nothing. */
  get idleMs(): number {
    return this.#o.isIdle() ? this.#o.clock.monotonic() - this.#activeAt : 0
  }

  active(): void {
    this.#activeAt = this.#o.clock.monotonic()
  }

  /**
   * What has come by now of a request that is not whole; none when 0.
   * @param isAnother it is not the one of the last time
   */
  partial(bytes: number, isAnother: boolean): void {
    const goesOn = this.#isPartial && !isAnother
    this.#isPartial = bytes > 0
    if (!this.#isPartial || (goesOn && bytes < this.#progressBytes + gatherBytesFirst)) return
    this.#progressAt = this.#o.clock.monotonic()
    this.#progressBytes = bytes
    if (this.#partialTimer === undefined) this.#watchPartial(this.#o.requestStallMsMax)
  }

  /** Its sender cannot go on: nobody reads what it sends. */
  held(): void {
    this.#isPartial = false
  }

  close(): void {
    this.#idleTimer?.cancel()
    this.#partialTimer?.cancel()
  }

  #watchIdle(idleMsMax: number, delayMs: number): void {
    this.#idleTimer = this.#o.clock.after(delayMs, () => {
      const leftMs = idleMsMax - this.idleMs
      if (leftMs > 0) this.#watchIdle(idleMsMax, leftMs)
      else this.#o.onIdle()
    })
  }

  #watchPartial(delayMs: number): void {
    const { clock, requestStallMsMax, onStalled } = this.#o
    const dueAt = clock.monotonic() + delayMs
    this.#partialTimer = clock.after(delayMs, () => {
      this.#partialTimer = undefined
      if (!this.#isPartial) return
      // A process that did not run has not read what came meanwhile.
      if (clock.monotonic() > dueAt + lateMsMax) this.#progressAt = clock.monotonic()
      const leftMs = this.#progressAt + requestStallMsMax - clock.monotonic()
      if (leftMs > 0) this.#watchPartial(leftMs)
      else onStalled()
    })
  }
}
