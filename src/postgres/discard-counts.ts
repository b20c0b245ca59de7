/** Tells what a sink discards: once a second each kind with its number and an example, not each record. */
import type { Clock } from '../io/ports.ts'
import type { Discard } from '../streams/operators/discards.ts'

const quietMs = 1_000

export class DiscardCounts {
  readonly #clock: Clock
  readonly #tell: (discard: Discard) => void
  #byKind = new Map<string, Discard>()
  #nextAt = -Infinity

  constructor(clock: Clock, tell: (discard: Discard) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  add(discard: Discard): void {
    const kind = `${discard.reason} ${discard.operator}`
    const before = this.#byKind.get(kind)
    const records = (before?.records ?? 0) + discard.records
    this.#byKind.set(kind, { ...(before ?? discard), records })
  }

  /** Tells what there is, unless something was told a moment ago. */
  consider(): void {
    const now = this.#clock.monotonic()
    if (this.#byKind.size === 0 || now < this.#nextAt) return
    this.#nextAt = now + quietMs
    this.tell()
  }

  tell(): void {
    const discards = this.#byKind
    this.#byKind = new Map()
    for (const discard of discards.values()) this.#tell(discard)
  }
}
