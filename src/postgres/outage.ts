/** Whether the database can be used. Losing and finding it are said once each. */
import type { HeadwaterError } from '../base/errors.ts'
import type { Clock } from '../io/ports.ts'
import type { SinkEvent } from './running.ts'

export class DatabaseOutage {
  /** How often it was lost. */
  count = 0
  readonly #clock: Clock
  readonly #tell: (event: SinkEvent) => void
  #since: number | undefined
  #attempts = 0

  constructor(clock: Clock, tell: (event: SinkEvent) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  get isOn(): boolean {
    return this.#since !== undefined
  }

  /** Notes a failure; how many there were in a row. */
  lost(error: HeadwaterError): number {
    if (this.#since === undefined) {
      this.#since = this.#clock.monotonic()
      this.count++
      this.#tell({ type: 'database-lost', error })
      this.#tell({ type: 'state', state: 'reconnecting' })
    }
    return ++this.#attempts
  }

  over(): void {
    const since = this.#since
    this.#since = undefined
    this.#attempts = 0
    if (since === undefined) return
    this.#tell({ type: 'database-found', ms: Math.round(this.#clock.monotonic() - since) })
  }
}
