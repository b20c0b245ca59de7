/**
 * One instance of the tally service, life after life: each life is a process of its own, behind a network
 * that may harm its requests. As an orchestrator would, it starts a new process when one could not start;
 * one that stops for good by itself is never restarted, it is what must not happen.
 */
import assert from 'node:assert/strict'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import type { Runnable } from '../../../src/streams/runtime/run.ts'
import type { RunningTopology } from '../../../src/streams/runtime/running.ts'
import { runTopology } from '../../../src/streams/runtime/run-topology.ts'
import type { ServiceEvent } from '../../../src/streams/runtime/service-event.ts'
import type { RequestRule } from '../../../src/testing/sim-requests.ts'
import { RequestFaults } from '../../../src/testing/sim-requests.ts'
import type { SimProcess, World } from '../../../src/testing/world.ts'
import { brokerAddress } from '../cluster/machine.ts'
import type { Asked } from './questions.ts'

export const sessionTimeoutMs = 6_000
const restartMs = 1_000
/** A close may wait so long for a broker that does not answer, and for what it was doing. */
const closeLimitMs = 30_000

/** What an instance is part of. */
export interface Company {
  readonly world: World
  /** Makes the service for a process. */
  readonly make: (process: SimProcess, instance: Instance) => Runnable
  readonly commitIntervalMs: number
  readonly purgeIntervalMs: number
  /** Whether a member may find its producer fenced although nobody took its place. */
  readonly mayBeFenced: boolean
  /** Ends the history. */
  readonly fail: (error: Error) => void
}

interface Life {
  readonly process: SimProcess
  readonly faults: RequestFaults
  running: RunningTopology | undefined
  isClosing: boolean
  /** Another process has the same instance id by now. */
  isSupplanted: boolean
  /** It hears of a rebalance too late to take part, and is rightly fenced by who gets its tasks. */
  isDeaf: boolean
  hasFailed: boolean
}

export class Instance {
  readonly id: string
  readonly #company: Company
  /** In the hands of an event; others leave it alone. */
  isBusy = false
  /** How long the service's function takes for a fact. */
  slowMs = 0
  #life: Life | undefined
  /** Who was the last to be given something in its name. */
  #holder: Life | undefined
  readonly #supplanted: Life[] = []

  constructor(id: string, company: Company) {
    this.id = id
    this.#company = company
  }

  /** When its last process began. */
  beganMs = 0

  /** Whether a process is there, be it frozen. */
  get isUp(): boolean {
    return this.#life !== undefined
  }

  /** The service, once it has started. */
  get running(): RunningTopology | undefined {
    return this.#life?.running
  }

  /** Its process as others ask it, if it is there. */
  get asked(): Asked | undefined {
    return this.#life
  }

  get faults(): RequestFaults {
    return this.#life!.faults
  }

  /** @param rule harm to the first requests of its process */
  start(rule?: RequestRule): void {
    assert(this.#life === undefined, `instance ${this.id} runs already`)
    this.#begin(rule)
  }

  #begin(rule?: RequestRule): void {
    const { world, fail } = this.#company
    this.beganMs = world.clock.monotonic()
    const process = world.start(this.id)
    const faults = new RequestFaults(world, process)
    if (rule !== undefined) faults.add(rule)
    const flags = { isClosing: false, isSupplanted: false, isDeaf: false, hasFailed: false }
    const life: Life = { process, faults, running: undefined, ...flags }
    this.#life = life
    this.#live(life).catch(fail)
  }

  async #live(life: Life): Promise<void> {
    try {
      life.running = await this.#run(life)
    } catch (error) {
      life.process.kill()
      life.hasFailed = true
      if (!mayFailToStart(error, life.isSupplanted) && !this.#mayLose(life, error)) {
        throw stopped(this.id, 'at its start', error)
      }
      return this.#beginAgain(life)
    }
    const error: unknown = await life.running.failed.catch((reason: unknown) => reason)
    life.hasFailed = true
    if (life.isClosing) return
    if (!this.#mayLose(life, error)) throw stopped(this.id, 'by itself', error)
    await this.#beginAgain(life)
  }

