/** A loop's sleep that news end early; news that come while it is awake are not lost. */
import type { Clock } from '../../io/ports.ts'

export class Sleeper {
  readonly #clock: Clock
  #wake: (() => void) | undefined
  #isAwake = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  wake(): void {
    this.#isAwake = true
    this.#wake?.()
  }

  /** Lets sockets, heartbeats and other services of the process have their turn. */
  breathe(): Promise<void> {
    return new Promise((resolve) => this.#clock.soon(resolve))
  }

  /** Waits for news, or for `delayMs`. */
  async sleep(delayMs: number): Promise<void> {
    if (!this.#isAwake) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      const timer = this.#clock.after(delayMs, resolve)
      await promise
      timer.cancel()
      this.#wake = undefined
    }
    this.#isAwake = false
  }
}
