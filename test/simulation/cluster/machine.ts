/**
 * The machine a simulated broker runs on: it starts one, and after each end another on what is left.
 *
 * How a life of the broker ends is planned by call of the disk: the power goes, the process is killed, or
 * the disk fails and the broker stops by itself. Until the next start nobody listens, for as long as
 * chance will have it.
 */
import assert from 'node:assert/strict'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import type { HeadwaterError } from '../../../src/base/errors.ts'
import { Broker } from '../../../src/broker/broker.ts'
import type { StoreBounds } from '../../../src/broker/broker.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import type { Durability } from '../../../src/log/store/options.ts'
import type { Draw } from '../../../src/testing/seed.ts'
import { drawInteger } from '../../../src/testing/seed.ts'
import type { SimDiskCall, SimFault } from '../../../src/testing/sim-disk.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import type { SimProcess, World } from '../../../src/testing/world.ts'

export const brokerAddress = { host: 'broker', port: 9092 }
const directory = '/disk/broker'
/** A broker is away for so long at most, and takes so long at most to stop when its disk failed. */
const downMsMax = 400
const failingMsMax = 50
const restMs = 5
/** How long a disk is full at most: someone makes room by then. */
const fullMsMax = 4000
/** How long after that a broker sees it at the latest. */
const roomSeenMs = 4000
/** How wrong a wall clock is after a start. */
const wallOffsetMsMax = 5000

/** What is lost with a life: all that was not synced may be, or nothing that was written. */
export type End = 'power' | 'kill'

/** What befalls one life of the broker. */
export interface LifePlan {
  /** The disk call in the middle of which it ends, and how. */
  readonly endAt?: number
  readonly end?: End
  /** Disk calls that fail. */
  readonly failAt?: ReadonlyMap<number, SimFault>
  /** From this disk call on there is no more room, for a while. */
  readonly fullFrom?: number
}

export interface MachineOptions {
  readonly durability?: Durability
  /** Segments and caches of the usual size, for histories that are not about the disk. */
  readonly isRoomy?: boolean
  /** The plan of each life, the first being 0. */
  readonly plan: (life: number) => LifePlan
  /** Told of every disk call. */
  readonly onCall?: (life: number, call: number, kind: SimDiskCall) => void
}

export class BrokerMachine {
  readonly #world: World
  readonly #options: MachineOptions
  /** What stopped brokers by themselves. */
  readonly failures: HeadwaterError[] = []
  lives = 0
  /** When the last of them began. */
  beganMs = 0
  readonly #bounds: StoreBounds
  #disk: SimDisk
  #lastEnd: End = 'kill'
  #broker: Broker | undefined
  #process: SimProcess | undefined
  #plan: LifePlan = {}
  #isFull = false
  /** It was at some time of this life. */
  #wasFull = false
  #isOver = false
  #isClean = false
  #running: Promise<void> | undefined

  constructor(world: World, options: MachineOptions) {
    this.#world = world
    this.#options = options
    this.#disk = new SimDisk({ seed: world.seed })
    const reserveBytes = drawInteger(world.draw, 2000, 20_000)
    this.#bounds = { ...(options.isRoomy === true ? {} : drawBounds(world.draw)), reserveBytes }
  }

  /** Keeps a broker running until `close`; rejects when one does not start that should. */
  run(): Promise<void> {
    this.#running = this.#run()
    return this.#running
  }

  async #run(): Promise<void> {
    const { clock, draw } = this.#world
    while (!this.#isOver) {
      const plan = this.#options.plan(this.lives)
      this.#lastEnd = await this.#live(plan)
      if (!this.#isOver) await sleep(clock, draw() * downMsMax)
    }
  }

