/**
 * Services in this process with all they need: a broker (embedded, or one that runs elsewhere), and the
 * query server over their tables. Everything is opened in order and closed in the opposite one; starting,
 * watching and closing the services themselves is `run`'s.
 */
import { addressText, isLoopback } from '../base/address.ts'
import type { Broker } from '../broker/broker.ts'
import type { Advertised, OpenListener } from '../broker/listeners.ts'
import type { BrokerAddress } from '../client/security/kafka.ts'
import { kafka } from '../client/security/kafka.ts'
import { nodeClock } from '../io/node-clock.ts'
import { outerHost } from '../io/node-network.ts'
import type { Durability } from '../log/store/options.ts'
import { operations } from '../operations/operations.ts'
import type { ObservedService } from '../operations/readiness.ts'
import type { RunningSink } from '../postgres/running.ts'
import type { PostgresSink } from '../postgres/sink.ts'
import { serveQueries } from '../query/listen.ts'
import type { QueryServer } from '../query/listen.ts'
import { asQueryService } from '../query/view.ts'
import type { QueryService } from '../query/view.ts'
import { run } from '../streams/runtime/run.ts'
import type { Runnable, Running, RunningServices } from '../streams/runtime/run.ts'
import { openBroker } from './broker.ts'
import { tellOfSettings } from './config-file.ts'
import type { SettingsNote } from './config-file.ts'
import { withCluster } from './connect.ts'
import { countRecords } from './count.ts'
import { exposureNote, hostDefault, listenersOf, toldQueryAddress } from './listeners.ts'
import type { ListenerFlags } from './listeners.ts'
import { openLog } from './logging.ts'
import type { Log } from './logging.ts'
import type { LogOptions } from './log-options.ts'
import type { ServiceProgress } from './progress.ts'
import { ServiceNotes } from './service-notes.ts'

/** What is said of listeners is said of the embedded broker's; queries are on `host`, too. */
export interface HostOptions extends ListenerFlags, LogOptions, SettingsNote {
  /** The embedded broker's data directory. */
  readonly dir: string
  /** Where to listen for queries, when not on `host`. */
  readonly queryHost?: string
  /** The port for queries over HTTP; 0 takes a free one. */
  readonly queryPort: number
  /** What other instances are told to ask; where queries are answered when left out. */
  readonly queryAdvertise?: Advertised
  readonly durability: Durability
  /** A broker that runs elsewhere, as `kafka` takes it; without it one is opened in `dir`. */
  readonly broker?: string
  /** Tells the instances of a service apart; as in `RunTopologyOptions`. */
  readonly instanceId?: string
  /** As in `RunTopologyOptions`. */
  readonly onTopicReplaced?: 'stop' | 'restart'
  /** How many records may lie before a service for which `/health/ready` says 200; unbounded when left out. */
  readonly readyLag?: number
  /** Where the tables of sinks are; what it does not say comes of `PGHOST` and its siblings. */
  readonly database?: string
  /** Makes tables of sinks that are missing. */
  readonly createTables?: boolean
}

type RunningOne = Running<unknown, unknown>['services'][number]

/** How long closing may take once something has failed or a start was given up. */
const closeInHasteMs = 2_000

/** A broker, services and their queries. */
export class Host {
  /** How services reach the broker. */
  readonly broker: BrokerAddress
  /** Where other Kafka clients reach it: `host:port`, or several with commas between. */
  readonly kafka: string
  /** Where the embedded broker listens; none when the broker runs elsewhere. */
  readonly listeners: readonly OpenListener[]
  readonly #embedded: Broker | undefined
  /** What happens, for standard error. */
  readonly log: Log
  readonly #options: HostOptions
  readonly #notes: ServiceNotes
  readonly #apps: Running<unknown, unknown>[] = []
  readonly #starts = new Map<Promise<unknown>, readonly string[]>()
  readonly #sinks: RunningSink[] = []
  readonly #sinkStarts = new Map<Promise<unknown>, string>()
  readonly #failed = Promise.withResolvers<never>()
  readonly #closing = new AbortController()
  #queries: QueryServer | undefined
  /** Where other instances ask, `host:port`; undefined when they cannot. */
  #queryAddress: string | undefined
  #isHasty = false

