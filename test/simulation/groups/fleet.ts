/** The instances of one service, and what events need to play with them. */
import type { Draw } from '../../../src/testing/seed.ts'
import { drawInteger } from '../../../src/testing/seed.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import type { World } from '../../../src/testing/world.ts'
import { Instance } from './instance.ts'
import type { Company } from './instance.ts'

const instancesMax = 4

export class Fleet {
  readonly world: World
  readonly draw: Draw
  readonly instances: readonly Instance[]
  /** How long the service's function takes for a fact, everywhere. */
  slowMs = 0

  constructor(company: Company, draw: Draw) {
    this.world = company.world
    this.draw = draw
    this.instances = Array.from({ length: instancesMax }, (_, i) => {
      return new Instance(String.fromCodePoint(97 + i), company)
    })
  }

  get up(): Instance[] {
    return this.instances.filter(({ isUp }) => isUp)
  }

  /** Whether any is in an event's hands. */
  get isBusy(): boolean {
    return this.instances.some((each) => each.isBusy)
  }

  /** Those that run and are in nobody's hands. */
  get free(): Instance[] {
    return this.up.filter(({ isBusy }) => !isBusy)
  }

  /** Those that do not run and are in nobody's hands. */
  get idle(): Instance[] {
    return this.instances.filter(({ isUp, isBusy }) => !isUp && !isBusy)
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[drawInteger(this.draw, 0, list.length - 1)]
  }

  between(fromMs: number, toMs: number): number {
    return drawInteger(this.draw, fromMs, toMs)
  }

  pause(ms: number): Promise<void> {
    return sleep(this.world.clock, ms)
  }

  /** Waits until `isDue`, but not longer than `ms`. */
  async until(isDue: () => boolean, ms: number): Promise<boolean> {
    for (let left = ms; left > 0 && !isDue(); left -= 10) await this.pause(10)
    return isDue()
  }

  /** Keeps instances for one event until it is over. */
  async hold(instances: readonly Instance[], work: () => Promise<void>): Promise<void> {
    for (const each of instances) each.isBusy = true
    await work()
    for (const each of instances) each.isBusy = false
  }

  heal(): void {
    for (const each of this.instances) each.heal()
  }
}
