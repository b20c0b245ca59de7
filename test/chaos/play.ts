/**
 * One seed: starts a broker and a service of several processes, does them harm while records flow, heals,
 * waits until all has come through, restarts every process, goes on a little, and has the streams judged.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PlantedFault } from '../../src/base/planted.ts'
import { createTopics, deleteGroup, deleteTopics, listTopics } from '../../src/client/index.ts'
import type { Cluster } from '../../src/client/index.ts'
import type { Address } from './addresses.ts'
import { BrokerProcess } from './broker-process.ts'
import { Chronicle } from './chronicle.ts'
import { Copies, Entries, Moved, partitions } from './counting.ts'
import type { EntryPlan } from './counting.ts'
import type { FaultName } from './faults.ts'
import { Fleet } from './fleet.ts'
import { harm } from './harm.ts'
import type { Stop } from './instance.ts'
import { judge } from './judge.ts'
import type { Verdict } from './judge.ts'
import { Watcher } from './reading-back.ts'
import type { Reading } from './readings.ts'
import { makeReadings } from './readings.ts'
import type { FaultSpan, Stall } from './stalls.ts'
import { StallMeter } from './stalls.ts'
import { connect, partitionOf, Town } from './town.ts'
import { until } from './waiting.ts'

export interface PlayOptions {
  readonly seed: number
  /** Seconds of harm. */
  readonly seconds: number
  readonly faults: readonly FaultName[]
  /** A broker that stands alone and holds nothing; without it one of ours is started, and harmed as well. */
  readonly broker: Address | undefined
  readonly planted: PlantedFault | undefined
  readonly onProgress: (line: string) => void
  /** Ends the run early, with everything it started. */
  readonly signal: AbortSignal
}

export interface Outcome {
  readonly seed: number
  readonly verdict: Verdict
  /** What went wrong beside the streams, a sentence each. */
  readonly wrong: readonly string[]
  readonly stops: readonly Stop[]
  readonly faults: Readonly<Record<string, number>>
  readonly records: number
  readonly longestStall: Stall | undefined
  readonly longestStallAlone: Stall | undefined
  readonly drainedMs: number
  readonly ms: number
  readonly lastEvents: readonly string[]
  /** Logs of all processes and the whole chronicle; undefined when nothing was wrong. */
  readonly directory: string | undefined
}

const sessionMs = 6_000
const instances = 3
const readingsPerSecond = 100
const entriesPerSecond = 25
/** Records that come after the restart, to see that state came back. */
const afterwards = 200
/** Less than a transaction may stay open: who waits for that to end has failed. */
const drainMsMax = 45_000
const quietMs = 1_000
const serviceName = 'counting'
const startFailures: readonly string[] = ['connection-failed', 'connection-lost']

export async function play(options: PlayOptions): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), `headwater-chaos-${options.seed}-`))
  const run = new Run(options, directory)
  const aborted = new Promise<never>((_, reject) => {
    options.signal.addEventListener('abort', () => reject(options.signal.reason as Error))
  })
  aborted.catch(() => {})
  let isRight = false
  try {
    options.signal.throwIfAborted()
    const outcome = await Promise.race([run.play(), aborted])
    isRight = isWhole(outcome)
    return isRight ? { ...outcome, directory: undefined } : outcome
  } finally {
    await run.end()
    if (isRight || options.signal.aborted) rmSync(directory, { recursive: true, force: true })
    else rmSync(join(directory, 'broker'), { recursive: true, force: true })
  }
}

/** Whether everything held; stalls are not judged here. */
export function isWhole({ verdict, wrong }: Outcome): boolean {
  return verdict.wrong.length === 0 && wrong.length === 0
}