  private constructor(
    broker: BrokerAddress,
    embedded: Broker | undefined,
    options: HostOptions,
    log: Log,
  ) {
    this.broker = broker
    this.kafka = broker.bootstrap.map(addressText).join(',')
    this.listeners = embedded?.listeners ?? []
    this.#embedded = embedded
    this.log = log
    this.#options = options
    this.#notes = new ServiceNotes({ clock: nodeClock, log })
    // Whoever waits sees it; that nobody happens to wait is no fault.
    this.#failed.promise.catch(() => {})
  }

  /**
   * Opens the broker and the query server. Throws `data-dir-locked`, `data-dir-version`, `data-corrupt`,
   * `disk-failed`, `port-in-use` or `config-invalid`; `connection-failed` when no broker
   * answers at `options.broker`, `tls-failed` or `authentication-failed` when it refuses.
   */
  static async open(options: HostOptions): Promise<Host> {
    const log = openLog(options)
    tellOfSettings(options, log)
    const host = await Host.#openBroker(options, log)
    const { queryHost = options.host ?? hostDefault, queryPort } = options
    try {
      host.#queries = await serveQueries({
        host: queryHost,
        port: queryPort,
        services: () => host.#queryServices(),
        beside: operations({
          services: () => host.#observed(),
          broker: host.#embedded,
          ...(options.readyLag !== undefined && { lagMax: options.readyLag }),
        }),
      })
      const { port } = host.#queries
      host.#queryAddress = toldQueryAddress({
        listening: { host: queryHost, port },
        advertised: options.queryAdvertise,
        isBrokerLocal: host.#isBrokerLocal,
        outerHost: outerHost(),
      })
      const exposed = exposureNote(host.listeners, { host: queryHost, port })
      if (exposed !== undefined) log.warn({}, exposed)
      return host
    } catch (error) {
      await host.close()
      throw error
    }
  }

  static async #openBroker(options: HostOptions, log: Log): Promise<Host> {
    if (options.broker !== undefined) {
      // A service would go on hoping for a minute; whoever mistyped the address should not.
      const broker = kafka(options.broker)
      await withCluster(broker, async () => {})
      return new Host(broker, undefined, options, log)
    }
    const failed = Promise.withResolvers<never>()
    const { dir, durability } = options
    const broker = await openBroker({
      dir,
      durability,
      listeners: listenersOf(options),
      onFailure: failed.reject,
      log,
    })
    const host = new Host({ bootstrap: [broker.address!], dial: broker.dial }, broker, options, log)
    failed.promise.catch((error: unknown) => host.#fail(error))
    return host
  }

  /** Where queries are answered: `http://127.0.0.1:8092`, without a slash at its end. */
  get queryUrl(): string {
    return this.#queries!.url
  }

  /** Where other instances are told to ask, `host:port`; undefined when they cannot. */
  get queryAddress(): string | undefined {
    return this.#queryAddress
  }

  /** Rejects when the broker or a service cannot go on; never resolves. */
  get failed(): Promise<never> {
    return this.#failed.promise
  }

  /**
   * Starts services side by side, as `run` does; they work on until the host is closed.
   * @param o.signal gives the start up, and rejects with its reason
   */
  async start<const L extends readonly Runnable[]>(
    services: L,
    o: { readonly signal?: AbortSignal } = {},
  ): Promise<RunningServices<L>> {
    const { onTopicReplaced, instanceId } = this.#options
    const start = run(services, {
      broker: this.broker,
      ...(this.#queryAddress !== undefined && { queryAddress: this.#queryAddress }),
      ...(onTopicReplaced && { onTopicReplaced }),
      ...(instanceId !== undefined && { instanceId }),
      signal: this.#unlessClosing(o.signal),
      onEvent: (event, service) => this.#notes.tell(event, service),
    })
    this.#starts.set(
      start,
      services.map(({ name }) => name),
    )
    try {
      const running = await start
      this.#apps.push(running)
      running.failed.catch((error: unknown) => this.#fail(error))
      return running
    } finally {
      this.#starts.delete(start)
    }
  }

  /** The same of sinks; they need the package `pg`. */
  startSinks(
    sinks: readonly PostgresSink[],
    o: { readonly signal?: AbortSignal } = {},
  ): Promise<readonly RunningSink[]> {
    return Promise.all(sinks.map((sink) => this.#startSink(sink, this.#unlessClosing(o.signal))))
  }

  async #startSink(sink: PostgresSink, signal: AbortSignal): Promise<RunningSink> {
    const { onTopicReplaced, instanceId, database = {}, createTables = false } = this.#options
    // Loaded by those that have sinks.
    const { runSink } = await import('../postgres/run-sink.ts')
    const start = runSink(sink, {
      broker: this.broker,
      database,
      create: createTables,
      ...(onTopicReplaced && { onTopicReplaced }),
      ...(instanceId !== undefined && { instanceId }),
      signal,
      onEvent: (event, name) => this.#notes.tell(event, name),
    })
    this.#sinkStarts.set(start, sink.name)
    try {
      const running = await start
      this.#sinks.push(running)
      running.failed.catch((error: unknown) => this.#fail(error))
      return running
    } finally {
      this.#sinkStarts.delete(start)
    }
  }

  #unlessClosing(signal: AbortSignal | undefined): AbortSignal {
    return AbortSignal.any([this.#closing.signal, ...(signal ? [signal] : [])])
  }

  /** The services and sinks of these names as progress shows them; those that have not been started are waiting. */
  progress(names: readonly string[]): ServiceProgress[] {
    return names.map((name) => {
      const running = this.#find(name)
      if (running === undefined) {
        return { name, state: 'waiting', recordsIn: 0, recordsOut: 0, lag: 0 }
      }
      const { state, recordsIn, recordsOut, lag } = running.stats()
      return { name, state, recordsIn, recordsOut, lag }
    })
  }

  /** Events that the inputs of a service have written since they were read first; 0 before it starts. */
  inputRecords(name: string): number {
    const inputs = this.#find(name)?.stats().inputs ?? {}
    return Object.values(inputs).reduce((sum, { records }) => sum + records, 0)
  }

  /** How many committed records each of the topics holds, counted by reading them. */
  countRecords(topics: readonly string[]): Promise<number[]> {
    return withCluster(this.broker, (cluster) =>
      Promise.all(topics.map((topic) => countRecords(cluster, topic))),
    )
  }

  /**
   * Stops queries, services and broker. After a failure the parts that still hope for a broker are given
   * little time, and only the failure matters: no other error comes from here.
   */
  async close(): Promise<void> {
    if (this.#starts.size + this.#sinkStarts.size > 0) this.#isHasty = true
    this.#closing.abort()
    if (!this.#isHasty) return this.#close()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = nodeClock.after(closeInHasteMs, resolve)
    await Promise.race([this.#close().catch(() => {}), promise])
    timer.cancel()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get #isBrokerLocal(): boolean {
    const hosts = this.#embedded === undefined ? this.broker.bootstrap : this.listeners
    return hosts.every(({ host }) => isLoopback(host))
  }

  get #services(): readonly RunningOne[] {
    return this.#apps.flatMap(({ services }) => services)
  }

  #observed(): ObservedService[] {
    const names = [...this.#starts.values(), ...this.#sinkStarts.values()].flat()
    const starting = names.map((service) => ({ service, stats: () => undefined }))
    return [...this.#services, ...this.#sinks, ...starting]
  }

  #queryServices(): QueryService[] {
    const starting = [...this.#starts.values()].flat().map(startingService)
    return [...this.#services.map(asQueryService), ...starting].sort(byName)
  }

  #find(name: string): RunningOne | RunningSink | undefined {
    return [...this.#services, ...this.#sinks].find(({ service }) => service === name)
  }

  #fail(error: unknown): void {
    this.#isHasty = true
    this.#failed.reject(error)
  }

  async #close(): Promise<void> {
    await this.#queries?.close()
    await Promise.allSettled([...this.#starts.keys(), ...this.#sinkStarts.keys()])
    await Promise.all([...this.#apps, ...this.#sinks].map((app) => app.close()))
    await this.#embedded?.close()
  }
}

function byName(a: QueryService, b: QueryService): number {
  return a.name < b.name ? -1 : 1
}

/** One that cannot answer yet, so that nobody is told that there is none. */
function startingService(name: string): QueryService {
  return { name, views: {}, ready: () => false, ended: () => undefined }
}
