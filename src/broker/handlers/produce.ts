/**
 * Writing records, and what is close to it.
 *
 * Every batch of a produce request is checked and appended before anything is waited for and before the
 * next request of the connection begins, so they are appended in the order they came. Then it waits, once, for the
 * group commit that makes all of them durable; acks 1 and all mean the same on one replica, and both mean
 * "on disk". With acks=0 nothing is answered at all.
 */
import { assert, HeadwaterError } from '../../base/errors.ts'
import type { RequestOf, ResponseInput } from '../../protocol/api.ts'
import { ErrorCode, errorName, errorText } from '../../protocol/errors.ts'
import { batchHeaderBytes, isTransactional, readAttributes } from '../../records/batch.ts'
import { forward, once, type Handlers, type RequestContext } from './context.ts'
import { Gathering } from './gathering.ts'
import { implicitAddVersion, refuse, type Partition, type Produced } from '../serving/partition.ts'

type ProduceRequest = RequestOf<'Produce'>
type TopicResponse = NonNullable<ResponseInput<'Produce'>['responses']>[number]
type PartitionResponse = NonNullable<TopicResponse['partitionResponses']>[number]

type DescribedTopic = NonNullable<ResponseInput<'DescribeProducers'>['topics']>[number]
type DescribedPartition = NonNullable<DescribedTopic['partitions']>[number]

/** From this version on clients know TRANSACTION_ABORTABLE. */
const abortableVersion = 11
/** What a batch costs beside items that are only looked up, and how many bytes of it cost one more. */
const batchItems = 4
const itemBytes = 8 * 1024

