/**
 * Tells the listeners of logs that a watermark moved: once a log however often it moved, and with a
 * group of the journal or soon after, never inside the append that moved it.
 */
import type { Clock } from '../../io/ports.ts'
import type { Log } from '../log.ts'

export class Announcer {
  readonly #clock: Clock
  #advanced = new Set<Log>()
  #tellingSoon = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Remembers the log for the next `tell`. */
  note(log: Log): void {
    this.#advanced.add(log)
  }

  /** Remembers the log and tells without being asked. */
  tellSoon(log: Log): void {
    this.#advanced.add(log)
    if (this.#tellingSoon) return
    this.#tellingSoon = true
    this.#clock.soon(() => {
      this.#tellingSoon = false
      this.tell()
    })
  }

  tell(): void {
    if (this.#advanced.size === 0) return
    const advanced = this.#advanced
    this.#advanced = new Set()
    for (const log of advanced) log.tellListeners()
  }
}
