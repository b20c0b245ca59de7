/**
 * The broker: one data directory, its coordinators, and everyone who is connected.
 *
 * Clients come over TCP, when there is a network, and through `dial` from inside the process; both meet
 * the same connection code. Opening recovers what the directory holds before anyone may connect. When
 * the disk fails the broker stops at once (fail-stop): after a failed sync nobody knows what is on disk,
 * and the next start finds out.
 */
import { addressText, type Address } from '../base/address.ts'
import { HeadwaterError } from '../base/errors.ts'
import { Gate } from '../base/gate.ts'
import { pipe } from '../io/pipe.ts'
import type { Clock, Dial, Disk, Duplex, Listener, Network, Random } from '../io/ports.ts'
import { LogStore } from '../log/store/log-store.ts'
import type { Durability, LogStoreOptions } from '../log/store/options.ts'
import type { BrokerEvent } from './broker-event.ts'
import { Catalog } from './serving/catalog.ts'
import { brokerDefaults, fixedConfigs, shareDescriptors, type BrokerConfig } from './config.ts'
import { clientAddress, listenerConfigs, settleListeners } from './listeners.ts'
import type { Advertised, ListenerOptions, ListeningOptions, OpenListener } from './listeners.ts'
import { MemoryPool } from './memory.ts'
import { Connections, type ConnectionsOptions } from './server/connections.ts'
import { Traffic } from './server/traffic.ts'
import { statsOf, type BrokerStats } from './stats.ts'
import { randomUuid, type BrokerParts } from './handlers/context.ts'
import { openCoordinators } from './machines/coordinators.ts'
import { dispatch } from './server/dispatch.ts'
import { FetchSessions } from './serving/fetch-sessions.ts'
import { RecordCheck } from './serving/record-check.ts'
import { settleStrayLogs } from './machines/stray-logs.ts'
import { WaitingRoom } from './serving/waiting.ts'
import { Turns } from './turns.ts'

export type StoreBounds = Pick<
  LogStoreOptions,
  | 'segmentBytes'
  | 'indexIntervalBytes'
  | 'journalBytes'
  | 'cacheBytes'
  | 'backlogBytesMax'
  | 'writeBehindBytes'
  | 'segmentDescriptorsMax'
  | 'checkpointWrites'
  | 'reserveBytes'
>

/** Room for a group of the journal, and what deletes after it. */
const reserveBytesDefault = 16 * 1024 * 1024

export interface BrokerOptions extends ListeningOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  /** Without one the broker can be reached by `dial` only. */
  readonly network?: Network
  readonly directory: string
  readonly durability?: Durability
  /** What the process may have open, files and connections; without it, nobody has counted. */
  readonly descriptorsMax?: number
  /** Bounds of the store that differ from its own defaults. */
  readonly store?: StoreBounds
  /** Bounds and defaults that differ from `brokerDefaults`. */
  readonly config?: Partial<BrokerConfig>
  readonly report?: (event: BrokerEvent) => void
}

export class Broker {
  readonly clusterId: string
  readonly recovered: LogStore['recovered']
  /** Connects from inside the process; any address is this broker's, and is what it then advertises. */
  readonly dial: Dial
  readonly #store: LogStore
  readonly #parts: BrokerParts
  readonly #connections: Connections
  readonly #traffic = new Traffic()
  readonly #memory: ConnectionsOptions['memory']
  readonly #listeners: { readonly open: OpenListener; readonly listener: Listener }[] = []
  #closing: Promise<void> | undefined
  /** The system has no descriptors left. */
  #shortage: HeadwaterError | undefined

  private constructor(store: LogStore, parts: BrokerParts) {
    this.#store = store
    this.#parts = parts
    this.#memory = memoryOf(parts)
    const shortage = (): string | undefined => this.#shortage?.message
    this.#connections = openConnections(parts, this.#memory, this.#traffic, shortage)
    this.clusterId = parts.clusterId
    this.recovered = store.recovered
    this.dial = async (host, port) => this.#dial(host, port)
  }

  /**
   * Throws `data-dir-locked`, `data-dir-version`, `data-corrupt`, `disk-failed`, `port-in-use`, or
   * `config-invalid` for listeners that cannot be.
   */
  static async open(options: BrokerOptions): Promise<Broker> {
    const { disk, clock, random, directory, durability } = options
    const asked = { ...brokerDefaults, ...options.config }
    const shares = shareDescriptors(options.descriptorsMax ?? Infinity, asked)
    const { segmentDescriptorsMax, ...connections } = shares
    const config = { ...asked, ...connections }
    const listeners = settleListeners(options)
    let broker: Broker | undefined
    const store = await LogStore.open({
      cacheBytes: config.memoryBytesMax / 6,
      backlogBytesMax: config.memoryBytesMax / 6,
      segmentDescriptorsMax,
      reserveBytes: reserveBytesDefault,
      ...options.store,
      disk,
      clock,
      directory,
      clusterId: randomUuid(random),
      ...(durability === undefined ? {} : { durability }),
      onFailure: (error) => {
        if (broker !== undefined) broker.#fail(error)
      },
      onShortage: (error) => {
        if (broker !== undefined) broker.#shortage = error
        options.report?.(
          error === undefined
            ? { type: 'descriptors-enough' }
            : { type: 'descriptors-short', error },
        )
      },
      onFull: (error) =>
        options.report?.(
          error === undefined ? { type: 'disk-has-room' } : { type: 'disk-full', error },
        ),
    })
    try {
      tellOfStart(store, options.report)
      const parts = await openParts(store, options, config, listeners)
      broker = new Broker(store, parts)
      await broker.#listen(options.network, listeners)
      // The store also works by itself: its disk may have failed before there was a broker to tell.
      if (store.failure !== undefined) throw store.failure
      return broker
    } catch (error) {
      await (broker ?? store).close()
      throw error
    }
  }

