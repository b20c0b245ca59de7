/**
 * Writing records, and what is close to it.
 *
 * A produce request is mostly handled in one go: every batch is looked at and appended before anything is
 * waited for. Where records take long to look at, all that the connection produces after them waits its
 * turn, so that requests of a connection are appended in the order they came. Then a request waits, once,
 * for the group commit that makes all of it durable; acks 1 and all mean the same on one replica, and both mean
 * "on disk". With acks=0 nothing is answered at all.
 */
import { assert, HeadwaterError } from '../../base/errors.ts'
import type { RequestOf, ResponseInput } from '../../protocol/api.ts'
import { ErrorCode, errorName, errorText } from '../../protocol/errors.ts'
import { batchHeaderBytes, isTransactional, readAttributes } from '../../records/batch.ts'
import { forward, type Handlers, type RequestContext } from './context.ts'
import {
  implicitAddVersion,
  refuse,
  type Checked,
  type Partition,
  type Produced,
  type Refused,
} from '../serving/partition.ts'

type ProduceRequest = RequestOf<'Produce'>
type TopicResponse = NonNullable<ResponseInput<'Produce'>['responses']>[number]
type PartitionResponse = NonNullable<TopicResponse['partitionResponses']>[number]

/** From this version on clients know TRANSACTION_ABORTABLE. */
const abortableVersion = 11

export const produceHandlers: Handlers = {
  Produce: (request, context) => {
    if (request.transactionalId === null && isAnyTransactional(request)) {
      return refuseAll(request, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    }
    const seats = seatsOf(request, context)
    return context.recordCheck.inOrder(
      context.peer,
      () => lookAtAll(seats, request, context),
      () => appendAll(seats, request, context),
    )
  },

  InitProducerId: (request, context) =>
    context.transactions.damage === undefined
      ? forward(context.transactions, 'InitProducerId', request, context)
      : { errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, producerId: -1, producerEpoch: -1 },

  DeleteRecords: async (request, { catalog }) => ({
    topics: await Promise.all(
      request.topics.map(async ({ name, partitions }) => ({
        name,
        partitions: await Promise.all(
          partitions.map(({ partitionIndex, offset }) =>
            deleteRecords(catalog.partition(name, partitionIndex), partitionIndex, offset),
          ),
        ),
      })),
    ),
  }),

  DescribeProducers: (request, { catalog }) => ({
    topics: request.topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partitionIndex) => {
        const log = catalog.partition(name, partitionIndex)?.log
        if (log === undefined) {
          const errorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
          return { partitionIndex, errorCode, errorMessage: errorText(errorCode) }
        }
        const activeProducers = log.producerStates().map((producer) => ({
          producerId: producer.producerId,
          producerEpoch: producer.epoch,
          lastSequence: producer.batches.at(-1)?.lastSequence ?? -1,
          lastTimestamp: producer.usedAt,
          coordinatorEpoch: 0,
          currentTxnStartOffset: producer.transactionStart,
        }))
        return { partitionIndex, activeProducers }
      }),
    })),
  }),
}

/** A batch of a request on its way into its partition. */
interface Seat {
  readonly topic: ProduceRequest['topicData'][number]
  readonly index: number
  readonly records: Uint8Array
  readonly partition: Partition | undefined
  verdict?: Checked | Refused
}

function seatsOf(request: ProduceRequest, { catalog, version }: RequestContext): Seat[] {
  return request.topicData.flatMap((topic) => {
    const found = version >= 13 ? catalog.byId(topic.topicId) : catalog.byName(topic.name)
    return topic.partitionData.map(({ index, records }) => {
      const partition = found?.partitions[index]
      return { topic, index, records: records ?? noRecords, partition }
    })
  })
}

const noRecords = new Uint8Array(0)

