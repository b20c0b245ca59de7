/** Which transactions a cluster's coordinators know (KIP-664). */
import type { Cluster } from '../cluster/cluster.ts'
import { throwOnError } from '../cluster/wire-error.ts'

export interface ListedTransaction {
  readonly transactionalId: string
  readonly producerId: number
  /** Kafka's name of its state, as in `Ongoing`. */
  readonly state: string
}

/**
 * The transactions of all coordinators, or those in one of `states`. An id that is not to be described by
 * who asks is left out by the broker. `unsupported-version` before Apache Kafka 3.0. A broker that is gone is
 * asked for `retryTimeoutMs`, or as long as any: who asks anew by then asks those that there are.
 */
export async function listTransactions(
  cluster: Cluster,
  o: { readonly states?: readonly string[]; readonly retryTimeoutMs?: number } = {},
): Promise<readonly ListedTransaction[]> {
  const body = { stateFilters: o.states ?? [], producerIdFilters: [] }
  const { retryTimeoutMs } = o
  const bound = retryTimeoutMs === undefined ? {} : { retryTimeoutMs }
  await cluster.refresh()
  const answers = await Promise.all(
    cluster.metadata.brokerIds().map((id) => cluster.request('ListTransactions', body, id, bound)),
  )
  return answers.flatMap(({ errorCode, transactionStates }) => {
    throwOnError(errorCode, 'list transactions')
    return transactionStates.map(({ transactionalId, producerId, transactionState: state }) => {
      return { transactionalId, producerId, state }
    })
  })
}
