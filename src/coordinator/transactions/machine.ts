/**
 * The transactions machine: producer ids and epochs, what belongs to a transaction, and how it ends.
 *
 * It speaks both versions of Kafka's transactions: TV1, where clients add partitions first and the epoch
 * changes only when a producer is initialised; and TV2 (KIP-890), where writes add them and every end
 * raises the epoch. Which one a client uses shows in the versions of its requests.
 *
 * Markers are an effect. A crash after the outcome was stored finds the transaction prepared and asks for
 * the markers again; a marker written twice changes nothing for readers.
 *
 * An open transaction has its full timeout anew after a restart, as its producer could not reach the broker
 * before. An idle id is forgotten after days: there the time between two runs counts, as the wall clock tells.
 */
import type { Instant } from '../../base/instant.ts'
import type { TransactionsCommand, TransactionsEffect } from '../commands.ts'
import { Due } from '../due.ts'
import type { Machine } from '../machine.ts'
import { initProducerId } from './producer-ids.ts'
import { describeTransactions, listTransactions } from './admin.ts'
import { applyToTransactions } from './apply.ts'
import {
  transactionChanges,
  type TransactionsChange,
  type TransactionsDecision,
} from './changes.ts'
import { dumpTransactions } from './dump.ts'
import { endTransaction, fence, markersWritten, writeMarkers } from './end.ts'
import { addOffsets, addPartitions, enterTransaction } from './enter.ts'
import type { TransactionsOptions } from './options.ts'
import {
  initialTransactions,
  isPrepared,
  noTiming,
  type Timing,
  type Transaction,
  type TransactionsState,
} from './state.ts'

export type TransactionsMachine = Machine<
  TransactionsState,
  TransactionsCommand,
  TransactionsChange,
  TransactionsEffect
>

export function transactionsMachine(options: TransactionsOptions): TransactionsMachine {
  return {
    name: 'transactions',
    initial: initialTransactions,
    decide: (state, command, now) => decideTransactions(options, state, command, now),
    apply: applyToTransactions,
    encode: transactionChanges.encode,
    decode: transactionChanges.decode,
    dump: dumpTransactions,
    afterReplay: () => [{ type: 'restart' }, { type: 'wake' }],
  }
}

function decideTransactions(
  options: TransactionsOptions,
  state: TransactionsState,
  command: TransactionsCommand,
  now: Instant,
): TransactionsDecision {
  switch (command.type) {
    case 'InitProducerId':
      return initProducerId(options, state, command, now)
    case 'AddPartitionsToTxn':
      return addPartitions(state, command, now)
    case 'AddOffsetsToTxn':
      return addOffsets(options, state, command, now)
    case 'enter-transaction':
      return enterTransaction(state, command, now)
    case 'EndTxn':
      return endTransaction(state, command, now)
    case 'markers-written':
      return markersWritten(options, state, command, now)
    case 'DescribeTransactions':
      return describeTransactions(state, command)
    case 'ListTransactions':
      return listTransactions(state, command, now)
    case 'restart':
      return restart(options, state, now)
    case 'wake':
      return wake(options, state, now)
  }
}

/** Finishes what was decided before the restart, and begins to measure time. */
function restart(
  options: TransactionsOptions,
  state: TransactionsState,
  now: Instant,
): TransactionsDecision {
  const all = [...state.transactions.values()]
  const changes = all.map((transaction): TransactionsChange => {
    const { transactionalId } = transaction
    return { type: 'timing-set', transactionalId, ...timingAnew(options, transaction, now) }
  })
  const effects = all.filter(isPrepared).map(writeMarkers)
  return { changes, replies: [], effects }
}

function timingAnew(
  { transactionalIdExpirationMs }: TransactionsOptions,
  transaction: Transaction,
  { monotonicMs, wallMs }: Instant,
): Timing {
  const { startedAt, updatedAt, timeoutMs, state } = transaction
  const startedMs = startedAt < 0 ? Infinity : monotonicMs - Math.max(0, wallMs - startedAt)
  if (isPrepared(transaction)) return { startedMs, deadlineMs: Infinity }
  if (state === 'Ongoing') return { startedMs, deadlineMs: monotonicMs + timeoutMs }
  const idleMs = Math.max(0, wallMs - updatedAt)
  return { startedMs, deadlineMs: monotonicMs + transactionalIdExpirationMs - idleMs }
}

/**
 * Aborts what is overdue, so that its producer is fenced, and forgets ids that idled too long; what is too
 * much for one decision is done in the next.
 */
function wake(
  options: TransactionsOptions,
  state: TransactionsState,
  now: Instant,
): TransactionsDecision {
  const { overdue, wakeAt } = findOverdue(options, state, now)
  const changes: TransactionsChange[] = []
  const effects: TransactionsEffect[] = []
  for (const transaction of overdue) {
    const { transactionalId } = transaction
    if (transaction.state === 'Ongoing') {
      const fenced = fence(transaction, now)
      changes.push(...fenced.changes)
      effects.push(...fenced.effects)
      continue
    }
    changes.push({ type: 'transaction-expired', transactionalId })
  }
  const decision = { changes, replies: [], effects }
  return wakeAt === Infinity ? decision : { ...decision, wakeAt }
}

function findOverdue(
  { expiredMax }: TransactionsOptions,
  state: TransactionsState,
  { monotonicMs }: Instant,
): { readonly overdue: readonly Transaction[]; readonly wakeAt: number } {
  const due = new Due<Transaction>(expiredMax)
  let wakeAt = Infinity
  for (const transaction of state.transactions.values()) {
    const { deadlineMs } = state.timings.get(transaction.transactionalId) ?? noTiming
    if (deadlineMs <= monotonicMs) due.add(transaction, deadlineMs)
    else wakeAt = Math.min(wakeAt, deadlineMs)
  }
  const { items, isMore } = due.first()
  return { overdue: items, wakeAt: isMore ? monotonicMs : wakeAt }
}