class Run {
  readonly #o: PlayOptions
  readonly #directory: string
  readonly #chronicle: Chronicle
  readonly #broker: BrokerProcess | undefined
  readonly #fleet: Fleet
  readonly #spans: FaultSpan[] = []
  readonly #stalls: StallMeter
  readonly #stops: Stop[] = []
  readonly #wrong: string[] = []
  readonly #written: Reading[] = []
  /** Ids by stream, as the watcher saw them. */
  readonly #seen = {
    copies: new Set<string>(),
    moved: new Set<string>(),
    entries: new Set<string>(),
  }
  #lastAt = 0
  #entries: EntryPlan
  #cluster: Cluster | undefined
  #watcher: Watcher<typeof Copies | typeof Moved | typeof Entries> | undefined

  constructor(o: PlayOptions, directory: string) {
    this.#o = o
    this.#directory = directory
    this.#chronicle = new Chronicle(join(directory, 'chronicle.log'), o.onProgress)
    this.#stalls = new StallMeter(sessionMs, this.#spans)
    this.#entries = {
      seed: o.seed,
      startAt: Date.now(),
      perSecond: entriesPerSecond,
      total: entriesPerSecond * o.seconds,
    }
    const died = (how: string): void => {
      this.#complain(`the broker ended by itself (${how}): see broker.log`)
    }
    this.#broker = o.broker === undefined ? new BrokerProcess(directory, died) : undefined
    const times = {
      sessionTimeoutMs: sessionMs,
      commitIntervalMs: [50, 100, 400][o.seed % 3]!,
      purgeIntervalMs: 5_000,
    }
    this.#fleet = new Fleet({
      chronicle: this.#chronicle,
      broker: this.#broker,
      sessionMs,
      size: instances,
      setting: {
        directory,
        chronicle: this.#chronicle,
        upstream: () => o.broker ?? this.#broker!.address,
        options: () => ({ ...times, entries: this.#entries }),
        planted: o.planted,
        onStop: (stop) => this.#judgeStop(stop),
      },
    })
  }

  async play(): Promise<Outcome> {
    const { seed, seconds } = this.#o
    const fleet = this.#fleet
    const readings = makeReadings(seed, 'reading', 0, readingsPerSecond * seconds)
    await this.#open()
    const town = await Town.open(this.#cluster!, (reading) => this.#noteWritten(reading))
    for (let i = 0; i < instances; i++) (await fleet.add()).start()
    if (!(await this.#allRun(60_000))) throw new Error('the service does not start')
    this.#watcher = new Watcher(this.#cluster!, [Copies, Moved, Entries], (stream, record) =>
      this.#noteSeen(stream, record.value.id, record.partition),
    )
    this.#watcher.failed.catch((error: unknown) =>
      this.#complain(`the watcher fails: ${String(error)}`),
    )
    const health = setInterval(() => this.#look(), 100)
    this.#chronicle.say(`seed ${seed}: harm for ${seconds} s`)
    try {
      const names = this.#o.faults
      const writing = town.writeAtPace(readings, readingsPerSecond)
      await Promise.all([writing, harm(fleet, { seed, names, ms: seconds * 1_000 }, this.#spans)])
      await fleet.heal()
      this.#chronicle.say('all is healed')
      const drainedMs = await this.#drain('after the harm')
      this.#stalls.excuse(this.#chronicle.ms)
      await this.#restart(town)
      await this.#drain('after the restart')
      return await this.#outcome(drainedMs)
    } finally {
      clearInterval(health)
    }
  }

  /** Ends everything that was started. */
  async end(): Promise<void> {
    if (this.#o.broker !== undefined && this.#cluster !== undefined) await this.#clear()
    this.#fleet.kill()
    await this.#watcher?.close().catch(() => {})
    await this.#cluster?.close().catch(() => {})
    this.#chronicle.close()
  }

  async #open(): Promise<void> {
    await this.#broker?.start()
    this.#cluster = await connect(this.#o.broker ?? this.#broker!.address)
    const made = await createTopics(this.#cluster, [{ name: 'readings', partitions }])
    if (made.get('readings') === 'created') return
    this.#cluster = undefined
    throw new Error(
      'the broker has a topic readings already: give it one that holds nothing, as topics of the same ' +
        'names would be written to and deleted',
    )
  }

  /** Leaves a broker that is not ours as it was. */
  async #clear(): Promise<void> {
    this.#fleet.kill()
    const own = /^(readings|copies|moved|entries|counts|sums|counting-.*)$/
    const topics = (await listTopics(this.#cluster!)).filter((each) => own.test(each))
    await deleteTopics(this.#cluster!, topics)
    await until(() => false, sessionMs + 1_000)
    await deleteGroup(this.#cluster!, serviceName).catch((error: unknown) => {
      this.#chronicle.say(`the group ${serviceName} stays: ${String(error)}`)
    })
  }

  #noteWritten(reading: Reading): void {
    const at = this.#chronicle.ms
    this.#written.push(reading)
    this.#stalls.due(`copies-${partitionOf(reading.meter)}`, at)
    this.#stalls.due(`moved-${partitionOf(reading.district)}`, at)
  }

  #noteSeen(stream: 'copies' | 'moved' | 'entries', id: string, partition: number): void {
    const seen = this.#seen[stream]
    this.#lastAt = performance.now()
    if (seen.has(id)) return this.#chronicle.keep(`!! ${stream}: ${id} once more`)
    seen.add(id)
    this.#stalls.came(`${stream}-${partition}`, this.#chronicle.ms)
  }

  #look(): void {
    const canWork = this.#broker?.isUp ?? true
    const isAnyHealthy = this.#fleet.instances.some(({ isHealthy }) => isHealthy)
    if (!canWork || !isAnyHealthy) this.#stalls.excuse(this.#chronicle.ms)
  }

  #judgeStop(stop: Stop): void {
    this.#stops.push(stop)
    const { instance, during, code, message, wasReplaced } = stop
    if (wasReplaced && code === 'fenced') return
    // A start that finds no broker gives up after a while, and is repeated.
    if (during === 'start' && startFailures.includes(code)) return
    const who = wasReplaced ? `${instance} (replaced)` : instance
    this.#complain(`instance ${who} stopped by itself during ${during}: ${code}: ${message}`)
  }

  #complain(what: string): void {
    this.#wrong.push(what)
    this.#chronicle.say(`!! ${what}`)
  }

  #allRun(ms: number): Promise<boolean> {
    const wanted = () => this.#fleet.instances.filter(({ isWanted }) => isWanted)
    return until(() => wanted().every(({ isRunning }) => isRunning), ms)
  }

  /** Waits until everything has come through; returns how long it took. */
  async #drain(when: string): Promise<number> {
    const startedAt = performance.now()
    const { copies, moved, entries } = this.#seen
    const isThrough = (): boolean =>
      copies.size >= this.#written.length &&
      moved.size >= this.#written.length &&
      entries.size >= this.#entries.total &&
      performance.now() - this.#lastAt > quietMs
    const isDrained = await until(isThrough, drainMsMax)
    if (!isDrained) {
      const { length } = this.#written
      this.#complain(
        `not through ${drainMsMax / 1_000} s ${when}: ${copies.size} and ${moved.size} of ${length} ` +
          `readings, ${entries.size} of ${this.#entries.total} entries`,
      )
    }
    if (!(await this.#allRun(30_000))) this.#complain(`not every instance runs ${when}`)
    return performance.now() - startedAt
  }

  /** Every process ends and starts again, the broker too; then some more records come. */
  async #restart(town: Town): Promise<void> {
    this.#chronicle.say('all processes restart')
    const wanted = this.#fleet.instances.filter(({ isWanted }) => isWanted)
    await Promise.all(wanted.map((each, i) => (i % 2 === 0 ? each.close() : each.kill())))
    await this.#broker?.end('SIGTERM')
    await this.#broker?.start()
    const { total } = this.#entries
    this.#entries = { ...this.#entries, total: total + afterwards }
    for (const each of wanted) each.start()
    const from = this.#written.length
    await town.write(makeReadings(this.#o.seed, 'reading', from, from + afterwards))
    await town.close()
  }

  async #outcome(drainedMs: number): Promise<Outcome> {
    const entries = makeReadings(this.#o.seed, 'entry', 0, this.#entries.total)
    const readings = this.#written
    const verdict = await judge(this.#cluster!, { readings, entries })
    this.#checkTraffic()
    const faults: Record<string, number> = {}
    for (const { name } of this.#spans) faults[name] = (faults[name] ?? 0) + 1
    return {
      seed: this.#o.seed,
      verdict,
      wrong: [...this.#wrong, ...this.#fleet.unfenced],
      stops: this.#stops,
      faults,
      records: readings.length + entries.length,
      longestStall: this.#stalls.longest,
      longestStallAlone: this.#stalls.longestAlone,
      drainedMs: Math.round(drainedMs),
      ms: Math.round(this.#chronicle.ms),
      lastEvents: this.#chronicle.last(40),
      directory: this.#directory,
    }
  }

  /** Harm that nobody feels would prove nothing. */
  #checkTraffic(): void {
    const requests = this.#fleet.instances.reduce((sum, { proxy }) => sum + proxy.requests, 0)
    if (requests < this.#written.length / 10) {
      throw new Error(
        `only ${requests} requests went through the proxies: the traffic goes past them`,
      )
    }
  }
}
