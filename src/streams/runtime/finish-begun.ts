/** Ends what is begun, before partitions go to another instance or the service closes. */
import type { Clock } from '../../io/ports.ts'
import type { Settings } from './settings.ts'
import type { Sleeper } from './sleeper.ts'
import type { TaskSet } from './task-set.ts'

export interface Begun {
  readonly set: TaskSet
  readonly clock: Clock
  readonly sleeper: Sleeper
  /** Calls outside may still take half of these; those that have not ended then are called again by another. */
  readonly settings: Pick<Settings, 'rebalanceTimeoutMs' | 'closeTimeoutMs'>
  /** Processes for a turn, and says how much. */
  readonly process: () => number
  /** Undefined while more may be written. */
  readonly ready: () => Promise<void> | undefined
}

export async function finishBegun(begun: Begun): Promise<void> {
  const { set, clock, sleeper, settings, process, ready } = begun
  const { rebalanceTimeoutMs, closeTimeoutMs } = settings
  const until = clock.monotonic() + Math.min(rebalanceTimeoutMs, closeTimeoutMs) / 2
  set.holdCalls(true)
  while (set.hasCalls && clock.monotonic() < until) {
    if (process() === 0) await sleeper.sleep(until - clock.monotonic())
    await ready()
  }
  while (!set.isBetweenBatches) {
    process()
    await ready()
    await sleeper.breathe()
  }
}
