/**
 * A broker in this process, on this machine's disk and network: what `embedded(directory)` opens.
 *
 * It is a broker address as services want one, whose `dial` stays inside the process, and it listens for
 * Kafka clients from outside. Services share it by being given the same value; it closes with the scope
 * that opened it, after them.
 */
import { nodeClock, nodeRandom } from '../io/node-clock.ts'
import { nodeDisk } from '../io/node-disk.ts'
import { nodeNetwork } from '../io/node-network.ts'
import { descriptorsMax } from '../io/node-process.ts'
import type { Dial } from '../io/ports.ts'
import type { Durability } from '../log/store/options.ts'
import { Broker } from './broker.ts'
import type { BrokerEvent } from './broker-event.ts'
import type { BrokerConfig } from './config.ts'
import type { ListeningOptions, OpenListener } from './listeners.ts'
import type { BrokerStats } from './stats.ts'

export interface EmbeddedOptions extends ListeningOptions {
  /** When a record counts as acknowledged; `disk` when left out. */
  readonly durability?: Durability
  /** Bounds and defaults that differ from `brokerDefaults`. */
  readonly config?: Partial<BrokerConfig>
  /** Told of what an operator may want to read: what a start found, damaged records, refused clients. */
  readonly onEvent?: (event: BrokerEvent) => void
}

export interface EmbeddedBroker {
  /** Where Kafka clients outside the process connect, by the first listener. */
  readonly bootstrap: readonly [{ readonly host: string; readonly port: number }]
  /** Every listener, in the order given. */
  readonly listeners: readonly OpenListener[]
  /** Connects from inside the process, without a socket. */
  readonly dial: Dial
  /** What it can say about itself, counted since it was opened. */
  stats(): BrokerStats
  /** Rejects when the disk failed and the broker has stopped; never resolves. */
  readonly failed: Promise<never>
  /** Ends connections, stores what is under way and marks the directory clean. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens a durable broker with its data in `directory`, which is made when it is missing.
 * Throws `data-dir-locked`, `data-dir-version`, `data-corrupt`, `disk-failed`, `port-in-use`, or
 * `config-invalid` for listeners that cannot be.
 */
export async function embedded(
  directory: string,
  options: EmbeddedOptions = {},
): Promise<EmbeddedBroker> {
  const { promise, reject } = Promise.withResolvers<never>()
  // Whoever waits sees it; that nobody happens to wait is no fault.
  promise.catch(() => {})
  const broker = await Broker.open({
    ...options,
    disk: nodeDisk,
    clock: nodeClock,
    random: nodeRandom,
    network: nodeNetwork,
    directory,
    descriptorsMax: descriptorsMax(),
    report: (event) => {
      options.onEvent?.(event)
      if (event.type === 'broker-failed') reject(event.error)
    },
  })
  const close = (): Promise<void> => broker.close()
  return {
    bootstrap: [broker.address!],
    listeners: broker.listeners,
    dial: broker.dial,
    stats: () => broker.stats(),
    failed: promise,
    close,
    [Symbol.asyncDispose]: close,
  }
}