  /** Where TCP clients of this machine connect, by the first listener; undefined without a network. */
  get address(): Address | undefined {
    const [first] = this.#listeners
    return first && clientAddress(first.open)
  }

  /** Every listener, in the order given; none without a network. */
  get listeners(): readonly OpenListener[] {
    return this.#listeners.map(({ open }) => open)
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  stats(): BrokerStats {
    return statsOf({
      parts: this.#parts,
      connections: this.#connections,
      traffic: this.#traffic,
      memory: this.#memory,
      isShortOfDescriptors: this.#shortage !== undefined,
    })
  }

  /** Ends connections, stores what is under way and marks the directory clean. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    await this.#disconnect(new HeadwaterError('broker-closed', 'the broker was closed'))
    await this.#store.close()
  }

  async #disconnect(error: HeadwaterError): Promise<void> {
    const { waiting, topics, groups, transactions } = this.#parts
    this.#connections.close()
    waiting.close()
    for (const host of [topics, groups, transactions]) host.close(error)
    await Promise.all(this.#listeners.map(({ listener }) => listener.close()))
  }

  #fail(error: HeadwaterError): void {
    this.#parts.report({ type: 'broker-failed', error })
    this.#closing ??= this.#disconnect(error).then(() => this.#store.close())
    this.#closing.catch(() => {})
  }

  async #listen(network: Network | undefined, all: readonly ListenerOptions[]): Promise<void> {
    if (network === undefined) return
    for (const { name, host, port: wanted, advertised } of all) {
      const listener = await network.listen(host, wanted, (duplex) => {
        const told = toldBy(advertised, duplex.local.port)
        this.#connections.accept(duplex, told && { advertised: told })
      })
      const { port } = listener
      const told = toldBy(advertised, port)
      this.#listeners.push({
        open: { name, host, port, ...(told && { advertised: told }) },
        listener,
      })
    }
  }

  #dial(host: string, port: number): Duplex {
    if (this.#closing !== undefined) {
      throw new HeadwaterError(
        'broker-closed',
        `the broker in this process was closed: open it again before dialling ${addressText({ host, port })}`,
      )
    }
    const { clock, config } = this.#parts
    const [ours, theirs] = pipe({
      address: { host, port },
      bufferBytesMax: config.pipeBytesMax,
      soon: (callback) => clock.soon(callback),
    })
    this.#connections.accept(ours, { isOurs: true })
    return theirs
  }
}

function memoryOf({ clock, config }: BrokerParts): ConnectionsOptions['memory'] {
  const { memoryBytesMax, memoryPatienceMs: patienceMs } = config
  const pool = (): MemoryPool => new MemoryPool({ bytesMax: memoryBytesMax / 3, patienceMs, clock })
  return { requests: pool(), answers: pool() }
}

function openConnections(
  parts: BrokerParts,
  memory: ConnectionsOptions['memory'],
  traffic: Traffic,
  shortage: () => string | undefined,
): Connections {
  const { clock, config, report } = parts
  return new Connections({
    ...config,
    memory,
    traffic,
    clock,
    shortage,
    dispatch: (frame, peer, room) => {
      traffic.received(frame)
      return dispatch(frame, peer, room, parts)
    },
    onEnded: (remote, { type, reason }) => report({ type: `connection-${type}`, remote, reason }),
  })
}

function tellOfStart({ recovered }: LogStore, report: BrokerOptions['report'] = () => {}): void {
  const { clean, logs, records, milliseconds, findings } = recovered
  report({ type: 'started', clean, logs, records, milliseconds })
  for (const { kind, text } of findings) report({ type: 'directory-finding', kind, text })
}

function toldBy(advertised: Advertised | undefined, ownPort: number): Address | undefined {
  return advertised && { host: advertised.host, port: advertised.port ?? ownPort }
}

async function openParts(
  store: LogStore,
  { clock, random, directory, network, report = () => {} }: BrokerOptions,
  config: BrokerConfig,
  listeners: readonly ListenerOptions[],
): Promise<BrokerParts> {
  const turns = new Turns(clock, config.turnItems)
  const catalog = new Catalog(store, turns)
  const coordinators = await openCoordinators({
    store,
    catalog,
    clock,
    turns,
    config,
    report,
    fixedConfigs: new Map([
      ...fixedConfigs(config, directory),
      ...(network === undefined ? [] : listenerConfigs(listeners)),
    ]),
  })
  await settleStrayLogs(store, catalog, coordinators, report)
  return {
    ...coordinators,
    clusterId: store.clusterId,
    directory,
    config,
    report,
    clock,
    random,
    store,
    catalog,
    recordCheck: new RecordCheck(clock, config),
    lookUps: new Gate(config.lookUpsMax),
    waiting: new WaitingRoom(clock),
    sessions: new FetchSessions(random, config.fetchSessionsMax, config.fetchSessionPartitionsMax),
    turns,
  }
}
