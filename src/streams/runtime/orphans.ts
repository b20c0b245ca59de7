/**
 * Transactions that instances left open when they died, and who ends them: whoever takes over.
 *
 * Until a transaction ends, nobody reads what was committed behind it, and offsets in it are unstable. Its
 * timeout would end it a minute later. So every process of a service has a transactional id of its own,
 *
 *     <service>/<instance>/<incarnation>
 *
 * all members of a generation are told each other's, and a transaction of the service whose id no member
 * has is ended by asking for its producer id, which fences its producer (KIP-98). Since no two processes
 * ever share an id, one that was fenced and goes on fences nobody with its new epoch.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import { planted } from '../../base/planted.ts'
import { listTransactions } from '../../client/producer/list-transactions.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import { Producer } from '../../client/producer/producer.ts'

/** Names the producer of one process. @param incarnation different for each process */
export function transactionalIdOf(service: string, instance: string, incarnation: string): string {
  const suffix = planted.has('fence-successor') ? '' : `/${incarnation}`
  return `${service}/${encodeURIComponent(instance)}${suffix}`
}

/** Those of `open` that belong to the service and to none of the members that `own` knows. */
function orphansAmong(
  open: readonly string[],
  own: string,
  peers: readonly string[],
): readonly string[] {
  const [service, instance] = own.split('/')
  return open.filter((id) => {
    if (id === own || !id.startsWith(`${service}/`)) return false
    // Whoever had this instance's name before is gone or replaced, whatever the group has been told.
    return !peers.includes(id) || id.startsWith(`${service}/${instance}/`)
  })
}

/**
 * Ends the transactions that members which left have open. A broker too old to list transactions leaves
 * them to their timeout. @returns the transactional ids that were fenced
 */
export async function endOrphans(
  cluster: Cluster,
  own: string,
  peers: readonly string[],
): Promise<readonly string[]> {
  if (planted.has('wait-for-transaction-timeout')) return []
  const orphans = orphansAmong(await openTransactions(cluster), own, peers)
  await Promise.all(orphans.map((transactionalId) => fence(cluster, transactionalId)))
  return orphans
}

async function openTransactions(cluster: Cluster): Promise<readonly string[]> {
  try {
    const open = await listTransactions(cluster, { states: ['Ongoing'] })
    return open.map(({ transactionalId }) => transactionalId)
  } catch (error) {
    if (isHeadwaterError(error, 'unsupported-version')) return []
    throw error
  }
}

/** Resolves once the transaction is aborted everywhere the coordinator knows of. */
async function fence(cluster: Cluster, transactionalId: string): Promise<void> {
  const successor = new Producer(cluster, { transactionalId })
  try {
    await successor.init()
  } finally {
    await successor.close()
  }
}
