/** Whether the database can be used. Losing and finding it are said once each. */
import type { HeadwaterError } from '../base/errors.ts'
import type { Clock } from '../io/ports.ts'
import type { SinkEvent } from './running.ts'

export class DatabaseOutage {
  /** How often it was lost. */
  count = 0
  /** Attempts in vain to use it, of all times together. */
  retries = 0
  readonly #clock: Clock
  readonly #tell: (event: SinkEvent) => void
  #since: number | undefined
  #awayMs = 0
  #attempts = 0

  constructor(clock: Clock, tell: (event: SinkEvent) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  get isOn(): boolean {
    return this.#since !== undefined
  }

  /** How long it was away, of all times together; the one that goes on counts. */
  get awayMs(): number {
    const now = this.#since === undefined ? 0 : this.#clock.monotonic() - this.#since
    return Math.round(this.#awayMs + now)
  }

  /** Notes a failure; how many there were in a row. */
  lost(error: HeadwaterError): number {
    if (this.#since === undefined) {
      this.#since = this.#clock.monotonic()
      this.count++
      this.#tell({ type: 'database-lost', error })
      this.#tell({ type: 'state', state: 'reconnecting' })
    }
    this.retries++
    return ++this.#attempts
  }

  over(): void {
    const since = this.#since
    this.#since = undefined
    this.#attempts = 0
    if (since === undefined) return
    const ms = this.#clock.monotonic() - since
    this.#awayMs += ms
    this.#tell({ type: 'database-found', ms: Math.round(ms) })
  }
}
