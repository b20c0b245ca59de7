/**
 * Writing records, and what is close to it.
 *
 * A produce request is mostly handled in one go: every batch is looked at and appended before anything is
 * waited for. Where records take long to look at, or batches are many, all that the connection produces after
 * them waits its turn, so that requests of a connection are appended in the order they came. Then a request waits,
 * once, for the group commit that makes all of it durable; acks 1 and all mean the same on one replica, and both mean
 * "on disk". With acks=0 nothing is answered at all.
 */
import { assert, HeadwaterError } from '../../base/errors.ts'
import type { RequestOf, ResponseInput } from '../../protocol/api.ts'
import { ErrorCode, errorName, errorText } from '../../protocol/errors.ts'
import { batchHeaderBytes, isTransactional, readAttributes } from '../../records/batch.ts'
import { forward, once, type Handlers, type RequestContext } from './context.ts'
import { Gathering } from './gathering.ts'
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
/** What a batch costs beside items that are only looked up, and how many bytes of it cost one more. */
const batchItems = 4
const itemBytes = 8 * 1024
/** The part of a turn that is done between two looks at whose turn it is. */
const spentShare = 1 / 4

export const produceHandlers: Handlers = {
  Produce: (request, context) => {
    if (request.transactionalId === null && isAnyTransactional(request)) {
      return refuseAll(request, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    }
    const writing: Writing = { request, context, seats: [], responses: [], durable: [] }
    return context.recordCheck.inOrder(
      context.peer,
      () => {
        const looking = lookAtAll(writing)
        return looking === undefined ? appendAll(writing) : looking.then(() => appendAll(writing))
      },
      () => answer(writing),
    )
  },

  InitProducerId: (request, context) =>
    context.transactions.damage === undefined
      ? forward(context.transactions, 'InitProducerId', request, context)
      : { errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, producerId: -1, producerEpoch: -1 },

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
}

/** A batch of a request on its way into its partition. */
interface Seat {
  readonly index: number
  readonly records: Uint8Array
  readonly partition: Partition | undefined
  /** The answers of its topic, to which its own is added. */
  readonly answers: PartitionResponse[]
  verdict?: Checked | Refused
}

/** A produce request while it is worked on. */
interface Writing {
  readonly request: ProduceRequest
  readonly context: RequestContext
  readonly seats: Seat[]
  readonly responses: TopicResponse[]
  readonly durable: Promise<void>[]
}

function* seatsOf({ request, context, responses }: Writing): Iterable<Seat> {
  const { catalog, version } = context
  for (const { name, topicId, partitionData } of request.topicData) {
    const found = version >= 13 ? catalog.byId(topicId) : catalog.byName(name)
    const answers: PartitionResponse[] = []
    responses.push({ name, topicId, partitionResponses: answers })
    for (const { index, records } of partitionData) {
      yield { index, records: records ?? noRecords, partition: found?.partitions[index], answers }
    }
  }
}

const noRecords = new Uint8Array(0)

/** Checks all that comes before a partition's log; undefined when that is done. */
function lookAtAll(writing: Writing): Promise<void> | undefined {
  const { request, context, seats } = writing
  const isPossible = [-1, 0, 1].includes(request.acks)
  const work = (seat: Seat): Promise<void> | undefined => {
    seats.push(seat)
    return isPossible ? lookAt(seat, context) : undefined
  }
  return eachInTurns(seatsOf(writing)[Symbol.iterator](), work, () => batchItems, context)
}

function lookAt(seat: Seat, context: RequestContext): Promise<void> | undefined {
  const { partition, records } = seat
  if (partition === undefined) return undefined
  const refused = partition.refusalOfFrame(records)
  if (refused !== undefined) {
    seat.verdict = refused
    return undefined
  }
  const sum = context.recordCheck.sum(records, context.peer)
  return sum === undefined
    ? lookInto(seat, partition, context)
    : sum.then((crc) => lookInto(seat, partition, context, crc))
}

function lookInto(
  seat: Seat,
  partition: Partition,
  { version, clock, peer, recordCheck }: RequestContext,
  crc?: number,
): Promise<void> | undefined {
  const checked = partition.check(seat.records, version, clock.now(), crc)
  seat.verdict = checked
  if (checked.kind === 'refused') return undefined
  const { records, header, rules } = checked
  const looked = recordCheck.look(records, header, rules, peer)
  if (looked instanceof Promise) return looked.then((late) => void (checked.looked = late))
  checked.looked = looked
  return undefined
}

/** Appends all batches that may go in; undefined when that is done. */
function appendAll(writing: Writing): Promise<void> | undefined {
  const itemsOf = ({ records }: Seat): number => batchItems + records.length / itemBytes
  const work = (seat: Seat): undefined => append(seat, writing)
  return eachInTurns(writing.seats.values(), work, itemsOf, writing.context)
}

function append({ index, partition, answers, verdict }: Seat, writing: Writing): undefined {
  const { request, context, durable } = writing
  // The topic may have gone while its batch was looked at.
  if (partition === undefined || partition.log.isDeleted) {
    const unknown =
      context.version >= 13 ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    answers.push({ index, errorCode: unknown, baseOffset: -1 })
    return
  }
  const produced = produce(partition, verdict, request, context)
  if (produced.kind === 'stored') addOnce(durable, produced.durable)
  answers.push(present(partition, produced))
}

/** Does `work` for each, in one go as far as a turn goes; what to wait for when that is not all. */
function eachInTurns(
  seats: Iterator<Seat>,
  work: (seat: Seat) => Promise<void> | undefined,
  itemsOf: (seat: Seat) => number,
  context: RequestContext,
): Promise<void> | undefined {
  const { turns } = context
  const itemsMax = turns.itemsMax * spentShare
  let items = 0
  for (;;) {
    const next = seats.next()
    if (next.done === true) return undefined
    let waiting = work(next.value)
    items += itemsOf(next.value)
    if (waiting === undefined && items >= itemsMax) {
      // Whether or not its client stays: what comes behind it must not be stored in its place.
      waiting = turns.spend(items)
      items = 0
    }
    if (waiting !== undefined) return waiting.then(() => eachInTurns(seats, work, itemsOf, context))
  }
}

/** Answers when all that was appended is durable. */
function answer({
  request,
  context,
  responses,
  durable,
}: Writing): Promise<ResponseInput<'Produce'> | undefined> | undefined {
  if (request.acks === 0) return answerNothing(responses, context)
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
  // Also where the start lies there already: it may not be on disk yet.
  return log.deleteBefore(before).then(() => ({
    partitionIndex,
    lowWatermark: log.startOffset,
    errorCode: ErrorCode.NONE,
  }))
}
