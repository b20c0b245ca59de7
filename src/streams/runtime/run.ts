/**
 * Runs services in this process, on whatever broker an address leads to: starts them side by side, tells
 * when one fails, and closes them side by side. `headwater run` does the same by the same code.
 *
 * Services of one process share nothing but the process: each has its own group, producer and consumer,
 * as if it ran in a container of its own. So splitting one off changes where it runs and nothing else.
 */
import { brokerOf } from '../../client/security/kafka.ts'
import { nodeClock, nodeRandom } from '../../io/node-clock.ts'
import { nodeHttpAsk } from '../../io/node-http-ask.ts'
import { holdProcess } from '../../io/node-process.ts'
import type { Http } from '../../io/ports.ts'
import type { AnyCommand, AnyEvent } from '../../events/event.ts'
import { asksOf, openAsker } from './asker.ts'
import type { Asks } from './asker.ts'
import type { AskStats } from '../commands/ask-counts.ts'
import type { AskSettings } from '../commands/settings.ts'
import type { SendStats, Sends } from '../sending/sends.ts'
import type { SendOptions } from '../sending/settings.ts'
import type { Queries } from '../topology/builder.ts'
import type { RunTopologyOptions, RunningTopology, ServiceStats } from './running.ts'
import { Heard } from './heard.ts'
import { runTopology } from './run-topology.ts'
import { openSenders, sendsOf, sendsOfAll } from './sending.ts'
import type { Topology } from '../topology/topology.ts'
import { sharedView } from '../asking/shared-view.ts'
import type { OwnViews } from '../views/views.ts'
import { upstreamFirst } from './upstream.ts'

/** A service as far as running it goes. */
export interface Runnable {
  readonly name: string
  /** Streams it owns. */
  readonly writes: readonly AnyEvent[]
  build(): Topology
  readonly queries?: Queries
}

export type RunOptions = Omit<RunTopologyOptions, 'clock' | 'random'> &
  Partial<Pick<RunTopologyOptions, 'clock' | 'random'>> & {
    /** What `send` is bounded by; `closeTimeoutMs` is that of the services when left out. */
    readonly sending?: SendOptions
    /** What `ask` is bounded by. */
    readonly asking?: Partial<AskSettings>
    /** How other instances are asked: this machine's HTTP when left out. */
    readonly http?: Pick<Http, 'ask'>
  }

/** What a service counts, and what was sent in its name and asked of it from here. */
export type RunningStats = ServiceStats & {
  readonly sends: SendStats
  /** Of several services, the first one counts what was asked of services that do not run here, too. */
  readonly asks: AskStats
}

/**
 * Running services. While one of them runs, also while it waits for a broker that is away, the process
 * stays alive.
 */
