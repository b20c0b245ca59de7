/** What each change does to the transactions. Nothing is refused here. */
import { assert } from '../../base/errors.ts'
import type { TransactionsChange } from './changes.ts'
import { assertTransaction } from './invariants.ts'
import {
  noTiming,
  topicList,
  type Transaction,
  type TransactionPhase,
  type TransactionsState,
} from './state.ts'

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
  if (change.type === 'transaction-expired') {
    state.transactions.delete(transactionalId)
    state.timings.delete(transactionalId)
    return
  }
  const before = state.transactions.get(transactionalId)
  const changed = change.type === 'transaction-set' ? restored(change) : after(before, change)
  assertTransaction(state, before, changed, change)
  state.transactions.set(transactionalId, changed)
}

function restored(
  change: Extract<TransactionsChange, { readonly type: 'transaction-set' }>,
): Transaction {
  const { type: _type, topics, groups, state, ...rest } = change
  return {
    ...rest,
    state: state as TransactionPhase,
    groups: new Set(groups),
    partitions: partitionMap(topics),
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
      return {
        ...before,
        state: 'Ongoing',
        partitions: partitionMap([...topicList(before.partitions), ...change.topics]),
        groups: new Set([...before.groups, ...change.groups]),
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

function partitionMap(
  topics: readonly { readonly name: string; readonly partitions: readonly number[] }[],
): ReadonlyMap<string, ReadonlySet<number>> {
  const partitions = new Map<string, Set<number>>()
  for (const { name, partitions: indexes } of topics) {
    const known = partitions.get(name) ?? new Set()
    for (const index of indexes) known.add(index)
    partitions.set(name, known)
  }
  return partitions
}
