/**
 * What belongs to a transaction: AddPartitionsToTxn, AddOffsetsToTxn, and what Produce and TxnOffsetCommit
 * add on the way (KIP-890).
 *
 * A partition that is not in the open transaction must not be written to in its name: no marker would ever
 * close it, and readers of committed records would wait for ever. While the markers of the last
 * transaction are being written the next one cannot begin: CONCURRENT_TRANSACTIONS, ask again.
 */
import type { Instant } from '../../base/instant.ts'
import type { ResponseInput } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { answer, onlyAnswer } from '../answer.ts'
import type { Call, EnterTransaction } from '../commands.ts'
import type { TransactionsChange, TransactionsDecision } from './changes.ts'
import type { TransactionsOptions } from './options.ts'
import { isPrepared, topicList, type Transaction, type TransactionsState } from './state.ts'
import { groupBytes } from './weight.ts'

/** What a producer asks in the name of a transaction. */
interface Claim {
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
}

type Topics = readonly { readonly name: string; readonly partitions: readonly number[] }[]

export function addPartitions(
  state: TransactionsState,
  command: Call<'AddPartitionsToTxn'>,
  now: Instant,
): TransactionsDecision {
  const { request, version } = command
  if (version >= 4) return addPartitionsOfMany(state, command, now)
  const claim = {
    transactionalId: request.v3AndBelowTransactionalId,
    producerId: request.v3AndBelowProducerId,
    producerEpoch: request.v3AndBelowProducerEpoch,
  }
  const topics = request.v3AndBelowTopics
  const verdict = admit(state, claim)
  const errorCode = codeFor(verdict, version < 2)
  const results = resultsOf(topics, () => errorCode)
  const replies = [answer(command, { resultsByTopicV3AndBelow: results })]
  if (typeof verdict !== 'object') return { changes: [], replies, effects: [] }
  return { ...entering(verdict, topics, [], now), replies }
}

export function addOffsets(
  options: TransactionsOptions,
  state: TransactionsState,
  command: Call<'AddOffsetsToTxn'>,
  now: Instant,
): TransactionsDecision {
  const { request, version } = command
  const admitted = admit(state, request)
  const isOver = (transaction: Transaction): boolean => {
    if (transaction.groups.has(request.groupId)) return false
    return state.bytes + groupBytes(request.groupId) > options.transactionsBytesMax
  }
  const isFull = typeof admitted === 'object' && isOver(admitted)
  const verdict = isFull ? ErrorCode.POLICY_VIOLATION : admitted
  const replies = [answer(command, { errorCode: codeFor(verdict, version < 2) })]
  if (typeof verdict !== 'object') return { changes: [], replies, effects: [] }
  return { ...entering(verdict, [], [request.groupId], now), replies }
}

export function enterTransaction(
  state: TransactionsState,
  command: EnterTransaction,
  now: Instant,
): TransactionsDecision {
  const { partitions, groupId, add } = command
  const verdict = admit(state, command)
  const groups = groupId === undefined ? [] : [groupId]
  const topics = byTopic(partitions)
  const isIn = typeof verdict === 'object' && covers(verdict, topics, groups)
  const errorCode = add || isIn ? codeFor(verdict, true) : refusalOf(verdict)
  if (typeof verdict !== 'object' || errorCode !== ErrorCode.NONE) {
    return onlyAnswer(command, { errorCode })
  }
  const replies = [answer(command, { errorCode })]
  return { ...entering(verdict, topics, groups, now), replies }
}

/** Version 4 and up: several transactions, each added to or only looked at. */
function addPartitionsOfMany(
  state: TransactionsState,
  command: Call<'AddPartitionsToTxn'>,
  now: Instant,
): TransactionsDecision {
  const changes: TransactionsChange[] = []
  let wakeAt = Infinity
  const resultsByTransaction = command.request.transactions.map((each) => {
    const { transactionalId, topics, verifyOnly } = each
    const verdict = admit(state, each)
    const code = codeFor(verdict, false)
    if (typeof verdict === 'object' && !verifyOnly) {
      const decision = entering(verdict, topics, [], now)
      changes.push(...decision.changes)
      wakeAt = Math.min(wakeAt, decision.wakeAt ?? Infinity)
    }
    const codeOf = (topic: string, partition: number) => {
      if (!verifyOnly || typeof verdict !== 'object') return code
      const isIn = verdict.partitions.get(topic)?.has(partition) === true
      return isIn ? ErrorCode.NONE : ErrorCode.TRANSACTION_ABORTABLE
    }
    return { transactionalId, topicResults: resultsOf(topics, codeOf) }
  })
  const replies = [answer(command, { errorCode: ErrorCode.NONE, resultsByTransaction })]
  const decision = { changes, replies, effects: [] }
  return wakeAt === Infinity ? decision : { ...decision, wakeAt }
}

