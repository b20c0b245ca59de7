/** The fewest changes that build the transactions anew. */
import { setting, type TransactionsChange } from './changes.ts'
import type { TransactionsState } from './state.ts'

export function dumpTransactions(state: TransactionsState): TransactionsChange[] {
  const changes = [...state.transactions.values()].map(setting)
  if (state.nextProducerId === 0) return changes
  return [{ type: 'producer-id-allocated', producerId: state.nextProducerId - 1 }, ...changes]
}