  async #beginAgain(life: Life): Promise<void> {
    await sleep(this.#company.world.clock, restartMs)
    if (this.#life === life) this.#begin()
  }

  /**
   * Whether another may have the place of a process that was fenced: who came after it, or one that should
   * have ended. That one may have woken up between the end of its successor and the start of the next, and
   * joined after it: the last to join has the place.
   */
  #mayLose(life: Life, error: unknown): boolean {
    return isHeadwaterError(error, 'fenced') && (life.isSupplanted || !this.isAlone)
  }

  #run(life: Life): Promise<RunningTopology> {
    const { process, faults } = life
    return runTopology(this.#company.make(process, this).build(), {
      broker: { bootstrap: [brokerAddress], dial: faults.dial },
      clock: process.clock,
      random: process.random,
      commitIntervalMs: this.#company.commitIntervalMs,
      purgeIntervalMs: this.#company.purgeIntervalMs,
      sessionTimeoutMs,
      instanceId: this.id,
      queryAddress: `${this.id}:80`,
      onEvent: (event) => this.#hear(life, event),
    })
  }

  #hear(life: Life, event: ServiceEvent): void {
    const { world, mayBeFenced, fail } = this.#company
    world.trace(`${this.id}: ${JSON.stringify(event)}`)
    if (event.type === 'assigned') this.#holder = life
    // One that woke up between the end of its successor and the start of the next may join after that.
    if (this.#holder !== life) return
    if (mayBeFenced || life.isSupplanted || life.isDeaf || event.type !== 'repair') return
    if (isHeadwaterError(event.error, 'fenced')) {
      fail(new Error(`instance ${this.id} was fenced, and nobody took its place`))
    }
  }

  kill(): void {
    this.#life?.process.kill()
    this.#life = undefined
  }

  /** Ends it in good order, if it runs; a process that still starts is killed. */
  async close(): Promise<void> {
    const life = this.#life
    if (life === undefined) return
    const { world } = this.#company
    world.trace(`${this.id} closes`)
    life.isClosing = true
    if (life.running !== undefined) {
      const late = sleep(world.clock, closeLimitMs).then(() => 'late' as const)
      const how = await Promise.race([life.running.close(), late])
      assert(how !== 'late', `instance ${this.id}: close took more than ${closeLimitMs} ms`)
    }
    if (this.#life === life) this.kill()
  }

  freeze(ms: number): void {
    this.#life?.process.freeze(ms)
  }

  /** The answers to its next heartbeats come late. */
  deafen(): void {
    assert(this.#life !== undefined, `instance ${this.id} does not run`)
    this.#life.isDeaf = true
    this.#life.faults.add({ api: 'Heartbeat', harm: 'delay-answer', ms: 4000, count: 2 })
  }

  /** Another process takes the place of this one, which goes on if it is not frozen. */
  supplant(): void {
    const old = this.#life
    assert(old !== undefined, `instance ${this.id} does not run`)
    this.#company.world.trace(`${this.id} is supplanted`)
    old.isSupplanted = true
    this.#supplanted.push(old)
    this.#begin()
  }

  /** Whether every process whose place was taken has understood that it is. */
  get isAlone(): boolean {
    return this.#supplanted.every(({ hasFailed, process }) => hasFailed || !process.isAlive)
  }

  /** Ends all harm to its requests. */
  heal(): void {
    this.slowMs = 0
    // One whose successor has left may go on in its place, but nobody would end it.
    if (this.#life === undefined) for (const { process } of this.#supplanted) process.kill()
    for (const { faults } of [...this.#supplanted, ...(this.#life ? [this.#life] : [])]) {
      faults.heal()
    }
  }
}

/** A start may fail because of the world around it; whoever started it tries again. */
function mayFailToStart(error: unknown, isSupplanted: boolean): boolean {
  if (!isHeadwaterError(error)) return false
  return error.retriable || isHeadwaterError(error, 'connection-lost') || isSupplanted
}

function stopped(id: string, when: string, error: unknown): Error {
  const { stack, message } = error instanceof Error ? error : new Error(String(error))
  const code = isHeadwaterError(error) ? error.code : 'no code'
  return new Error(`instance ${id} stopped for good ${when} (${code}): ${stack ?? message}`)
}
