/** Connections from the command line to a broker, for as long as a piece of work takes. */
import { Cluster } from '../client/cluster/cluster.ts'
import { nodeClock, nodeRandom } from '../io/node-clock.ts'
import { nodeNetwork } from '../io/node-network.ts'
import type { Dial } from '../io/ports.ts'
import type { HostAndPort } from './arguments.ts'

/** How long a command goes on trying to reach a broker before it says that there is none. */
const retryTimeoutMs = 5_000

/** Reaches a broker over TCP. */
export const dialTcp: Dial = (host, port) => nodeNetwork.connect(host, port)

/** Does `work` with a cluster that is closed afterwards; `connection-failed` when no broker answers. */
export async function withCluster<T>(
  broker: HostAndPort,
  work: (cluster: Cluster) => Promise<T>,
  dial: Dial = dialTcp,
): Promise<T> {
  const cluster = await Cluster.connect({
    bootstrap: [broker],
    dial,
    clock: nodeClock,
    random: nodeRandom,
    clientId: 'headwater-cli',
    retryTimeoutMs,
  })
  try {
    return await work(cluster)
  } finally {
    await cluster.close()
  }
}
