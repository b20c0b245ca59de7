/** Starts a service on a broker, and gives up when that is no longer wanted. */
import { isHeadwaterError } from '../../base/errors.ts'
import { backoffMs, sleep } from '../../client/cluster/backoff.ts'
import { Cluster } from '../../client/cluster/cluster.ts'
import { addressText } from '../../base/address.ts'
import { development } from '../../io/node-process.ts'
import type { Topology } from '../topology/topology.ts'
import { planTopology, type Plan } from '../plan/plan.ts'
import { outsideOfTraces } from '../tracing/spans.ts'
import type { RunTopologyOptions, RunningTopology } from './running.ts'
import { Runtime } from './runtime.ts'
import type { ServiceEvent } from './service-event.ts'
import { queryAddressOf, settingsOf } from './settings.ts'

/** How long a start waits for a broker that is away: as long as a running service does for an answer. */
const brokerWaitMs = 60_000

/**
 * Starts a service and resolves when its state is restored and it processes. Rejects with the reason of
 * `signal` when that is aborted before, and leaves nothing behind. What it processes is of the traces of
 * its records, and never of that in which it is started.
 */
export function runTopology(
  topology: Topology,
  options: RunTopologyOptions,
): Promise<RunningTopology> {
  return outsideOfTraces(() => startTopology(topology, options))
}

async function startTopology(
  topology: Topology,
  options: RunTopologyOptions,
): Promise<RunningTopology> {
  const plan = planTopology(topology)
  const { signal } = options
  queryAddressOf(options.queryAddress)
  await mendWhileDeveloping(plan, options)
  const cluster = await connectWaiting(topology.service, options)
  const runtime = new Runtime(cluster, plan, options)
  const abort = (): void => void runtime.close(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    signal?.throwIfAborted()
    await runtime.start()
    return runtime
  } catch (error) {
    await runtime.close()
    // What was under way when it was given up fails, and that is not why.
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** On the broker of `headwater dev`, and on no other. */
async function mendWhileDeveloping(plan: Plan, options: RunTopologyOptions): Promise<void> {
  const dev = development()
  const address = options.broker.bootstrap.map(addressText).join()
  if (dev === undefined || address !== dev.broker) return
  const { mendStores } = await import('../identity/mend.ts')
  // Apart from the service's own: topics are made anew here, and it is to know none of those before.
  const cluster = await connectWaiting(plan.topology.service, options)
  try {
    const membersMs = 2 * settingsOf(options).sessionTimeoutMs
    await mendStores(cluster, plan, { tell: dev.tell, membersMs, signal: options.signal })
  } finally {
    await cluster.close()
  }
}

/** Connects, waiting for a broker that is away; each attempt that failed is told as a repair. */
export async function connectWaiting(
  service: string,
  options: Pick<RunTopologyOptions, 'clock' | 'random' | 'broker'> & {
    readonly requestTimeoutMs?: number
    readonly metadataMaxAgeMs?: number
    readonly signal?: AbortSignal
    readonly onEvent?: (event: Extract<ServiceEvent, { type: 'repair' }>, service: string) => void
  },
): Promise<Cluster> {
  const { clock, random, broker, signal, onEvent } = options
  const { requestTimeoutMs, metadataMaxAgeMs } = settingsOf(options)
  const times = { requestTimeoutMs, metadataMaxAgeMs }
  const deadline = clock.monotonic() + brokerWaitMs
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      const connecting = Cluster.connect({ ...broker, clock, random, clientId: service, ...times })
      return await unlessAborted(connecting, signal)
    } catch (error) {
      signal?.throwIfAborted()
      const pauseMs = Math.round(backoffMs(attempt, random))
      const isLate = clock.monotonic() + pauseMs >= deadline
      if (isLate || !isHeadwaterError(error) || !error.retriable) throw error
      onEvent?.({ type: 'repair', error, pauseMs }, service)
      await sleep(clock, pauseMs)
    }
  }
}

/** The cluster, or the reason of `signal` when that comes before; then a cluster that comes up is closed. */
async function unlessAborted(
  connecting: Promise<Cluster>,
  signal: AbortSignal | undefined,
): Promise<Cluster> {
  if (signal === undefined) return connecting
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => {
    reject(signal.reason)
    connecting.then(
      (cluster) => cluster.close(),
      () => undefined,
    )
  }
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([connecting, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
