/**
 * How transactions end: EndTxn, the markers, and aborts nobody asked for.
 *
 * The outcome is stored first ("prepared"); the client hears of success then, and the markers follow. From
 * version 5 of EndTxn on (KIP-890, "TV2") the epoch rises with every end, so that nothing late can slip
 * into the next transaction; the answer carries the epoch, or the new producer id, to go on with. A retry
 * then still names the epoch before, and that is how it is known:
 *
 * | state             | abort, retry      | abort, current | commit, retry     | commit, current   |
 * |-------------------|-------------------|----------------|-------------------|-------------------|
 * | Empty             | PRODUCER_FENCED   | new epoch      | PRODUCER_FENCED   | INVALID_TXN_STATE |
 * | CompleteAbort     | success           | new epoch      | INVALID_TXN_STATE | INVALID_TXN_STATE |
 * | CompleteCommit    | INVALID_TXN_STATE | new epoch      | success           | INVALID_TXN_STATE |
 *
 * Before ("TV1") the epoch stays, and a repeated end in the same sense is a success.
 */
import type { Instant } from '../../base/instant.ts'
import type { ResponseInput } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { answer, onlyAnswer } from '../answer.ts'
import type { Call, MarkersWritten, TransactionsEffect } from '../commands.ts'
import type { TransactionsChange, TransactionsDecision } from './changes.ts'
import type { TransactionsOptions } from './options.ts'
import {
  isExhausted,
  isPrepared,
  producerEpochMax,
  type Transaction,
  type TransactionsState,
} from './state.ts'

export function endTransaction(
  state: TransactionsState,
  command: Call<'EndTxn'>,
  now: Instant,
): TransactionsDecision {
  const { request, version } = command
  const transaction = state.transactions.get(request.transactionalId)
  const verdict = judge(transaction, request, version >= 5)
  if (transaction === undefined || verdict === 'refused-unknown') {
    const errorCode =
      request.transactionalId === ''
        ? ErrorCode.INVALID_REQUEST
        : ErrorCode.INVALID_PRODUCER_ID_MAPPING
    return onlyAnswer(command, plainly(errorCode))
  }
  if (verdict === 'done-before') {
    const { producerId, producerEpoch } = transaction
    return onlyAnswer(command, { errorCode: ErrorCode.NONE, producerId, producerEpoch })
  }
  if (typeof verdict === 'number') {
    const isOld = verdict === ErrorCode.PRODUCER_FENCED && version < 2
    const errorCode = isOld ? ErrorCode.INVALID_PRODUCER_EPOCH : verdict
    return onlyAnswer(command, plainly(errorCode))
  }
  if (version < 5) {
    const { producerEpoch, lastProducerEpoch } = transaction
    const epochs = { producerEpoch, lastProducerEpoch, nextProducerId: -1 }
    const decision = prepare(transaction, request.committed, epochs, now)
    return { ...decision, replies: [answer(command, plainly(ErrorCode.NONE))] }
  }
  return endWithNewEpoch(state, transaction, command, now)
}

/** An answer without a new identity: a refusal, or a success before version 5. */
function plainly(errorCode: number): ResponseInput<'EndTxn'> {
  return { errorCode, producerId: -1, producerEpoch: -1 }
}

/**
 * Aborts a transaction under a raised epoch. Its producer may not go on with the epoch it knows, but may
 * name it to get the raised one, as after a lost answer (KIP-588), until somebody else takes the id.
 */
export function fence(transaction: Transaction, now: Instant): TransactionsDecision {
  const producerEpoch = Math.min(transaction.producerEpoch + 1, producerEpochMax + 1)
  const lastProducerEpoch = producerEpoch > producerEpochMax ? -1 : transaction.producerEpoch
  const epochs = { producerEpoch, lastProducerEpoch, nextProducerId: -1 }
  return { ...prepare(transaction, false, epochs, now), replies: [] }
}

/** All markers stand: the transaction is over. */
export function markersWritten(
  { transactionalIdExpirationMs }: TransactionsOptions,
  state: TransactionsState,
  { transactionalId, producerId, producerEpoch }: MarkersWritten,
  now: Instant,
): TransactionsDecision {
  const transaction = state.transactions.get(transactionalId)
  const isAwaited =
    transaction !== undefined &&
    isPrepared(transaction) &&
    transaction.producerId === producerId &&
    transaction.producerEpoch === producerEpoch
  // Markers written twice, after a restart, are reported twice.
  if (!isAwaited) return { changes: [], replies: [], effects: [] }
  const deadlineMs = now.monotonicMs + transactionalIdExpirationMs
  return {
    changes: [
      { type: 'transaction-ended', transactionalId, at: now.wallMs },
      { type: 'timing-set', transactionalId, deadlineMs },
    ],
    replies: [],
    effects: [],
    wakeAt: deadlineMs,
  }
}

