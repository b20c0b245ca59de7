/**
 * How a program that stays up ends: at Ctrl-C (SIGINT) or SIGTERM it is asked to stop, and stops cleanly.
 * Asked twice, it stops at once: what was acknowledged is on disk, so nothing stored is lost.
 */
import { holdProcess } from '../io/node-process.ts'
import { Interrupted, exitCodes } from './output.ts'

export class Lifetime {
  readonly #asked = new AbortController()
  readonly #over = Promise.withResolvers<void>()
  readonly #release = holdProcess()
  readonly #onSignal = () => {
    if (this.isOver) process.exit(exitCodes.interrupted)
    this.#asked.abort(new Interrupted())
    this.#over.resolve()
  }

  constructor() {
    process.on('SIGINT', this.#onSignal)
    process.on('SIGTERM', this.#onSignal)
  }

  /** Whether the program was asked to stop. */
  get isOver(): boolean {
    return this.#asked.signal.aborted
  }

  /** Aborted when the program is asked to stop. */
  get signal(): AbortSignal {
    return this.#asked.signal
  }

  /** Resolves when the program is asked to stop. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  /** What `work` gives; throws when the program is asked to stop before that, so that it ends with 130. */
  unlessOver<T>(work: Promise<T>): Promise<T> {
    return Promise.race([
      work,
      this.over.then(() => {
        throw this.signal.reason
      }),
    ])
  }

  [Symbol.dispose](): void {
    this.#release()
    process.off('SIGINT', this.#onSignal)
    process.off('SIGTERM', this.#onSignal)
  }
}
