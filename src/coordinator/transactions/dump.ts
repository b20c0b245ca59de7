/** The fewest changes that build the transactions anew. */
import { setting, type TransactionsChange } from './changes.ts'
import type { TransactionsState } from './state.ts'

export function* dumpTransactions(state: TransactionsState): Iterable<TransactionsChange> {
  if (state.nextProducerId > 0) {
    yield { type: 'producer-id-allocated', producerId: state.nextProducerId - 1 }
  }
  for (const transaction of state.transactions.values()) yield setting(transaction)
}