/** The effect of a prepared transaction. It may be run again at any time. */
export function writeMarkers(transaction: Transaction): TransactionsEffect {
  const { transactionalId, producerId, producerEpoch, partitions, groups } = transaction
  return {
    type: 'write-markers',
    transactionalId,
    producerId,
    producerEpoch,
    commit: transaction.state === 'PrepareCommit',
    partitions: [...partitions].flatMap(([topic, indexes]) =>
      [...indexes].map((partition) => ({ topic, partition })),
    ),
    groups: [...groups],
  }
}

/** What to do with an EndTxn: go on, nothing because it was done before, or refuse with a code. */
function judge(
  transaction: Transaction | undefined,
  request: Call<'EndTxn'>['request'],
  bumpsEpoch: boolean,
): 'proceed' | 'done-before' | 'refused-unknown' | number {
  if (transaction === undefined) return 'refused-unknown'
  const retry = bumpsEpoch && isRetry(transaction, request)
  if (transaction.producerId !== request.producerId && !retry) return 'refused-unknown'
  const isCurrent = transaction.producerEpoch === request.producerEpoch
  if (!isCurrent && !retry) return ErrorCode.PRODUCER_FENCED
  const { state } = transaction
  const { committed } = request
  if (state === 'Ongoing') return isCurrent ? 'proceed' : ErrorCode.PRODUCER_FENCED
  if (state === 'Empty') {
    if (!isCurrent) return ErrorCode.PRODUCER_FENCED
    return bumpsEpoch && !committed ? 'proceed' : ErrorCode.INVALID_TXN_STATE
  }
  if (isPrepared(transaction)) {
    // Under TV2 the epoch has risen already, so a producer that names it is ahead of itself.
    if (bumpsEpoch && isCurrent) return ErrorCode.PRODUCER_FENCED
    const inSameSense = committed === (state === 'PrepareCommit')
    return inSameSense ? ErrorCode.CONCURRENT_TRANSACTIONS : ErrorCode.INVALID_TXN_STATE
  }
  const inSameSense = committed === (state === 'CompleteCommit')
  if (!bumpsEpoch || retry) return inSameSense ? 'done-before' : ErrorCode.INVALID_TXN_STATE
  return committed ? ErrorCode.INVALID_TXN_STATE : 'proceed'
}

/** Whether the request names the epoch that the current one replaced. */
function isRetry(
  transaction: Transaction,
  request: { readonly producerId: number; readonly producerEpoch: number },
): boolean {
  if (request.producerEpoch !== transaction.lastProducerEpoch) return false
  if (transaction.producerId === request.producerId) {
    return transaction.producerEpoch === request.producerEpoch + 1
  }
  return transaction.previousProducerId === request.producerId && transaction.producerEpoch === 0
}

function endWithNewEpoch(
  state: TransactionsState,
  transaction: Transaction,
  command: Call<'EndTxn'>,
  now: Instant,
): TransactionsDecision {
  const { producerId, producerEpoch } = transaction
  const rotates = isExhausted(transaction)
  const epochs = {
    producerEpoch: producerEpoch + 1,
    lastProducerEpoch: producerEpoch,
    nextProducerId: rotates ? state.nextProducerId : -1,
  }
  const next = rotates
    ? { producerId: state.nextProducerId, producerEpoch: 0 }
    : { producerId, producerEpoch: producerEpoch + 1 }
  const { changes, effects } = prepare(transaction, command.request.committed, epochs, now)
  const allocation: TransactionsChange = {
    type: 'producer-id-allocated',
    producerId: state.nextProducerId,
  }
  return {
    changes: rotates ? [allocation, ...changes] : changes,
    replies: [answer(command, { errorCode: ErrorCode.NONE, ...next })],
    effects,
  }
}

function prepare(
  transaction: Transaction,
  commit: boolean,
  epochs: Pick<Transaction, 'producerEpoch' | 'lastProducerEpoch' | 'nextProducerId'>,
  now: Instant,
): Pick<TransactionsDecision, 'changes' | 'effects'> {
  const { transactionalId } = transaction
  const prepared: Transaction = {
    ...transaction,
    ...epochs,
    state: commit ? 'PrepareCommit' : 'PrepareAbort',
  }
  // An abort of nothing begins and ends at once.
  const begun = transaction.state === 'Ongoing' ? {} : { startedMs: now.monotonicMs }
  return {
    changes: [
      { type: 'transaction-ending', transactionalId, commit, ...epochs, at: now.wallMs },
      { type: 'timing-set', transactionalId, ...begun, deadlineMs: Infinity },
    ],
    effects: [writeMarkers(prepared)],
  }
}
