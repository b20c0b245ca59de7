/** Connections from the command line to a broker, for as long as a piece of work takes. */
import { Cluster } from '../client/cluster/cluster.ts'
import type { BrokerAddress } from '../client/security/kafka.ts'
import { kafka } from '../client/security/kafka.ts'
import { nodeClock, nodeRandom } from '../io/node-clock.ts'

/** How long a command goes on trying to reach a broker before it says that there is none. */
const retryTimeoutMs = 5_000

/**
 * Does `work` with a cluster that is closed afterwards; `connection-failed` when no broker answers.
 * @param broker what `--broker` said, or how to reach one
 */
export async function withCluster<T>(
  broker: string | BrokerAddress,
  work: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const cluster = await Cluster.connect({
    ...(typeof broker === 'string' ? kafka(broker) : broker),
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
