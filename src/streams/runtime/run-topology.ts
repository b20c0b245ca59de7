/** Starts a service on a broker, and gives up when that is no longer wanted. */
import { Cluster } from '../../client/cluster/cluster.ts'
import type { Topology } from '../topology/topology.ts'
import { planTopology } from '../plan/plan.ts'
import type { RunTopologyOptions, RunningTopology } from './running.ts'
import { Runtime } from './runtime.ts'
import { settingsOf } from './settings.ts'

/**
 * Starts a service and resolves when its state is restored and it processes. Rejects with the reason of
 * `signal` when that is aborted before, and leaves nothing behind.
 */
export async function runTopology(
  topology: Topology,
  options: RunTopologyOptions,
): Promise<RunningTopology> {
  const plan = planTopology(topology)
  const { clock, random, broker, signal } = options
  const { requestTimeoutMs, metadataMaxAgeMs } = settingsOf(options)
  signal?.throwIfAborted()
  const clientId = topology.service
  const times = { requestTimeoutMs, metadataMaxAgeMs }
  const connecting = Cluster.connect({ ...broker, clock, random, clientId, ...times })
  const cluster = await unlessAborted(connecting, signal)
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
