/**
 * What can happen to transactions, how it is stored, and what it does to the state.
 */
import { array, bool, int16, int32, int64, string, struct } from '../../protocol/schema.ts'
import type { TransactionsEffect } from '../commands.ts'
import type { Decision } from '../machine.ts'
import { changeCodec, form, type StoredChange } from '../stored.ts'
import type { Transaction, TransactionPhase, TransactionsState } from './state.ts'

const Topics = array(struct({ name: string, partitions: array(int32) }))

const forms = {
  /** All producer ids up to this one were given out. */
  'producer-id-allocated': form(1, 0, struct({ producerId: int64 })),
  /** A producer was initialised, or `dump` wrote the whole record. */
  'transaction-set': form(
    2,
    0,
    struct({
      transactionalId: string,
      state: string,
      producerId: int64,
      producerEpoch: int16,
      lastProducerEpoch: int16,
      previousProducerId: int64,
      nextProducerId: int64,
      timeoutMs: int32,
      topics: Topics,
      groups: array(string),
      startedAt: int64,
      updatedAt: int64,
    }),
  ),
  /** Partitions and groups entered the transaction, which began if it had not. */
  'transaction-entered': form(
    3,
    0,
    struct({ transactionalId: string, topics: Topics, groups: array(string), at: int64 }),
  ),
  /** The outcome is decided; the epoch is that of the markers. */
  'transaction-ending': form(
    4,
    0,
    struct({
      transactionalId: string,
      commit: bool,
      producerEpoch: int16,
      lastProducerEpoch: int16,
      nextProducerId: int64,
      at: int64,
    }),
  ),
  /** All markers stand. */
  'transaction-ended': form(5, 0, struct({ transactionalId: string, at: int64 })),
  'transaction-expired': form(6, 0, struct({ transactionalId: string })),
}

export type TransactionsChange = StoredChange<typeof forms>

export type TransactionsDecision = Decision<TransactionsChange, TransactionsEffect>

export const transactionChanges = changeCodec('transactions', forms)

export function initialTransactions(): TransactionsState {
  return { nextProducerId: 0, transactions: new Map() }
}

export function applyToTransactions(state: TransactionsState, change: TransactionsChange): void {
  if (change.type === 'producer-id-allocated') {
    state.nextProducerId = Math.max(state.nextProducerId, change.producerId + 1)
    return
  }
  const { transactionalId } = change
  if (change.type === 'transaction-expired') {
    state.transactions.delete(transactionalId)
    return
  }
  if (change.type === 'transaction-set') {
    const { type: _type, topics, groups, state: phase, ...rest } = change
    const restored = { ...rest, state: phase as TransactionPhase, groups: new Set(groups) }
    state.transactions.set(transactionalId, { ...restored, partitions: partitionMap(topics) })
    return
  }
  const before = state.transactions.get(transactionalId)
  if (before === undefined) return
  state.transactions.set(transactionalId, after(before, change))
}

/** The transaction after the change. */
function after(
  before: Transaction,
  change: Extract<
    TransactionsChange,
    { readonly type: 'transaction-entered' | 'transaction-ending' | 'transaction-ended' }
  >,
): Transaction {
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

export function dumpTransactions(state: TransactionsState): TransactionsChange[] {
  const changes = [...state.transactions.values()].map(setting)
  if (state.nextProducerId === 0) return changes
  return [{ type: 'producer-id-allocated', producerId: state.nextProducerId - 1 }, ...changes]
}

/** The change that writes the whole record. */
export function setting({ partitions, groups, ...rest }: Transaction): TransactionsChange {
  return {
    type: 'transaction-set',
    ...rest,
    topics: topicList(partitions),
    groups: [...groups],
  }
}

export function topicList(
  partitions: ReadonlyMap<string, ReadonlySet<number>>,
): { name: string; partitions: number[] }[] {
  return [...partitions].map(([name, indexes]) => ({ name, partitions: [...indexes] }))
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
