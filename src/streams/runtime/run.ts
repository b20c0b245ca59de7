/**
 * Runs services in this process, on whatever broker an address leads to.
 *
 * Services of one process share nothing but the process: each has its own group, producer and consumer,
 * as if it ran in a container of its own. So splitting one off changes where it runs and nothing else.
 */
import { HeadwaterError } from '../../base/errors.ts'
import { nodeClock, nodeRandom } from '../../io/node-clock.ts'
import { nodeNetwork } from '../../io/node-network.ts'
import type { Queries } from '../topology/builder.ts'
import type { BrokerAddress, RunTopologyOptions, RunningTopology, ServiceStats } from './running.ts'
import { runTopology } from './run-topology.ts'
import type { Topology } from '../topology/topology.ts'
import { asView } from '../views/view-reader.ts'
import type { Views } from '../views/views.ts'

/** A service as far as running it goes. */
export interface Runnable {
  readonly name: string
  build(): Topology
  readonly queries?: Queries
}

export type RunOptions = Omit<RunTopologyOptions, 'clock' | 'random'> &
  Partial<Pick<RunTopologyOptions, 'clock' | 'random'>>

/** Running services. */
export interface Running<Q, S> {
  /** The tables the topology returned; of several services, by the service's name. */
  readonly query: Q
  stats(): S
  /** Resolves when everything that is in the streams now has gone through all the services. */
  caughtUp(): Promise<void>
  /** Rejects with the first error that stopped a service; never resolves. */
  readonly failed: Promise<never>
  /** Each service by itself, in the order given. */
  readonly services: readonly RunningTopology[]
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts one service, or several; resolves when all of them process. */
export function run<S extends Runnable>(
  service: S,
  options: RunOptions,
): Promise<Running<Views<S>, ServiceStats>>
export function run<const L extends readonly Runnable[]>(
  services: L,
  options: RunOptions,
): Promise<
  Running<
    { readonly [S in L[number] as S['name']]: Views<S> },
    Readonly<Record<L[number]['name'], ServiceStats>>
  >
>
export async function run(
  given: Runnable | readonly Runnable[],
  options: RunOptions,
): Promise<Running<unknown, unknown>> {
  const isOne = !Array.isArray(given)
  const topologies = (isOne ? [given] : given).map((service: Runnable) => service.build())
  const services = await startAll(topologies, {
    clock: nodeClock,
    random: nodeRandom,
    ...options,
  })
  const query = byName(services, ({ views }) => mapValues(views, asView))
  const failed = Promise.race(services.map((service) => service.failed))
  failed.catch(() => undefined)
  const close = async (): Promise<void> => {
    await Promise.all(services.map((service) => service.close()))
  }
  return {
    query: isOne ? Object.values(query)[0] : query,
    stats: () => {
      const stats = byName(services, (service) => service.stats())
      return isOne ? Object.values(stats)[0] : stats
    },
    caughtUp: async () => {
      for (const i of upstreamFirst(topologies)) await services[i]!.caughtUp()
    },
    failed,
    services,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** The address of a Kafka cluster: `'host:port'`, or several with commas between. */
export function kafka(addresses: string): BrokerAddress {
  const bootstrap = addresses.split(',').map((address) => {
    const match = /^(.+):(\d{1,5})$/.exec(address.trim())
    if (match === null) {
      throw new HeadwaterError(
        'config-invalid',
        `'${address}' is not the address of a broker: write host:port, as in localhost:9092`,
      )
    }
    return { host: match[1]!.replace(/^\[(.*)\]$/, '$1'), port: Number(match[2]) }
  })
  return { bootstrap, dial: (host, port) => nodeNetwork.connect(host, port) }
}

/** Starts all side by side; when one does not start, the others are closed. */
async function startAll(
  topologies: readonly Topology[],
  options: RunTopologyOptions,
): Promise<RunningTopology[]> {
  const results = await Promise.allSettled(
    topologies.map((topology) => runTopology(topology, options)),
  )
  const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failure = results.find((result) => result.status === 'rejected')
  if (failure === undefined) return started
  await Promise.all(started.map((service) => service.close()))
  throw failure.reason
}

/** Positions of topologies so that each comes after those that write what it reads, where that is possible. */
function upstreamFirst(topologies: readonly Topology[]): number[] {
  const order: number[] = []
  const seen = new Set<number>()
  const visit = (at: number): void => {
    if (seen.has(at)) return
    seen.add(at)
    const reads = streamsOf(topologies[at]!, ['source', 'table'])
    for (const [i, other] of topologies.entries()) {
      if (streamsOf(other, ['to', 'input']).some((stream) => reads.includes(stream))) visit(i)
    }
    order.push(at)
  }
  for (const at of topologies.keys()) visit(at)
  return order
}

function streamsOf({ nodes }: Topology, kinds: readonly string[]): string[] {
  return nodes.flatMap((node) =>
    'event' in node && kinds.includes(node.kind) ? [node.event.name] : [],
  )
}

function byName<T>(
  services: readonly RunningTopology[],
  of: (service: RunningTopology) => T,
): Record<string, T> {
  return Object.fromEntries(services.map((service) => [service.service, of(service)]))
}

function mapValues<T, U>(
  values: Readonly<Record<string, T>>,
  f: (value: T) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, f(value)]))
}
