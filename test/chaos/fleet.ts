/** Everything that faults may lay hands on. */
import type { Draw } from '../../src/testing/seed.ts'
import type { BrokerProcess } from './broker-process.ts'
import type { Chronicle } from './chronicle.ts'
import { Instance } from './instance.ts'
import type { InstanceSetting } from './instance.ts'
import { pause } from './waiting.ts'

export class Fleet {
  readonly instances: Instance[] = []
  readonly chronicle: Chronicle
  /** Undefined when the broker is not ours, and so not ours to harm. */
  readonly broker: BrokerProcess | undefined
  readonly sessionMs: number
  /** Instances that run when nothing is wrong. */
  readonly size: number
  /** Processes that went on although their place was taken. */
  readonly unfenced: string[] = []
  readonly #setting: InstanceSetting
  readonly #over = Promise.withResolvers<void>()
  #nextId = 1

  constructor(o: {
    readonly chronicle: Chronicle
    readonly broker: BrokerProcess | undefined
    readonly sessionMs: number
    readonly size: number
    readonly setting: InstanceSetting
  }) {
    this.chronicle = o.chronicle
    this.broker = o.broker
    this.sessionMs = o.sessionMs
    this.size = o.size
    this.#setting = o.setting
  }

  /** A new instance with an id that none had before. */
  async add(): Promise<Instance> {
    const instance = await Instance.create(String(this.#nextId++), this.#setting)
    this.instances.push(instance)
    return instance
  }

  /** Those that run and that no fault has in its hands. */
  get free(): Instance[] {
    return this.instances.filter(({ isRunning, isWanted, isTaken }) => {
      return isRunning && isWanted && !isTaken
    })
  }

  pick(draw: Draw): Instance | undefined {
    const { free } = this
    return free[Math.floor(draw() * free.length)]
  }

  /** Takes instances while `work` runs, so that no other fault does. */
  async taking(taken: readonly Instance[], work: () => Promise<void>): Promise<void> {
    for (const each of taken) each.isTaken = true
    try {
      await work()
    } finally {
      for (const each of taken) each.isTaken = false
    }
  }

  /** Waits, but not beyond the end of all harm. */
  async pause(ms: number): Promise<void> {
    await Promise.race([pause(ms), this.#over.promise])
  }

  endHarm(): void {
    this.#over.resolve()
  }

  /** Takes all harm away and brings the service back to its size. */
  async heal(): Promise<void> {
    if (this.broker !== undefined && !this.broker.isUp) await this.broker.start()
    for (const { proxy, life } of this.instances) {
      proxy.heal()
      if (life?.isAsleep === true) life.wake()
    }
    const wanted = this.instances.filter(({ isWanted }) => isWanted)
    for (const each of wanted.slice(this.size)) await each.close()
    const idle = this.instances.filter(({ isWanted }) => !isWanted)
    for (const each of idle.slice(0, Math.max(0, this.size - wanted.length))) each.start()
  }

  /** SIGKILL to everything for good, without waiting. */
  kill(): void {
    for (const each of this.instances) each.destroy()
    this.broker?.kill()
  }
}