export interface Running<Q, S> {
  /** The tables the topology returned; of several services, by the service's name. */
  readonly query: Q
  stats(): S
  /**
   * Resolves when everything that is in the streams now has gone through all the services; rejects when
   * one of them fails or is closed before. Services that read each other's streams in a circle are
   * asked until nothing moves any more.
   */
  caughtUp(): Promise<void>
  /**
   * Rejects with the first error that stopped a service; the others go on. Never resolves. When nobody has
   * asked for it, nor waits for `caughtUp`, that error ends the process, as an uncaught one does.
   */
  readonly failed: Promise<never>
  /** Each service by itself, in the order given. */
  readonly services: readonly (RunningTopology & {
    stats(): RunningStats
    /** The streams of commands that it decides, by name. */
    readonly commands: Readonly<Record<string, AnyCommand>>
  } & Asks)[]
  /** Closes all side by side; called again, it waits for the same end. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A service that runs, sends, and asks any service to decide. */
export type RunningService<S extends Runnable> = Running<OwnViews<S>, RunningStats> &
  Sends<S['name']> &
  Asks

/**
 * Several services that run: tables and counts by the service's name. `send` and `sendAll` go by the owner of
 * the stream; a transaction is of one service, `app.sends.checkout.transaction(…)`.
 */
export type RunningServices<L extends readonly Runnable[]> = Running<
  { readonly [S in L[number] as S['name']]: OwnViews<S> },
  Readonly<Record<L[number]['name'], RunningStats>>
> &
  Asks &
  Omit<Sends<L[number]['name']>, 'transaction'> & {
    readonly sends: { readonly [S in L[number] as S['name']]: Sends<S['name']> }
  }

/**
 * Starts one service, or several; resolves when all of them process. When one does not start, the others
 * are closed and its error is thrown. Throws `config-invalid` for an option out of its bounds, and without a broker.
 */
export function run<S extends Runnable>(service: S, options: RunOptions): Promise<RunningService<S>>
export function run<const L extends readonly Runnable[]>(
  services: L,
  options: RunOptions,
): Promise<RunningServices<L>>
// The compiler speaks of the last one when none fits: this one fits whatever the other two do.
export function run(
  services: Runnable | readonly Runnable[],
  options: RunOptions,
): Promise<Running<unknown, unknown>>
export async function run(
  given: Runnable | readonly Runnable[],
  options: RunOptions,
): Promise<Running<unknown, unknown>> {
  brokerOf(options)
  options.signal?.throwIfAborted()
  const isOne = !Array.isArray(given)
  const runnables: readonly Runnable[] = isOne ? [given as Runnable] : given
  const topologies = runnables.map((service) => service.build())
  const shared = { clock: nodeClock, random: nodeRandom, ...options }
  const sends = openSenders(runnables, topologies, shared)
  const asker = openAsker({ ...shared, ...options.asking })
  const http = options.http?.ask ?? nodeHttpAsk
  const release = holdProcess()
  let services: readonly RunningTopology[]
  try {
    services = await startAll(topologies, shared)
  } catch (error) {
    release()
    throw error
  }
  const query = byName(services, ({ service, views }) => {
    return mapValues(views, (reader, view) => sharedView({ service, view, reader, http }))
  })
  const heard = new Heard(services)
  const all = services.map((service, i) => {
    const sender = sends.get(service.service)!
    const commands = commandsOf(topologies[i]!)
    const asked = (name: string): boolean =>
      name === service.service || (i === 0 && !sends.has(name))
    const stats = (): RunningStats => {
      return { ...service.stats(), sends: sender.stats(), asks: asker.stats(asked) }
    }
    // Not spread: that would ask for `failed`, and so take it for heard.
    return Object.assign(single(service, stats, heard), asksOf(asker), { commands })
  })
  let closing: Promise<void> | undefined
  const close = (): Promise<void> =>
    (closing ??= closeAll([...sends.values(), asker, ...services]).finally(release))
  const failed = firstFailure(services, release)
  const running: Running<unknown, unknown> = {
    query: isOne ? Object.values(query)[0] : query,
    stats: () => {
      const stats = byName(all, (service) => service.stats())
      return isOne ? Object.values(stats)[0] : stats
    },
    caughtUp: () => heard.by(caughtUp(services, topologies)),
    get failed() {
      return heard.listen(failed)
    },
    services: all,
    close,
    [Symbol.asyncDispose]: close,
  }
  const doors = isOne ? sendsOf([...sends.values()][0]!) : sendsOfAll(sends)
  return Object.assign(running, doors, asksOf(asker))
}

/** A service by itself, with what is sent in its name and asked of it. */
function single(
  service: RunningTopology,
  stats: () => RunningStats,
  heard: Heard,
): RunningTopology & { stats(): RunningStats } {
  const close = (): Promise<void> => service.close()
  return {
    service: service.service,
    instanceId: service.instanceId,
    views: service.views,
    stats,
    caughtUp: () => heard.by(service.caughtUp()),
    get failed() {
      return heard.listen(service.failed)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function commandsOf({ nodes }: Topology): Readonly<Record<string, AnyCommand>> {
  const decided = nodes.flatMap((node) => (node.kind === 'decide' ? [node.commands] : []))
  return Object.fromEntries(decided.map((commands) => [commands.name, commands]))
}

/** Starts all side by side. When one does not start, or the start is given up, nothing of it stays. */
async function startAll(
  topologies: readonly Topology[],
  options: RunTopologyOptions,
): Promise<RunningTopology[]> {
  const { signal: given } = options
  const failure = new AbortController()
  const signal = given ? AbortSignal.any([given, failure.signal]) : failure.signal
  const shared = { ...options, signal }
  const results = await Promise.allSettled(
    topologies.map(async (topology) => {
      try {
        return await runTopology(topology, shared)
      } catch (error) {
        // The first one to fail gives its reason to those that are still starting.
        failure.abort(error)
        throw error
      }
    }),
  )
  const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  if (!signal.aborted) return started
  await Promise.allSettled(started.map((service) => service.close()))
  throw signal.reason
}

async function caughtUp(
  services: readonly RunningTopology[],
  topologies: readonly Topology[],
): Promise<void> {
  const { order, isCircular } = upstreamFirst(topologies)
  for (let before = -1, now = recordsSeen(services); before !== now; now = recordsSeen(services)) {
    before = now
    for (const i of order) await services[i]!.caughtUp()
    if (!isCircular) return
  }
}

function recordsSeen(services: readonly RunningTopology[]): number {
  return services.reduce((sum, service) => {
    const { recordsIn, recordsOut } = service.stats()
    return sum + recordsIn + recordsOut
  }, 0)
}

/** Rejects with the first failure; calls `ended` when every service has failed. */
function firstFailure(services: readonly RunningTopology[], ended: () => void): Promise<never> {
  const failed = Promise.race(services.map((service) => service.failed))
  // Whoever waits sees it; that nobody happens to wait is no fault.
  failed.catch(() => undefined)
  let left = services.length
  if (left === 0) ended()
  for (const service of services) {
    service.failed.catch(() => {
      if (--left === 0) ended()
    })
  }
  return failed
}

/** Side by side: with a broker that is gone each of them takes as long as it may. */
async function closeAll(all: readonly { close(): Promise<void> }[]): Promise<void> {
  const results = await Promise.allSettled(all.map((each) => each.close()))
  const failure = results.find((result) => result.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}

function byName<T>(
  services: readonly RunningTopology[],
  of: (service: RunningTopology) => T,
): Record<string, T> {
  return Object.fromEntries(services.map((service) => [service.service, of(service)]))
}

function mapValues<T, U>(
  values: Readonly<Record<string, T>>,
  f: (value: T, name: string) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, f(value, name)]))
}
