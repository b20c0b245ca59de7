/**
 * Transactions: the rules are the transactions machine's. Here partitions that do not exist are refused,
 * and offsets committed in a transaction pass the transactions machine before the groups machine.
 */
import type { Steps } from '../../base/steps.ts'
import type { RequestOf, ResponseInput } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { answerBytesOf } from './answer-bytes.ts'
import { askNow, forward, once, type Handlers, type RequestContext } from './context.ts'
import { inPlace, knownOnly } from './known.ts'
import { matching, patternOf } from './patterns.ts'
import { areFew, different, join, piecesOf } from './pieces.ts'

/** From this version on TxnOffsetCommit adds its group to the transaction (KIP-890). */
const implicitAddVersion = 5
/** From this version on its clients know TRANSACTION_ABORTABLE. */
const abortableVersion = 4
/** From this version on it names topics by id (KIP-1319). */
const topicIdVersion = 6

type TransactionTopics = RequestOf<'AddPartitionsToTxn'>['v3AndBelowTopics']
type AddedTopics = NonNullable<
  ResponseInput<'AddPartitionsToTxn'>['resultsByTopicV3AndBelow']
>[number][]
type AddedTransaction = NonNullable<
  ResponseInput<'AddPartitionsToTxn'>['resultsByTransaction']
>[number]
type CommittedTopics = NonNullable<ResponseInput<'TxnOffsetCommit'>['topics']>
type DescribedTransaction = NonNullable<
  ResponseInput<'DescribeTransactions'>['transactionStates']
>[number]

export const transactionsHandlers: Handlers = {
  *AddPartitionsToTxn(request, context) {
    if (context.version >= 4) return yield* addToMany(request, context)
    const topics = request.v3AndBelowTopics
    const refused = yield* refuseUnknown(topics, context)
    if (refused !== undefined) return { resultsByTopicV3AndBelow: refused }
    const results: AddedTopics = []
    let durable: Promise<void> | undefined
    for (const piece of piecesOf(topics, 'partitions', context.turns.itemsMax)) {
      const asked = { ...request, v3AndBelowTopics: piece.topics }
      const added = askNow(context.transactions, 'AddPartitionsToTxn', asked, context)
      durable = added.durable
      join(results, added.response.resultsByTopicV3AndBelow ?? [], 'resultsByPartition', piece)
      yield piece.items
    }
    return once(durable, { resultsByTopicV3AndBelow: results })
  },

  AddOffsetsToTxn: (request, context) =>
    forward(context.transactions, 'AddOffsetsToTxn', request, context),

  EndTxn: (request, context) => forward(context.transactions, 'EndTxn', request, context),

  TxnOffsetCommit: (request, context) => {
    const isShort = areFew(request.topics, 'partitions', context.turns)
    if (!isShort) return commitInPieces(request, context)
    const { topics, durable } = commitOffsets(request, context)
    return once(durable, { topics })
  },

  *DescribeTransactions(request, context) {
    const transactionStates: DescribedTransaction[] = []
    let durable: Promise<void> | undefined
    for (const transactionalId of yield* different(request.transactionalIds)) {
      const asked = { transactionalIds: [transactionalId] }
      const described = askNow(context.transactions, 'DescribeTransactions', asked, context)
      durable = described.durable
      for (const each of described.response.transactionStates ?? []) {
        context.room.grow(answerBytesOf(each))
        transactionStates.push(each)
        yield 1 + (each.topics ?? []).reduce((sum, { partitions }) => sum + partitions!.length, 0)
      }
    }
    return once(durable, { transactionStates })
  },

  ListTransactions: (request, context) => {
    const filters = request.stateFilters.length + request.producerIdFilters.length
    if (filters > context.config.filtersMax) return { errorCode: ErrorCode.INVALID_REQUEST }
    if (request.transactionalIdPattern) return listByPattern(request, context)
    return forward(context.transactions, 'ListTransactions', request, context)
  },
}

async function listByPattern(
  request: RequestOf<'ListTransactions'>,
  context: RequestContext,
): Promise<ResponseInput<'ListTransactions'>> {
  const { config, peer, transactions, turns } = context
  const pattern = await patternOf(request.transactionalIdPattern!, config)
  if (pattern === undefined) return { errorCode: ErrorCode.INVALID_REGULAR_EXPRESSION }
  const listed = await forward(transactions, 'ListTransactions', request, context)
  const steps = matching(listed.transactionStates ?? [], pattern, (each) => each.transactionalId!)
  return { ...listed, transactionStates: await turns.run(steps, peer) }
}

