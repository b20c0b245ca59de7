/** Instances of the counting service: processes, each behind its proxy, started again when they end. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import type { Address } from './addresses.ts'
import type { Chronicle } from './chronicle.ts'
import { Proxy } from './proxy.ts'
import { pause } from './waiting.ts'
import type { WorkerMessage, WorkerOptions } from './worker.ts'

const worker = join(import.meta.dirname, 'worker.ts')
const closeMsMax = 15_000
const restartAfterMs = 1_000

/** What all instances have in common. */
export interface InstanceSetting {
  readonly directory: string
  readonly chronicle: Chronicle
  readonly upstream: () => Address
  readonly options: () => Omit<WorkerOptions, 'instanceId' | 'broker'>
  /** Named when faults are planted in the workers. */
  readonly planted: string | undefined
  /** Told of each that ended and that nobody had ended. */
  readonly onStop: (stop: Stop) => void
}

/** An instance that stopped by itself. */
export interface Stop {
  readonly instance: string
  readonly during: 'start' | 'run'
  readonly code: string
  readonly message: string
  /** Another process had its id by then. */
  readonly wasReplaced: boolean
}

/** One process, from its start to its end. */
export class Life {
  readonly child: ChildProcess
  isRunning = false
  isAsleep = false
  /** It was told to end. */
  isDoomed = false
  isReplaced = false
  hasEnded = false
  stopped: Extract<WorkerMessage, { type: 'stopped' }> | undefined

  constructor(child: ChildProcess) {
    this.child = child
  }

  sleep(): void {
    this.isAsleep = true
    this.child.kill('SIGSTOP')
  }

  wake(): void {
    this.isAsleep = false
    this.child.kill('SIGCONT')
  }

  /** Ends it and resolves when it is gone; false when closing took too long and it was killed. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<boolean> {
    if (this.hasEnded) return true
    this.isDoomed = true
    const gone = once(this.child, 'exit').then(() => true)
    this.child.kill(signal)
    if (this.isAsleep) this.wake()
    if (signal === 'SIGKILL') return gone
    const isGone = await Promise.race([gone, pause(closeMsMax).then(() => false)])
    if (!isGone) this.child.kill('SIGKILL')
    await gone
    return isGone
  }
}

export class Instance {
  readonly id: string
  readonly proxy: Proxy
  readonly #s: InstanceSetting
  life: Life | undefined
  /** It is to run: when it ends by itself, it is started again. */
  isWanted = false
  /** A fault has it in its hands. */
  isTaken = false
  #isOver = false

  private constructor(id: string, proxy: Proxy, setting: InstanceSetting) {
    this.id = id
    this.proxy = proxy
    this.#s = setting
  }

  static async create(id: string, setting: InstanceSetting): Promise<Instance> {
    return new Instance(id, await Proxy.open(setting.upstream), setting)
  }

  get isAlive(): boolean {
    return this.life !== undefined && !this.life.hasEnded
  }

  get isRunning(): boolean {
    return this.isAlive && this.life!.isRunning
  }

  /** Nothing is in its way. */
  get isHealthy(): boolean {
    return this.isRunning && !this.life!.isDoomed && !this.life!.isAsleep && !this.proxy.isFrozen
  }

  start(): void {
    if (this.#isOver) return
    this.isWanted = true
    if (!this.isAlive) this.life = this.#begin()
  }

  async kill(): Promise<void> {
    this.isWanted = false
    await this.life?.end('SIGKILL')
  }

  async close(): Promise<void> {
    this.isWanted = false
    const isGone = (await this.life?.end('SIGTERM')) ?? true
    if (!isGone) this.#s.chronicle.say(`${this.id} did not close in ${closeMsMax} ms`)
  }

  /** Ends it for good, without waiting. */
  destroy(): void {
    this.#isOver = true
    void this.kill()
    this.proxy.close()
  }

  /** Another process takes the id; what had it before goes on by itself, and has to notice. */
  replace(): Life {
    const before = this.life!
    before.isReplaced = true
    this.life = this.#begin()
    return before
  }

  #begin(): Life {
    const { host, port } = this.proxy.address
    const options: WorkerOptions = {
      ...this.#s.options(),
      instanceId: this.id,
      broker: `${host}:${port}`,
    }
    const log = openSync(join(this.#s.directory, `instance-${this.id}.log`), 'a')
    const { CHAOS_PLANTED: _, ...env } = process.env
    const child = fork(worker, [JSON.stringify(options)], {
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...env, ...(this.#s.planted === undefined ? {} : { CHAOS_PLANTED: this.#s.planted }) },
    })
    const life = new Life(child)
    child.on('message', (message) => this.#hear(life, message as WorkerMessage))
    child.on('exit', (code, signal) => this.#ended(life, signal ?? `code ${code}`))
    return life
  }

  #hear(life: Life, message: WorkerMessage): void {
    const who = life.isReplaced ? `${this.id} (replaced)` : this.id
    if (message.type === 'running') life.isRunning = true
    if (message.type === 'stopped') life.stopped = message
    const text =
      message.type === 'stopped'
        ? `stopped by itself during ${message.during}: ${message.code}: ${message.message}`
        : message.type === 'event'
          ? message.text
          : 'runs'
    this.#s.chronicle.keep(`    ${who}: ${text}`)
  }

  #ended(life: Life, how: string): void {
    life.hasEnded = true
    if (life.isDoomed && life.stopped === undefined) return
    const unsaid = { during: 'run', code: 'crash', message: `ended with ${how}, silent` } as const
    const { during, code, message } = life.stopped ?? unsaid
    this.#s.onStop({
      instance: this.id,
      during,
      code,
      message,
      wasReplaced: life.isReplaced,
    })
    if (this.life === life) setTimeout(() => this.isWanted && this.start(), restartAfterMs).unref()
  }
}
