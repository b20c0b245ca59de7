/** A client beside the services of a test, which looks at topics and changes them. */
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { latestTimestamp, listOffsets } from '../../../src/client/consumer/list-offsets.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { OrderCommands } from '../../types/ordering.ts'
import type { Asked } from '../query/asked.ts'

export function adminOf({ broker }: Asked): Cluster {
  return Cluster.unasked({ ...broker, clock: nodeClock, random: nodeRandom, clientId: 'admin' })
}

/** Commands of orders that the broker has. */
export async function commandsIn(admin: Cluster): Promise<number> {
  const { name: topic, partitions } = OrderCommands
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const ends = await listOffsets(admin, places, latestTimestamp, 'read_committed')
  return ends.reduce((sum, { offset }) => sum + offset, 0)
}
