/**
 * Tells the listeners of logs whose watermark moved without a group of the journal (durability `memory`,
 * volatile logs): once a log however often it moved, and soon after, never inside the append.
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

  note(log: Log): void {
    this.#advanced.add(log)
    if (this.#tellingSoon) return
    this.#tellingSoon = true
    this.#clock.soon(() => {
      this.#tellingSoon = false
      this.#tell()
    })
  }

  #tell(): void {
    const advanced = this.#advanced
    this.#advanced = new Set()
    for (const log of advanced) log.tellListeners()
  }
}