/** The transaction the claim is right about; `'too-early'` while its markers are written; or a code. */
function admit(state: TransactionsState, claim: Claim): Transaction | 'too-early' | number {
  const { transactionalId, producerId, producerEpoch } = claim
  if (transactionalId === '') return ErrorCode.INVALID_REQUEST
  const transaction = state.transactions.get(transactionalId)
  if (transaction === undefined) return ErrorCode.INVALID_PRODUCER_ID_MAPPING
  if (transaction.producerId !== producerId) {
    // EndTxn has told the producer of its next id already, but the markers carry the old one.
    const isNext = transaction.nextProducerId === producerId && producerEpoch === 0
    return isNext && isPrepared(transaction) ? 'too-early' : ErrorCode.INVALID_PRODUCER_ID_MAPPING
  }
  if (transaction.producerEpoch !== producerEpoch) return ErrorCode.PRODUCER_FENCED
  return isPrepared(transaction) ? 'too-early' : transaction
}

function codeFor(verdict: Transaction | 'too-early' | number, isOld: boolean): number {
  if (typeof verdict === 'object') return ErrorCode.NONE
  if (verdict === 'too-early') return ErrorCode.CONCURRENT_TRANSACTIONS
  const isFenced = verdict === ErrorCode.PRODUCER_FENCED
  return isFenced && isOld ? ErrorCode.INVALID_PRODUCER_EPOCH : verdict
}

/** For a write that must be in the transaction already. */
function refusalOf(verdict: Transaction | 'too-early' | number): number {
  return typeof verdict === 'number' ? codeFor(verdict, true) : ErrorCode.INVALID_TXN_STATE
}

/** Puts what is new into the transaction, opening it if need be. */
function entering(
  transaction: Transaction,
  topics: Topics,
  groups: readonly string[],
  now: Instant,
): Pick<TransactionsDecision, 'changes' | 'effects' | 'wakeAt'> {
  const isOpen = transaction.state === 'Ongoing'
  if (isOpen && covers(transaction, topics, groups)) return { changes: [], effects: [] }
  const { transactionalId, partitions } = transaction
  const added = topics.flatMap(({ name, partitions: indexes }) => {
    const known = partitions.get(name)
    const missing = indexes.filter((index) => known?.has(index) !== true)
    return missing.length === 0 ? [] : [{ name, partitions: missing }]
  })
  const change: TransactionsChange = {
    type: 'transaction-entered',
    transactionalId,
    topics: added,
    groups: groups.filter((group) => !transaction.groups.has(group)),
    at: now.wallMs,
  }
  if (isOpen) return { changes: [change], effects: [] }
  const startedMs = now.monotonicMs
  const deadlineMs = startedMs + transaction.timeoutMs
  const timing: TransactionsChange = { type: 'timing-set', transactionalId, startedMs, deadlineMs }
  return { changes: [change, timing], effects: [], wakeAt: deadlineMs }
}

function covers(transaction: Transaction, topics: Topics, groups: readonly string[]): boolean {
  return (
    transaction.state === 'Ongoing' &&
    topics.every(({ name, partitions }) => {
      const known = transaction.partitions.get(name)
      return partitions.every((index) => known?.has(index) === true)
    }) &&
    groups.every((group) => transaction.groups.has(group))
  )
}

function byTopic(
  partitions: readonly { readonly topic: string; readonly partition: number }[],
): Topics {
  const topics = new Map<string, Set<number>>()
  for (const { topic, partition } of partitions) {
    const indexes = topics.get(topic) ?? new Set()
    topics.set(topic, indexes.add(partition))
  }
  return topicList(topics)
}

type PartitionResults = NonNullable<ResponseInput<'AddPartitionsToTxn'>['resultsByTopicV3AndBelow']>

function resultsOf(
  topics: Topics,
  codeOf: (topic: string, partition: number) => number,
): PartitionResults {
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: codeOf(name, partitionIndex),
    })),
  }))
}