/** Checks all that comes before a partition's log; undefined when that is done. */
function lookAtAll(
  seats: readonly Seat[],
  request: ProduceRequest,
  context: RequestContext,
): Promise<void> | undefined {
  if (![-1, 0, 1].includes(request.acks)) return undefined
  for (const [at, seat] of seats.entries()) {
    const looking = lookAt(seat, context)
    if (looking === undefined) continue
    return looking.then(async () => {
      for (const next of seats.slice(at + 1)) await lookAt(next, context)
    })
  }
  return undefined
}

function lookAt(seat: Seat, context: RequestContext): Promise<void> | undefined {
  if (seat.partition === undefined) return undefined
  const checked = seat.partition.check(seat.records, context.version, context.clock.now())
  seat.verdict = checked
  if (checked.kind === 'refused') return undefined
  const { records, header, rules } = checked
  const looked = context.recordCheck.look(records, header, rules)
  if (looked instanceof Promise) return looked.then((late) => void (checked.looked = late))
  checked.looked = looked
  return undefined
}

/** Appends all batches that may go in, in one go; answers when they are durable. */
function appendAll(
  seats: readonly Seat[],
  request: ProduceRequest,
  context: RequestContext,
): Promise<ResponseInput<'Produce'> | undefined> | undefined {
  const durable: Promise<void>[] = []
  const unknown =
    context.version >= 13 ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  const partitionResponses = new Map(
    request.topicData.map((topic) => [topic, [] as PartitionResponse[]]),
  )
  for (const seat of seats) {
    const { index, partition } = seat
    // The topic may have gone while its batch was looked at.
    if (partition === undefined || partition.log.isDeleted) {
      partitionResponses.get(seat.topic)!.push({ index, errorCode: unknown, baseOffset: -1 })
      continue
    }
    const produced = produce(partition, seat.verdict, request, context)
    if (produced.kind === 'stored') addOnce(durable, produced.durable)
    partitionResponses.get(seat.topic)!.push(present(partition, produced))
  }
  const responses = request.topicData.map((topic) => ({
    name: topic.name,
    topicId: topic.topicId,
    partitionResponses: partitionResponses.get(topic)!,
  }))
  if (request.acks === 0) return answerNothing(responses, durable, context)
  const settled = durable.length === 1 ? durable[0]! : Promise.all(durable)
  return settled.then(
    () => whenDrained({ responses }, context),
    () => refuseAll(request, ErrorCode.KAFKA_STORAGE_ERROR),
  )
}

function produce(
  partition: Partition,
  checked: Checked | Refused | undefined,
  request: ProduceRequest,
  context: RequestContext,
): Produced {
  // Nothing is checked of a request that asks for the impossible.
  if (checked === undefined) {
    const errorCode = ErrorCode.INVALID_REQUIRED_ACKS
    return refuse(errorCode, errorText(errorCode))
  }
  if (checked.kind === 'refused') return checked
  const refusal = partition.refusal(checked, context.version)
  if (refusal !== undefined) return refusal
  const { header } = checked
  if (isTransactional(header.attributes)) {
    const errorCode = enterTransaction(partition, header, request.transactionalId, context)
    if (errorCode !== ErrorCode.NONE) return refuse(errorCode, errorText(errorCode))
  }
  return partition.append(checked, context.clock.now())
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
  durable: readonly Promise<void>[],
  context: RequestContext,
): undefined | Promise<undefined> {
  for (const promise of durable) promise.catch(() => {})
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
  if (!promises.includes(promise)) promises.push(promise)
}

async function deleteRecords(
  partition: Partition | undefined,
  partitionIndex: number,
  offset: number,
): Promise<{ partitionIndex: number; lowWatermark: number; errorCode: number }> {
  const refuse = (errorCode: number) => ({ partitionIndex, lowWatermark: -1, errorCode })
  if (partition === undefined) return refuse(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  const { log } = partition
  const before = offset === -1 ? log.highWatermark : offset
  if (before < 0 || before > log.highWatermark) return refuse(ErrorCode.OFFSET_OUT_OF_RANGE)
  if (before > log.startOffset) await log.deleteBefore(before)
  return { partitionIndex, lowWatermark: log.startOffset, errorCode: ErrorCode.NONE }
}
