/** Looking at transactions: DescribeTransactions and ListTransactions (KIP-664). */
import type { Instant } from '../../base/instant.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { onlyAnswer } from '../answer.ts'
import type { Call } from '../commands.ts'
import type { TransactionsDecision } from './changes.ts'
import { noTiming, topicList, type TransactionsState } from './state.ts'

/** Every state a client may filter by; the last two never show here. */
const stateNames = new Set([
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'PrepareEpochFence',
  'Dead',
])

export function describeTransactions(
  state: TransactionsState,
  command: Call<'DescribeTransactions'>,
): TransactionsDecision {
  const { request } = command
  const transactionStates = request.transactionalIds.map((transactionalId) => {
    const transaction = state.transactions.get(transactionalId)
    if (transaction === undefined) {
      const errorCode =
        transactionalId === '' ? ErrorCode.INVALID_REQUEST : ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
      return { transactionalId, errorCode }
    }
    return {
      transactionalId,
      errorCode: ErrorCode.NONE,
      transactionState: transaction.state,
      transactionTimeoutMs: transaction.timeoutMs,
      transactionStartTimeMs: transaction.startedAt,
      producerId: transaction.producerId,
      producerEpoch: transaction.producerEpoch,
      topics: topicList(transaction.partitions).map(({ name: topic, partitions }) => ({
        topic,
        partitions,
      })),
    }
  })
  return onlyAnswer(command, { transactionStates })
}

export function listTransactions(
  state: TransactionsState,
  command: Call<'ListTransactions'>,
  now: Instant,
): TransactionsDecision {
  const { request } = command
  const { stateFilters, producerIdFilters, durationFilter } = request
  const unknownStateFilters = stateFilters.filter((name) => !stateNames.has(name))
  const states = new Set(stateFilters)
  const producerIds = new Set(producerIdFilters)
  const ranMs = (transactionalId: string): number => {
    return now.monotonicMs - (state.timings.get(transactionalId) ?? noTiming).startedMs
  }
  const transactionStates = [...state.transactions.values()]
    .filter(
      (each) =>
        (states.size === 0 || states.has(each.state)) &&
        (producerIds.size === 0 || producerIds.has(each.producerId)) &&
        (durationFilter < 0 || ranMs(each.transactionalId) > durationFilter),
    )
    .map(({ transactionalId, producerId, state: transactionState }) => ({
      transactionalId,
      producerId,
      transactionState,
    }))
  return onlyAnswer(command, { errorCode: ErrorCode.NONE, unknownStateFilters, transactionStates })
}
