/**
 * How a command that stays up ends: at Ctrl-C (SIGINT) or SIGTERM it is asked to stop, and stops cleanly.
 * Asked twice, it stops at once: what was acknowledged is on disk, so nothing stored is lost.
 */
import { Interrupted, exitCodes } from './output.ts'

export class Lifetime {
  readonly #asked = Promise.withResolvers<void>()
  readonly #keepAlive = setInterval(() => {}, 60_000)
  readonly #onSignal = () => {
    if (this.isOver) process.exit(exitCodes.interrupted)
    this.isOver = true
    this.#asked.resolve()
  }

  /** Whether the command was asked to stop. */
  isOver = false

  constructor() {
    process.on('SIGINT', this.#onSignal)
    process.on('SIGTERM', this.#onSignal)
  }

  /** Resolves when the command is asked to stop. */
  get over(): Promise<void> {
    return this.#asked.promise
  }

  /** What `work` gives; throws `Interrupted` when the command is asked to stop before that. */
  unlessOver<T>(work: Promise<T>): Promise<T> {
    return Promise.race([
      work,
      this.over.then(() => {
        throw new Interrupted()
      }),
    ])
  }

  [Symbol.dispose](): void {
    clearInterval(this.#keepAlive)
    process.off('SIGINT', this.#onSignal)
    process.off('SIGTERM', this.#onSignal)
  }
}