  /** Closes the broker in good order, unless its life ends while it closes. */
  async close(): Promise<void> {
    while (this.#broker === undefined || this.#wasFull) {
      await sleep(this.#world.clock, restMs)
      if (!this.#wasFull) continue
      this.#makeRoom()
      this.#wasFull = false
      await sleep(this.#world.clock, roomSeenMs)
    }
    this.#isOver = true
    this.#isClean = false
    const failures = this.failures.length
    const closing = this.#broker.close().then(
      () => {
        this.#isClean = this.failures.length === failures && !this.#wasFull
        this.#lastEnd = 'kill'
      },
      (error: unknown) => {
        if (!this.#isPlanned(this.#plan, error)) throw error
        this.#lastEnd = 'kill'
      },
    )
    await Promise.race([closing, this.#running])
    this.#process!.kill()
  }

  /** Opens it once more after `close`, to find it in good order if it had the time. */
  async reopen(): Promise<void> {
    this.#makeRoom()
    const process = this.#start({}, () => undefined)
    this.#broker = await this.#open(process, {}, () => undefined)
    assert(this.#broker.recovered.clean || !this.#isClean, 'a closed broker did not start clean')
  }

  #live(plan: LifePlan): Promise<End> {
    const { promise, resolve, reject } = Promise.withResolvers<End>()
    const end = (how: End): void => {
      this.#process?.kill()
      this.#broker = undefined
      resolve(how)
    }
    const process = this.#start(plan, end)
    this.#open(process, plan, end).then(
      (broker) => {
        if (process.isAlive) this.#broker = broker
      },
      (error: unknown) => {
        if (!this.#isPlanned(plan, error)) reject(error)
        else end('kill')
      },
    )
    return promise
  }

  /** The process of the next life, and its disk. */
  #start(plan: LifePlan, end: (how: End) => void): SimProcess {
    const { draw } = this.#world
    const life = this.lives++
    this.beganMs = this.#world.clock.monotonic()
    this.#plan = plan
    this.#wasFull = this.#isFull
    const process = this.#world.start('broker', Math.floor(draw() * wallOffsetMsMax))
    const options = {
      seed: Math.floor(draw() * 2 ** 32),
      clock: process.clock,
      ...(this.#isFull ? { freeBytes: 0 } : {}),
      ...(plan.endAt === undefined ? {} : { crashAt: plan.endAt }),
      ...(plan.failAt === undefined ? {} : { failAt: plan.failAt }),
      onCrash: () => end(plan.end ?? 'power'),
      onCall: (call: number, kind: SimDiskCall) => {
        this.#world.trace(`disk ${life}.${call} ${kind}`)
        if (call === plan.fullFrom) this.#runOutOfRoom(process, end)
        this.#options.onCall?.(life, call, kind)
      },
    }
    const disk =
      this.#lastEnd === 'power' ? this.#disk.afterCrash(options) : this.#disk.afterKill(options)
    this.#disk = disk
    this.#process = process
    return process
  }

  /** Others fill the disk; the broker may be killed before there is room again. */
  #runOutOfRoom(process: SimProcess, end: (how: End) => void): void {
    const { clock, draw } = this.#world
    this.#world.trace('the disk is full')
    this.#isFull = true
    this.#wasFull = true
    this.#disk.freeBytes = 0
    const fullMs = draw() * fullMsMax
    clock.after(fullMs, () => this.#makeRoom())
    if (draw() < 0.5) process.clock.after(draw() * fullMs, () => end('kill'))
  }

  #makeRoom(): void {
    if (!this.#isFull) return
    this.#world.trace('the disk has room')
    this.#isFull = false
    this.#disk.freeBytes = Infinity
  }

  #open(process: SimProcess, plan: LifePlan, end: (how: End) => void): Promise<Broker> {
    const { durability } = this.#options
    return Broker.open({
      disk: this.#disk,
      clock: process.clock,
      random: process.random,
      network: process.network,
      directory,
      ...brokerAddress,
      ...(durability === undefined ? {} : { durability }),
      store: this.#bounds,
      // Few items a turn: nearly every request is left in the middle.
      config: { coordinatorLogBytesMax: 6000, turnItems: 3 },
      report: (event) => {
        if (event.type === 'connection-refused') {
          this.#world.trace(`broker refuses ${event.remote}: ${event.reason}`)
          assert(!event.reason.startsWith('a bug'), event.reason)
        }
        if (event.type === 'disk-full') this.#wasFull = true
        if (event.type !== 'broker-failed') return
        this.#world.trace(`broker fails: ${event.error.message}`)
        // A broker that is open lives through a full disk, but for what is no write; one that closes may
        // have no reserve yet, and does not wait for room.
        const { error } = event
        const isRight = this.#isOver ? this.#isPlanned(plan, error) : this.#isFault(plan, error)
        assert(isRight, error.stack)
        process.clock.after(this.#world.draw() * failingMsMax, () => end('kill'))
      },
    })
  }

  /** Whether an error is what a planned fault must lead to: the broker says so, and stops or does not start. */
  #isPlanned(plan: LifePlan, error: unknown): boolean {
    if (!isHeadwaterError(error, 'disk-full') || !this.#wasFull) return this.#isFault(plan, error)
    this.failures.push(error)
    return true
  }

  /** Whether it is the error of one call that was to fail. */
  #isFault({ failAt }: LifePlan, error: unknown): boolean {
    if (!isHeadwaterError(error) || failAt === undefined) return false
    // A sync that finds no room has failed for good.
    const codes = new Set<string>(['disk-failed', ...failAt.values()])
    if (!codes.has(error.code)) return false
    this.failures.push(error)
    return true
  }
}

/** Small enough that a short history rolls segments, takes checkpoints and reads from the disk. */
function drawBounds(draw: Draw): StoreBounds {
  return {
    segmentBytes: drawInteger(draw, 600, 4000),
    indexIntervalBytes: 250,
    journalBytes: drawInteger(draw, 2000, 20_000),
    cacheBytes: drawInteger(draw, 300, 5000),
    writeBehindBytes: drawInteger(draw, 300, 3000),
    segmentDescriptorsMax: drawInteger(draw, 5, 20),
    checkpointWrites: drawInteger(draw, 0, 5),
  }
}