export const produceHandlers: Handlers = {
  *Produce(request, context) {
    if (request.transactionalId === null && isAnyTransactional(request)) {
      return refuseAll(request, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    }
    const { catalog, version } = context
    const durable: Promise<void>[] = []
    const responses: TopicResponse[] = []
    const unknown =
      version >= 13 ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    for (const { name, topicId, partitionData } of request.topicData) {
      const topic = version >= 13 ? catalog.byId(topicId) : catalog.byName(name)
      const partitionResponses: PartitionResponse[] = []
      responses.push({ name, topicId, partitionResponses })
      for (const { index, records } of partitionData) {
        const partition = topic?.partitions[index]
        if (partition === undefined) {
          partitionResponses.push({ index, errorCode: unknown, baseOffset: -1 })
        } else {
          const produced = produce(partition, records, request, context)
          if (produced.kind === 'stored') addOnce(durable, produced.durable)
          partitionResponses.push(present(partition, produced))
        }
        yield batchItems + (records?.length ?? 0) / itemBytes
      }
    }
    if (request.acks === 0) return answerNothing(responses, context)
    const settled = durable.length === 1 ? durable[0]! : Promise.all(durable)
    return settled.then(
      () => whenDrained({ responses }, context),
      () => refuseAll(request, ErrorCode.KAFKA_STORAGE_ERROR),
    )
  },

  InitProducerId: (request, context) =>
    forward(context.transactions, 'InitProducerId', request, context),

  *DeleteRecords({ topics }, { catalog }) {
    const gathering = new Gathering()
    const answered: { readonly name: string; readonly partitions: DeletedRecords[] }[] = []
    for (const { name, partitions: asked } of topics) {
      const partitions: DeletedRecords[] = []
      answered.push({ name, partitions })
      for (const { partitionIndex, offset } of asked) {
        const partition = catalog.partition(name, partitionIndex)
        gathering.add(partitions, deleteRecords(partition, partitionIndex, offset))
        yield batchItems
      }
    }
    return once(gathering.whole(), { topics: answered })
  },

  *DescribeProducers(request, { catalog }) {
    const topics: DescribedTopic[] = []
    for (const { name, partitionIndexes } of request.topics) {
      const partitions: DescribedPartition[] = []
      topics.push({ name, partitions })
      for (const index of partitionIndexes) {
        const described = describeProducers(catalog.partition(name, index), index)
        partitions.push(described)
        yield 1 + (described.activeProducers?.length ?? 0)
      }
    }
    return { topics }
  },
}

function describeProducers(
  partition: Partition | undefined,
  partitionIndex: number,
): DescribedPartition {
  if (partition === undefined) {
    const errorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return { partitionIndex, errorCode, errorMessage: errorText(errorCode) }
  }
  const activeProducers = partition.log.producerStates().map((producer) => ({
    producerId: producer.producerId,
    producerEpoch: producer.epoch,
    lastSequence: producer.batches.at(-1)?.lastSequence ?? -1,
    lastTimestamp: producer.usedAt,
    coordinatorEpoch: 0,
    currentTxnStartOffset: producer.transactionStart,
  }))
  return { partitionIndex, activeProducers }
}

function produce(
  partition: Partition,
  records: Uint8Array | null,
  request: ProduceRequest,
  context: RequestContext,
): Produced {
  if (![-1, 0, 1].includes(request.acks)) {
    const errorCode = ErrorCode.INVALID_REQUIRED_ACKS
    return refuse(errorCode, errorText(errorCode))
  }
  const now = context.clock.now()
  const checked = partition.check(records ?? new Uint8Array(0), context.version, now)
  if (checked.kind === 'refused') return checked
  const { header } = checked
  if (isTransactional(header.attributes)) {
    const errorCode = enterTransaction(partition, header, request.transactionalId, context)
    if (errorCode !== ErrorCode.NONE) return refuse(errorCode, errorText(errorCode))
  }
  return partition.append(checked, now)
}

function isAnyTransactional({ topicData }: ProduceRequest): boolean {
  return topicData.some(({ partitionData }) =>
    partitionData.some(
      ({ records }) =>
        records !== null &&
        records.length >= batchHeaderBytes &&
        isTransactional(readAttributes(records)),
    ),
  )
}

/** A late write of a transaction that has ended would hold back its readers for ever. The answer is used
 * before it is durable: it lies before the batch in the journal, so the batch never survives without it. */
function enterTransaction(
  { topic, index }: Partition,
  { producerId, producerEpoch }: { readonly producerId: number; readonly producerEpoch: number },
  transactionalId: string | null,
  { transactions, version }: RequestContext,
): number {
  assert(transactionalId !== null, 'a transactional batch came without a transactional id')
  const { response } = transactions.ask((token) => ({
    type: 'enter-transaction',
    token,
    transactionalId,
    producerId,
    producerEpoch,
    partitions: [{ topic, partition: index }],
    add: version >= implicitAddVersion,
  }))
  return produceCode(response.errorCode, version)
}

/** What a producer is told: old ones do not retry on CONCURRENT_TRANSACTIONS, and treat PRODUCER_FENCED
 * from a partition as fatal where the epoch alone is out of date. */
function produceCode(errorCode: number, version: number): number {
  if (errorCode === ErrorCode.PRODUCER_FENCED) return ErrorCode.INVALID_PRODUCER_EPOCH
  if (errorCode === ErrorCode.INVALID_TXN_STATE && version >= abortableVersion) {
    return ErrorCode.TRANSACTION_ABORTABLE
  }
  if (errorCode === ErrorCode.CONCURRENT_TRANSACTIONS && version < implicitAddVersion) {
    return ErrorCode.NOT_ENOUGH_REPLICAS
  }
  return errorCode
}

function present({ index, log }: Partition, produced: Produced): PartitionResponse {
  if (produced.kind === 'stored') {
    return {
      index,
      errorCode: ErrorCode.NONE,
      baseOffset: produced.baseOffset,
      logAppendTimeMs: produced.logAppendTimeMs,
      logStartOffset: log.startOffset,
    }
  }
  return {
    index,
    errorCode: produced.errorCode,
    baseOffset: -1,
    logStartOffset: produced.seen === true ? log.startOffset : -1,
    recordErrors: (produced.faulty ?? []).map((batchIndex) => ({
      batchIndex,
      batchIndexErrorMessage: produced.message,
    })),
    errorMessage: produced.message,
  }
}

function refuseAll(
  request: ProduceRequest,
  errorCode: number,
): ResponseInput<'Produce'> | undefined {
  if (request.acks === 0) return undefined
  return {
    responses: request.topicData.map(({ name, topicId, partitionData }) => ({
      name,
      topicId,
      partitionResponses: partitionData.map(({ index }) => ({ index, errorCode, baseOffset: -1 })),
    })),
  }
}

/** With acks=0 nobody reads an error, but a client whose connection ends asks for new metadata. */
function answerNothing(
  responses: readonly TopicResponse[],
  context: RequestContext,
): undefined | Promise<undefined> {
  for (const { partitionResponses } of responses) {
    const failed = partitionResponses?.find(({ errorCode }) => errorCode !== ErrorCode.NONE)
    if (failed === undefined) continue
    throw new HeadwaterError(
      'protocol-error',
      `a produce request without acknowledgement failed with ${errorName(failed.errorCode ?? 0)}: produce with acks=1 or all to see errors`,
    )
  }
  return whenDrained(undefined, context)
}

/** When the disk falls behind, answers are what can be held back. */
function whenDrained<T>(response: T, { store }: RequestContext): T | Promise<T> {
  return store.congested ? store.drained().then(() => response) : response
}

/** Appends of one turn mostly share one group commit, and so one promise. */
function addOnce(promises: Promise<void>[], promise: Promise<void>): void {
  if (promises.includes(promise)) return
  promises.push(promise)
  // It may fail while the batches after it still wait for their turn; who waits for all hears of it.
  promise.catch(() => {})
}

interface DeletedRecords {
  readonly partitionIndex: number
  readonly lowWatermark: number
  readonly errorCode: number
}

function deleteRecords(
  partition: Partition | undefined,
  partitionIndex: number,
  offset: number,
): DeletedRecords | Promise<DeletedRecords> {
  const refuse = (errorCode: number) => ({ partitionIndex, lowWatermark: -1, errorCode })
  if (partition === undefined) return refuse(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  const { log } = partition
  const before = offset === -1 ? log.highWatermark : offset
  if (before < 0 || before > log.highWatermark) return refuse(ErrorCode.OFFSET_OUT_OF_RANGE)
  const deleted = () => ({
    partitionIndex,
    lowWatermark: log.startOffset,
    errorCode: ErrorCode.NONE,
  })
  return before > log.startOffset ? log.deleteBefore(before).then(deleted) : deleted()
}
