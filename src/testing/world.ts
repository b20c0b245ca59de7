/**
 * A whole world in one process: time, network, chance and processes that die, all from one seed.
 *
 * One thing happens at a time: a callback that is due runs, then every promise that it settles, until
 * nothing is left that could run; only then the next callback, and only then may time move. Disks and
 * networks answer through the same queue, so nothing ever waits for the real machine, and one seed is
 * one history: `traceHash` is a fingerprint of it.
 *
 * A process is a clock, a network and randomness that all fall silent when it is killed: its timers never
 * fire, its connections break, and what it was doing is never heard of again. What it stored is its
 * disk's affair. `trace` keeps the last lines for the error of a failure.
 */
import { nodeClock } from '../io/node-clock.ts'
import type { Clock, Network, Random } from '../io/ports.ts'
import type { Draw } from './seed.ts'
import { drawInteger, fork, seededDraw, simRandom } from './seed.ts'
import { SimClock } from './sim-clock.ts'
import { SimNetwork } from './sim-network.ts'

const traceLinesKept = 60

/** The ports of one simulated process, but for its disk. */
export interface SimProcess {
  readonly name: string
  readonly isAlive: boolean
  readonly clock: Clock
  readonly network: Network
  readonly random: Random
  /** Ends it in the middle of whatever it does. */
  kill(): void
  /** Stops it for `delayMs`, as a long garbage collection does; then all it missed comes at once. */
  freeze(delayMs: number): void
  /**
   * Takes `ms` of its time within the callback that runs, as a slow function does: its clock goes on, and
   * nothing else happens in the process until the world has caught up.
   */
  work(ms: number): void
}

export class World {
  readonly seed: number
  /** For whatever drives the world: it outlives every process. */
  readonly clock = new SimClock()
  readonly draw: Draw
  readonly network: SimNetwork
  readonly #processes = new Set<SimProcess>()
  readonly #lines: string[] = []
  #hash = 0x811c9dc5
  #eventCount = 0
  #fault: { readonly error: unknown } | undefined

  constructor(seed: number) {
    this.seed = seed
    this.draw = seededDraw(seed)
    this.network = new SimNetwork(this.clock, fork(this.draw), (line) => this.trace(line))
  }

  /** Callbacks that have run. */
  get eventCount(): number {
    return this.#eventCount
  }

  /** The same for the same history. */
  get traceHash(): string {
    return (this.#hash >>> 0).toString(16)
  }

  /** Notes what happens, with the time; the last lines are part of a failure's text. */
  trace(line: string): void {
    const text = `${this.clock.monotonic().toFixed(3)} ${line}`
    for (let at = 0; at < text.length; at++) {
      this.#hash = Math.imul(this.#hash ^ text.charCodeAt(at), 0x01000193)
    }
    this.#lines.push(text)
    if (this.#lines.length > 2 * traceLinesKept) this.#lines.splice(0, traceLinesKept)
  }

  /** Starts a process. @param wallOffsetMs how wrong its wall clock is */
  start(name: string, wallOffsetMs = 0): SimProcess {
    const { clock, network } = this
    /** What came while it was busy, in that order: who is always at work has its timers and bytes, too. */
    const due: (() => void)[] = []
    let isCatchingUp = false
    const catchUp = (): void => {
      isCatchingUp = false
      if (!life.isAlive || due.length === 0) return
      const waitMs = aheadMs()
      isCatchingUp = waitMs > 0 || due.length > 1
      if (waitMs > 0) return void clock.after(waitMs, catchUp)
      if (isCatchingUp) clock.soon(catchUp)
      due.shift()!()
    }
    const whenFree = (callback: () => void): void => {
      if (!life.isAlive) return
      if (due.length === 0 && aheadMs() === 0) return callback()
      due.push(callback)
      if (!isCatchingUp) catchUp()
    }
    const life = { name, isAlive: true, busyUntil: 0, whenFree }
    /** How much longer it is busy than the world has come. */
    const aheadMs = (): number => Math.max(0, life.busyUntil - clock.monotonic())
    const occupy = (ms: number): void => void (life.busyUntil = clock.monotonic() + ms)
    this.trace(`${name} starts`)
    const process: SimProcess = {
      name,
      get isAlive() {
        return life.isAlive
      },
      clock: {
        now: () => Math.floor(clock.now() + aheadMs()) + wallOffsetMs,
        monotonic: () => clock.monotonic() + aheadMs(),
        after: (delayMs, callback) => {
          let isCancelled = false
          const run = (): void => (isCancelled ? undefined : callback())
          const timer = clock.after(aheadMs() + delayMs, () => whenFree(run))
          const cancel = (): void => {
            isCancelled = true
            timer.cancel()
          }
          return { cancel }
        },
        soon: (callback) => clock.soon(() => whenFree(callback)),
      },
      network: network.of(life),
      random: simRandom(fork(this.draw)),
      kill: () => {
        if (!life.isAlive) return
        life.isAlive = false
        this.trace(`${name} is killed`)
        this.#processes.delete(process)
        network.forget(life)
      },
      freeze: (delayMs) => {
        this.trace(`${name} freezes for ${delayMs}`)
        occupy(Math.max(delayMs, aheadMs()))
      },
      work: (ms) => occupy(aheadMs() + ms),
    }
    this.#processes.add(process)
    return process
  }

  /** Sets the wall clock of everyone: it is so much ahead of the time that has passed, or behind it. */
  setWall(aheadMs: number): void {
    this.trace(`the wall clock is set to ${aheadMs}`)
    this.clock.setWall(aheadMs)
  }

  /** Suspends the machine that all run on, on a system whose monotonic clock goes on meanwhile. */
  suspend(delayMs: number): void {
    for (const process of this.#processes) process.freeze(delayMs)
  }

  /** Freezes one process, whichever chance takes. */
  freezeOne(delayMs: number): void {
    const all = [...this.#processes]
    all[drawInteger(this.draw, 0, all.length - 1)]?.freeze(delayMs)
  }

  /**
   * Lets the world run until `work` settles. Throws what it rejects with, or that nothing is left to
   * happen, or that it took more than `limitMs` of simulated time.
   */
  async until<T>(work: Promise<T>, limitMs: number): Promise<T> {
    const deadline = this.clock.monotonic() + limitMs
    let isSettled = false
    const settle = (): void => void (isSettled = true)
    work.then(settle, settle)
    await everyPromise()
    while (!isSettled) {
      if (this.#fault !== undefined) throw this.#fault.error
      const next = this.clock.next()
      if (next === undefined) throw this.#stuck('nothing is left to happen')
      if (this.clock.monotonic() > deadline) throw this.#stuck(`${limitMs} ms were not enough`)
      this.#eventCount++
      next()
      await everyPromise()
    }
    return work
  }

  /** Ends `until` with an error that nobody in the world awaits. */
  fail(error: unknown): void {
    this.#fault ??= { error }
  }

  /** The last of what happened, for the text of a failure. */
  get story(): string {
    return this.#lines.slice(-traceLinesKept).join('\n')
  }

  #stuck(why: string): Error {
    return new Error(`the simulated world stands still with work unfinished: ${why}`)
  }
}

/** Node takes its next callback only when no promise is left to run. */
function everyPromise(): Promise<void> {
  return new Promise((resolve) => nodeClock.soon(resolve))
}
