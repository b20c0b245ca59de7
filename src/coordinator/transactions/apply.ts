/** What each change does to the transactions. Nothing is refused here. */
import { assert } from '../../base/errors.ts'
import type { TransactionsChange } from './changes.ts'
import { assertTransaction } from './invariants.ts'
import { noTiming } from './state.ts'
import type { Transaction, TransactionPhase, TransactionsState } from './state.ts'
import { partBytes, transactionBytes } from './weight.ts'

export function applyToTransactions(state: TransactionsState, change: TransactionsChange): void {
  if (change.type === 'producer-id-allocated') {
    state.nextProducerId = Math.max(state.nextProducerId, change.producerId + 1)
    return
  }
  const { transactionalId } = change
  if (change.type === 'timing-set') {
    const { type: _type, transactionalId: _id, ...part } = change
    const timing = state.timings.get(transactionalId) ?? noTiming
    state.timings.set(transactionalId, { ...timing, ...part })
    return
  }
  const before = state.transactions.get(transactionalId)
  if (change.type === 'transaction-expired') {
    state.bytes -= transactionBytes(before)
    state.transactions.delete(transactionalId)
    state.timings.delete(transactionalId)
    return
  }
  const bytesBefore = touchedBytes(before, change)
  const changed = change.type === 'transaction-set' ? restored(change) : after(before, change)
  assertTransaction(state, before, changed, change)
  state.transactions.set(transactionalId, changed)
  state.bytes += touchedBytes(changed, change) - bytesBefore
}

/** What a change is about; before and after it, this says what it weighs. */
function touchedBytes(
  transaction: Transaction | undefined,
  change: Exclude<
    TransactionsChange,
    { readonly type: 'producer-id-allocated' | 'timing-set' | 'transaction-expired' }
  >,
): number {
  if (change.type === 'transaction-ending' || transaction === undefined) return 0
  if (change.type !== 'transaction-entered') return transactionBytes(transaction)
  // Not all of it: what enters piece by piece would cost the square of what there is.
  const names = new Set(change.topics.map(({ name }) => name))
  return partBytes(transaction, names, new Set(change.groups))
}

function restored(
  change: Extract<TransactionsChange, { readonly type: 'transaction-set' }>,
): Transaction {
  const { type: _type, topics, groups, state, ...rest } = change
  return {
    ...rest,
    state: state as TransactionPhase,
    groups: new Set(groups),
    partitions: addPartitions(new Map(), topics),
  }
}

/** The transaction after the change. */
function after(
  before: Transaction | undefined,
  change: Extract<
    TransactionsChange,
    { readonly type: 'transaction-entered' | 'transaction-ending' | 'transaction-ended' }
  >,
): Transaction {
  assert(before !== undefined, 'a transaction changed that is not there')
  switch (change.type) {
    case 'transaction-entered': {
      const isOpen = before.state === 'Ongoing'
      addPartitions(before.partitions, change.topics)
      for (const group of change.groups) before.groups.add(group)
      return {
        ...before,
        state: 'Ongoing',
        startedAt: isOpen ? before.startedAt : change.at,
        updatedAt: change.at,
      }
    }
    case 'transaction-ending':
      return {
        ...before,
        state: change.commit ? 'PrepareCommit' : 'PrepareAbort',
        producerEpoch: change.producerEpoch,
        lastProducerEpoch: change.lastProducerEpoch,
        nextProducerId: change.nextProducerId,
        // An abort of nothing begins and ends at once.
        startedAt: before.state === 'Ongoing' ? before.startedAt : change.at,
        updatedAt: change.at,
      }
    case 'transaction-ended': {
      const rotates = before.nextProducerId >= 0
      return {
        ...before,
        state: before.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort',
        producerId: rotates ? before.nextProducerId : before.producerId,
        producerEpoch: rotates ? 0 : before.producerEpoch,
        previousProducerId: rotates ? before.producerId : before.previousProducerId,
        nextProducerId: -1,
        partitions: new Map(),
        groups: new Set(),
        updatedAt: change.at,
      }
    }
  }
}

function addPartitions(
  to: Map<string, Set<number>>,
  topics: readonly { readonly name: string; readonly partitions: readonly number[] }[],
): Map<string, Set<number>> {
  for (const { name, partitions } of topics) {
    const known = to.get(name) ?? new Set()
    for (const index of partitions) known.add(index)
    to.set(name, known)
  }
  return to
}
