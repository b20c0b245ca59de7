/**
 * Transactions: the rules are the transactions machine's. Here partitions that do not exist are refused,
 * and offsets committed in a transaction pass the transactions machine before the groups machine.
 */
import type { RequestOf, ResponseInput } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { callOf, forward, type Handlers, type RequestContext } from './context.ts'
import { inPlace, knownOnly } from './known.ts'

/** From this version on TxnOffsetCommit adds its group to the transaction (KIP-890). */
const implicitAddVersion = 5
/** From this version on its clients know TRANSACTION_ABORTABLE. */
const abortableVersion = 4
/** From this version on it names topics by id (KIP-1319). */
const topicIdVersion = 6

type TransactionTopics = RequestOf<'AddPartitionsToTxn'>['v3AndBelowTopics']

export const transactionsHandlers: Handlers = {
  AddPartitionsToTxn: async (request, context) => {
    if (context.version < 4) {
      const refused = refuseUnknown(request.v3AndBelowTopics, context)
      if (refused !== undefined) return { resultsByTopicV3AndBelow: refused }
      return forward(context.transactions, 'AddPartitionsToTxn', request, context)
    }
    const refusals = request.transactions.map(({ topics }) => refuseUnknown(topics, context))
    const transactions = request.transactions.filter((_, i) => refusals[i] === undefined)
    const added = await forward(
      context.transactions,
      'AddPartitionsToTxn',
      { ...request, transactions },
      context,
    )
    const refused = request.transactions.flatMap(({ transactionalId }, i) => {
      const topicResults = refusals[i]
      return topicResults === undefined ? [] : [{ transactionalId, topicResults }]
    })
    return { ...added, resultsByTransaction: [...(added.resultsByTransaction ?? []), ...refused] }
  },

  AddOffsetsToTxn: (request, context) =>
    forward(context.transactions, 'AddOffsetsToTxn', request, context),

  EndTxn: (request, context) => forward(context.transactions, 'EndTxn', request, context),

  TxnOffsetCommit: (request, context) => {
    const { transactionalId, producerId, producerEpoch, groupId } = request
    if (groupId === '') return refuseOffsets(request, ErrorCode.INVALID_GROUP_ID)
    const entered = context.transactions.ask((token) => ({
      type: 'enter-transaction',
      token,
      transactionalId,
      producerId,
      producerEpoch,
      partitions: [],
      groupId,
      add: context.version >= implicitAddVersion,
    }))
    const { errorCode } = entered.response
    if (errorCode === ErrorCode.INVALID_TXN_STATE && context.version >= abortableVersion) {
      return refuseOffsets(request, ErrorCode.TRANSACTION_ABORTABLE)
    }
    if (errorCode !== ErrorCode.NONE) return refuseOffsets(request, errorCode)
    return commitOffsets(request, context)
  },

  DescribeTransactions: (request, context) =>
    forward(context.transactions, 'DescribeTransactions', request, context),

  ListTransactions: (request, context) =>
    forward(context.transactions, 'ListTransactions', request, context),
}

/** One unknown partition refuses all: an addition is whole or not at all. */
function refuseUnknown(
  topics: TransactionTopics,
  { catalog }: RequestContext,
): ResponseInput<'AddPartitionsToTxn'>['resultsByTopicV3AndBelow'] {
  const known = (topic: string, partition: number): boolean =>
    catalog.partition(topic, partition) !== undefined
  if (topics.every(({ name, partitions }) => partitions.every((each) => known(name, each)))) {
    return undefined
  }
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: known(name, partitionIndex)
        ? ErrorCode.OPERATION_NOT_ATTEMPTED
        : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    })),
  }))
}

async function commitOffsets(
  request: RequestOf<'TxnOffsetCommit'>,
  context: RequestContext,
): Promise<ResponseInput<'TxnOffsetCommit'>> {
  const { catalog, groups, version } = context
  const byId = version >= topicIdVersion
  // A topic whose id is unknown gets the empty name, which no topic has.
  const named = request.topics.map((topic) =>
    byId ? { ...topic, name: catalog.byId(topic.topicId)?.name ?? '' } : topic,
  )
  const topics = knownOnly(named, catalog)
  const { topics: answers } = await groups.call((token) =>
    callOf('TxnOffsetCommit', token, { ...request, topics }, context),
  )
  return {
    topics: named.map(({ name, topicId, partitions }, at) => {
      const unknown =
        byId && name === '' ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      return { name, topicId, partitions: inPlace(partitions, answers?.[at]?.partitions, unknown) }
    }),
  }
}

function refuseOffsets(
  { topics }: RequestOf<'TxnOffsetCommit'>,
  errorCode: number,
): ResponseInput<'TxnOffsetCommit'> {
  return {
    topics: topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }
}
