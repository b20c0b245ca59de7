/**
 * Whether anybody hears of a service that fails. A process whose services have stopped and that stands there as
 * if nothing were wrong is the worst of all answers: an error that nobody listens to ends it.
 */
import { nodeClock } from '../../io/node-clock.ts'
import type { RunningTopology } from './running.ts'

export class Heard {
  #isHeard = false

  constructor(services: readonly Pick<RunningTopology, 'failed'>[]) {
    for (const { failed } of services) {
      failed.catch((error: unknown) => {
        // Whoever waits is told first.
        nodeClock.soon(() => {
          if (!this.#isHeard) throw error
        })
      })
    }
  }

  /** From now on somebody listens. */
  listen(failed: Promise<never>): Promise<never> {
    this.#isHeard = true
    return failed
  }

  /** Somebody who waits for `work` hears of its failure. */
  by(work: Promise<void>): Promise<void> {
    return work.catch((error: unknown) => {
      this.#isHeard = true
      throw error
    })
  }
}