function* commitInPieces(
  request: RequestOf<'TxnOffsetCommit'>,
  context: RequestContext,
): Steps<ResponseInput<'TxnOffsetCommit'> | Promise<ResponseInput<'TxnOffsetCommit'>>> {
  const topics: CommittedTopics[number][] = []
  let durable: Promise<void> | undefined
  for (const piece of piecesOf(request.topics, 'partitions', context.turns.itemsMax)) {
    const committed = commitOffsets({ ...request, topics: piece.topics }, context)
    durable = committed.durable ?? durable
    join(topics, committed.topics, 'partitions', piece)
    yield piece.items
  }
  return once(durable, { topics })
}

/** Version 4 and up: the transactions are added to one after the other. */
function* addToMany(
  request: RequestOf<'AddPartitionsToTxn'>,
  context: RequestContext,
): Steps<ResponseInput<'AddPartitionsToTxn'> | Promise<ResponseInput<'AddPartitionsToTxn'>>> {
  const added: AddedTransaction[] = []
  const refused: AddedTransaction[] = []
  let durable: Promise<void> | undefined
  for (const transaction of request.transactions) {
    const { transactionalId, topics } = transaction
    const refusal = yield* refuseUnknown(topics, context)
    if (refusal !== undefined) {
      refused.push({ transactionalId, topicResults: refusal })
      continue
    }
    const topicResults: AddedTopics = []
    for (const piece of piecesOf(topics, 'partitions', context.turns.itemsMax)) {
      const transactions = [{ ...transaction, topics: piece.topics }]
      const asked = { ...request, transactions }
      const result = askNow(context.transactions, 'AddPartitionsToTxn', asked, context)
      durable = result.durable
      const results = result.response.resultsByTransaction?.[0]?.topicResults
      join(topicResults, results ?? [], 'resultsByPartition', piece)
      yield 1 + piece.items
    }
    added.push({ transactionalId, topicResults })
  }
  return once(durable, { errorCode: ErrorCode.NONE, resultsByTransaction: [...added, ...refused] })
}

/** One unknown partition refuses all: an addition is whole or not at all. */
function* refuseUnknown(
  topics: TransactionTopics,
  { catalog }: RequestContext,
): Steps<AddedTopics | undefined> {
  let isKnown = true
  for (const { name, partitions } of topics) {
    const known = catalog.byName(name)?.partitions
    for (const index of partitions) isKnown &&= known?.[index] !== undefined
    yield partitions.length / 8
  }
  if (isKnown) return undefined
  const results: AddedTopics = []
  for (const { name, partitions } of topics) {
    const known = catalog.byName(name)?.partitions
    const resultsByPartition = partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode:
        known?.[partitionIndex] === undefined
          ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
          : ErrorCode.OPERATION_NOT_ATTEMPTED,
    }))
    results.push({ name, resultsByPartition })
    yield partitions.length
  }
  return results
}

interface Committed {
  readonly topics: CommittedTopics
  readonly durable?: Promise<void> | undefined
}

/** The group enters the transaction with each piece anew: it may have ended between two. */
function commitOffsets(request: RequestOf<'TxnOffsetCommit'>, context: RequestContext): Committed {
  const { catalog, groups, transactions, version } = context
  const { transactionalId, producerId, producerEpoch, groupId } = request
  if (groupId === '') return { topics: refuseOffsets(request, ErrorCode.INVALID_GROUP_ID) }
  const entered = transactions.ask((token) => ({
    type: 'enter-transaction',
    token,
    transactionalId,
    producerId,
    producerEpoch,
    partitions: [],
    groupId,
    add: version >= implicitAddVersion,
  }))
  const { errorCode } = entered.response
  if (errorCode === ErrorCode.INVALID_TXN_STATE && version >= abortableVersion) {
    return { topics: refuseOffsets(request, ErrorCode.TRANSACTION_ABORTABLE) }
  }
  if (errorCode !== ErrorCode.NONE) return { topics: refuseOffsets(request, errorCode) }
  const byId = version >= topicIdVersion
  // A topic whose id is unknown gets the empty name, which no topic has.
  const named = request.topics.map((topic) =>
    byId ? { ...topic, name: catalog.byId(topic.topicId)?.name ?? '' } : topic,
  )
  const known = { ...request, topics: knownOnly(named, catalog) }
  const { response, durable } = askNow(groups, 'TxnOffsetCommit', known, context)
  const topics = named.map(({ name, topicId, partitions }, at) => {
    const unknown =
      byId && name === '' ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    const answered = response.topics?.[at]?.partitions
    return { name, topicId, partitions: inPlace(partitions, answered, unknown) }
  })
  return { topics, durable }
}

function refuseOffsets(
  { topics }: RequestOf<'TxnOffsetCommit'>,
  errorCode: number,
): CommittedTopics {
  return topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  }))
}
