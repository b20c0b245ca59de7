/** Tells what operators discard: once a second each kind with its number and an example, not each record. */
import type { Clock } from '../../io/ports.ts'
import type { Discard } from '../operators/discards.ts'
import type { Task } from '../task/task.ts'
import type { ServiceEvent } from './service-event.ts'

const lookMs = 1_000

export class DiscardNews {
  readonly #clock: Clock
  readonly #tell: (event: ServiceEvent) => void
  #nextAt = -Infinity

  constructor(clock: Clock, tell: (event: ServiceEvent) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** Tells what there is, unless something was told a moment ago. */
  consider(tasks: Iterable<Task>): void {
    const now = this.#clock.monotonic()
    if (now < this.#nextAt) return
    this.#nextAt = now + lookMs
    this.tell(tasks)
  }

  tell(tasks: Iterable<Task>): void {
    const byKind = new Map<string, Discard>()
    for (const task of tasks) {
      for (const discard of task.discarded()) {
        const kind = `${discard.reason} ${discard.operator}`
        const before = byKind.get(kind)
        if (before === undefined) byKind.set(kind, discard)
        else byKind.set(kind, { ...before, records: before.records + discard.records })
      }
    }
    for (const discard of byKind.values()) this.#tell({ type: 'discarded', ...discard })
  }
}
