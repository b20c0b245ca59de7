/**
 * Services in this process: a broker (embedded, or one that runs elsewhere), the services on it, and the
 * query server over their tables. Everything is opened in order and closed in the opposite one.
 */
import { assert } from '../base/errors.ts'
import type { Broker } from '../broker/broker.ts'
import type { Cluster } from '../client/cluster/cluster.ts'
import { nodeClock, nodeRandom } from '../io/node-clock.ts'
import type { Durability } from '../log/store/log-store.ts'
import { serveQueries } from '../query/listen.ts'
import type { QueryServer } from '../query/listen.ts'
import type { QueryService } from '../query/view.ts'
import type { Service } from '../service/service.ts'
import { runTopology } from '../streams/runtime/runtime.ts'
import type { BrokerAddress, RunningTopology } from '../streams/runtime/running.ts'
import type { HostAndPort } from './arguments.ts'
import { openBroker } from './broker.ts'
import { dialTcp, withCluster } from './connect.ts'
import type { ServiceProgress } from './progress.ts'

export interface HostOptions {
  readonly dir: string
  readonly port: number
  readonly queryPort: number
  readonly durability: Durability
  /** A broker that runs elsewhere; without it one is opened in `dir`. */
  readonly broker?: HostAndPort
  /** As in `RunTopologyOptions`. */
  readonly onTopicReplaced?: 'stop' | 'restart'
}

/** How long closing may take once something has failed. */
const closeAfterFailureMs = 2_000

interface HostedService {
  readonly name: string
  readonly running: RunningTopology
}

export class Host {
  /** How services reach the broker. */
  readonly broker: BrokerAddress
  /** Where other Kafka clients reach it: `host:port`. */
  readonly kafka: string
  readonly #embedded: Broker | undefined
  readonly #onTopicReplaced: 'stop' | 'restart'
  readonly #services: HostedService[] = []
  readonly #failed = Promise.withResolvers<never>()
  #queries: QueryServer | undefined
  #hasFailed = false

  private constructor(
    broker: BrokerAddress,
    embedded: Broker | undefined,
    { onTopicReplaced = 'stop' }: HostOptions,
  ) {
    const { host, port } = broker.bootstrap[0]!
    this.broker = broker
    this.kafka = `${host}:${port}`
    this.#embedded = embedded
    this.#onTopicReplaced = onTopicReplaced
    // Whoever waits sees it; that nobody happens to wait is no fault.
    this.#failed.promise.catch(() => {})
  }

  static async open(options: HostOptions): Promise<Host> {
    let host: Host | undefined
    if (options.broker !== undefined) {
      const address = { bootstrap: [options.broker], dial: dialTcp }
      // A service would go on hoping for a minute; whoever mistyped the address should not.
      await withCluster(options.broker, async () => {})
      host = new Host(address, undefined, options)
    } else {
      const broker = await openBroker({
        ...options,
        host: '127.0.0.1',
        onFailure: (error) => host?.fail(error),
      })
      host = new Host({ bootstrap: [broker.address!], dial: broker.dial }, broker, options)
    }
    try {
      host.#queries = await serveQueries({
        host: '127.0.0.1',
        port: options.queryPort,
        services: () => host.#services.map(asQueryService).sort(byName),
      })
      return host
    } catch (error) {
      await host.close()
      throw error
    }
  }

  get queryUrl(): string {
    return this.#queries!.url
  }

  /** Rejects when the broker or a service cannot go on. */
  get failed(): Promise<never> {
    return this.#failed.promise
  }

  fail(error: unknown): void {
    this.#hasFailed = true
    this.#failed.reject(error)
  }

  /** Starts a service; it works on until the host is closed. */
  async start(service: Service): Promise<RunningTopology> {
    const running = await runTopology(service.build(), {
      broker: this.broker,
      clock: nodeClock,
      random: nodeRandom,
      onTopicReplaced: this.#onTopicReplaced,
    })
    this.#services.push({ name: service.name, running })
    running.failed.catch((error: unknown) => this.fail(error))
    return running
  }

  /** The services of these names as progress shows them; those that have not been started are waiting. */
  progress(names: readonly string[]): ServiceProgress[] {
    return names.map((name) => {
      const running = this.#find(name)
      if (running === undefined)
        return { name, state: 'waiting', recordsIn: 0, recordsOut: 0, lag: 0 }
      const { state, recordsIn, recordsOut, lag } = running.stats()
      return { name, state, recordsIn, recordsOut, lag }
    })
  }

  /** Events that a service's inputs have written since they were read first. */
  inputRecords(name: string): number {
    const inputs = Object.values(this.#find(name)?.stats().inputs ?? {})
    return inputs.reduce((sum, { records }) => sum + records, 0)
  }

  stats(name: string): ReturnType<RunningTopology['stats']> {
    return this.#running(name).stats()
  }

  views(name: string): RunningTopology['views'] {
    return this.#running(name).views
  }

  withCluster<T>(work: (cluster: Cluster) => Promise<T>): Promise<T> {
    return withCluster(this.broker.bootstrap[0]!, work, this.broker.dial)
  }

  /** Resolves when all services are through with their inputs and each other's output. */
  async caughtUp(): Promise<void> {
    // A service may write what another one, asked before it, reads: ask until nothing has moved.
    for (let before = -1, now = this.#recordsSeen(); before !== now; now = this.#recordsSeen()) {
      before = now
      for (const { running } of this.#services) await running.caughtUp()
    }
  }

  #recordsSeen(): number {
    return this.#services.reduce((sum, { running }) => {
      const { recordsIn, recordsOut } = running.stats()
      return sum + recordsIn + recordsOut
    }, 0)
  }

  #find(name: string): RunningTopology | undefined {
    return this.#services.find((service) => service.name === name)?.running
  }

  #running(name: string): RunningTopology {
    const running = this.#find(name)
    assert(running !== undefined, `service '${name}' has been started`)
    return running
  }

  /**
   * Stops queries, services and broker. After a failure the parts that still hope for a broker are given
   * little time, and only the failure matters: no other error comes from here.
   */
  async close(): Promise<void> {
    if (!this.#hasFailed) return this.#close()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = nodeClock.after(closeAfterFailureMs, resolve)
    await Promise.race([this.#close().catch(() => {}), promise])
    timer.cancel()
  }

  async #close(): Promise<void> {
    await this.#queries?.close()
    // Side by side: with a broker that is gone each of them takes as long as it may.
    await Promise.all(this.#services.map(({ running }) => running.close()))
    await this.#embedded?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function byName(a: QueryService, b: QueryService): number {
  return a.name < b.name ? -1 : 1
}

function asQueryService({ name, running }: HostedService): QueryService {
  return { name, views: running.views, ready: () => running.stats().state === 'running' }
}
