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
  const cluster = await Cluster.connect({
    ...broker,
    clock,
    random,
    clientId: topology.service,
    requestTimeoutMs,
    metadataMaxAgeMs,
  })
  const runtime = new Runtime(cluster, plan, options)
  const abort = (): void => void runtime.close(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    signal?.throwIfAborted()
    await runtime.start()
    return runtime
  } catch (error) {
    await runtime.close()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
