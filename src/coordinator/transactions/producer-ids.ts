/**
 * InitProducerId: who may produce under which id and epoch.
 *
 * Without a transactional id every call gets a fresh producer id (what the request says about ids is
 * ignored: some clients send zeros). With one, the id stays and the epoch rises, which fences whoever used
 * it before. A producer that names its id and epoch (KIP-360) is let through only if nobody came between;
 * naming the epoch before the current one is the retry of a call whose answer was lost.
 *
 * An open transaction is aborted first, under a raised epoch, and the caller told to come back
 * (CONCURRENT_TRANSACTIONS). That epoch is never given to a producer. When epochs run out, a new
 * producer id is taken: the last epoch is kept for fencing.
 */
import type { Instant } from '../../base/instant.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { answer, onlyAnswer } from '../answer.ts'
import type { Call } from '../commands.ts'
import { setting, type TransactionsChange, type TransactionsDecision } from './changes.ts'
import { fence } from './end.ts'
import type { TransactionsOptions } from './options.ts'
import { isExhausted, isPrepared, type Transaction, type TransactionsState } from './state.ts'
import { newIdBytes } from './weight.ts'

interface Expected {
  readonly producerId: number
  readonly producerEpoch: number
}

export function initProducerId(
  options: TransactionsOptions,
  state: TransactionsState,
  command: Call<'InitProducerId'>,
  now: Instant,
): TransactionsDecision {
  const { request, version } = command
  const { transactionalId, transactionTimeoutMs: timeoutMs } = request
  const refuse = (code: number): TransactionsDecision => {
    const isOld = code === ErrorCode.PRODUCER_FENCED && version < 4
    const errorCode = isOld ? ErrorCode.INVALID_PRODUCER_EPOCH : code
    return onlyAnswer(command, { errorCode, producerId: -1, producerEpoch: -1 })
  }
  if (transactionalId === null) return allocate(state, command)
  if (transactionalId === '') return refuse(ErrorCode.INVALID_REQUEST)
  if (timeoutMs <= 0 || timeoutMs > options.timeoutMsMax) {
    return refuse(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
  }
  const { producerId, producerEpoch } = request
  if ((producerId === -1) !== (producerEpoch === -1)) return refuse(ErrorCode.INVALID_REQUEST)
  const expected = producerId === -1 ? undefined : { producerId, producerEpoch }
  const transaction = state.transactions.get(transactionalId)
  if (transaction === undefined) {
    const bytes = state.bytes + newIdBytes(transactionalId)
    if (bytes > options.transactionsBytesMax) return refuse(ErrorCode.POLICY_VIOLATION)
    return initialised(options, state, command, fresh(state, transactionalId, timeoutMs), now)
  }
  if (expected !== undefined && !mayBe(transaction, expected)) {
    return refuse(ErrorCode.PRODUCER_FENCED)
  }
  if (isPrepared(transaction)) return refuse(ErrorCode.CONCURRENT_TRANSACTIONS)
  if (transaction.state === 'Ongoing') {
    // Only the producer that opened it may end it without a fresh start.
    if (expected !== undefined && expected.producerEpoch !== transaction.producerEpoch) {
      return refuse(ErrorCode.PRODUCER_FENCED)
    }
    const { replies } = refuse(ErrorCode.CONCURRENT_TRANSACTIONS)
    return { ...fence(transaction, now), replies }
  }
  const next = nextIdentity(state, transaction, expected)
  if (next === undefined) return refuse(ErrorCode.PRODUCER_FENCED)
  return initialised(options, state, command, { ...next, timeoutMs }, now)
}

/** The change that gives out the next producer id. */
function allocation({ nextProducerId }: TransactionsState): TransactionsChange {
  return { type: 'producer-id-allocated', producerId: nextProducerId }
}

/** For producers that are idempotent only. */
function allocate(state: TransactionsState, command: Call<'InitProducerId'>): TransactionsDecision {
  const { nextProducerId: producerId } = state
  const replies = [answer(command, { errorCode: ErrorCode.NONE, producerId, producerEpoch: 0 })]
  return { changes: [allocation(state)], replies, effects: [] }
}

function initialised(
  options: TransactionsOptions,
  state: TransactionsState,
  command: Call<'InitProducerId'>,
  transaction: Transaction,
  now: Instant,
): TransactionsDecision {
  const { producerId, producerEpoch } = transaction
  const settled: Transaction = {
    ...transaction,
    state: 'Empty',
    partitions: new Map(),
    groups: new Set(),
    startedAt: -1,
    updatedAt: now.wallMs,
  }
  const isNewId = producerId === state.nextProducerId
  const deadlineMs = now.monotonicMs + options.transactionalIdExpirationMs
  const timing: TransactionsChange = {
    type: 'timing-set',
    transactionalId: transaction.transactionalId,
    startedMs: Infinity,
    deadlineMs,
  }
  const changes = [setting(settled), timing]
  return {
    changes: isNewId ? [allocation(state), ...changes] : changes,
    replies: [answer(command, { errorCode: ErrorCode.NONE, producerId, producerEpoch })],
    effects: [],
    wakeAt: deadlineMs,
  }
}

function fresh(state: TransactionsState, transactionalId: string, timeoutMs: number): Transaction {
  return {
    transactionalId,
    state: 'Empty',
    producerId: state.nextProducerId,
    producerEpoch: 0,
    lastProducerEpoch: -1,
    previousProducerId: -1,
    nextProducerId: -1,
    timeoutMs,
    partitions: new Map(),
    groups: new Set(),
    startedAt: -1,
    updatedAt: 0,
  }
}

/** The transaction under its next epoch or id; nothing when the producer is fenced. */
function nextIdentity(
  state: TransactionsState,
  transaction: Transaction,
  expected: Expected | undefined,
): Transaction | undefined {
  const { producerId, producerEpoch, lastProducerEpoch } = transaction
  const isCurrent = expected?.producerId === producerId && expected.producerEpoch === producerEpoch
  if (expected !== undefined && !isCurrent) {
    return expected.producerEpoch === lastProducerEpoch ? transaction : undefined
  }
  // Only a producer that named its epoch may come back with it: it alone can be the one that retries.
  const remembered = expected === undefined ? -1 : producerEpoch
  if (isExhausted(transaction)) {
    return {
      ...transaction,
      producerId: state.nextProducerId,
      producerEpoch: 0,
      lastProducerEpoch: remembered,
      previousProducerId: producerId,
    }
  }
  return { ...transaction, producerEpoch: producerEpoch + 1, lastProducerEpoch: remembered }
}

/** Whether the ids a producer names can be its own; the epoch is compared later. */
function mayBe(transaction: Transaction, expected: Expected): boolean {
  if (expected.producerId === transaction.producerId) return true
  // A retry whose first answer would have told of a new producer id.
  return (
    expected.producerId === transaction.previousProducerId &&
    expected.producerEpoch === transaction.lastProducerEpoch
  )
}
