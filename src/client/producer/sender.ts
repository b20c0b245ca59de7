/**
 * Sends a producer's batches: which go in one request, how many at once, and what comes next when one
 * comes back.
 *
 * A request carries at most one batch of a partition, and of a partition no more batches are on their
 * way than the broker remembers to recognise repetitions (KIP-98), counted from the oldest one that is
 * not acknowledged. After a failure a partition waits for everything in flight and then goes on in
 * sequence order, so order holds whatever is lost on the way.
 *
 *   waiting --send--> in flight --acknowledged--> gone
 *      ^                 |  '---refused for good--> gone, and the owner is told
 *      '--- come back ---'
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { zeroUuid } from '../../base/units.ts'
import type { ResponseOf } from '../../protocol/api.ts'
import { ErrorCode, isRetriable } from '../../protocol/errors.ts'
import type { Compression } from '../../records/batch.ts'
import { backoffMs } from '../cluster/backoff.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Connection } from '../cluster/connection.ts'
import { LeaderLookup } from '../cluster/leaders.ts'
import { leaderCodes } from '../cluster/response-codes.ts'
import { byTopic, partitionName } from '../cluster/topic-partition.ts'
import type { PartitionQueue, PendingBatch } from './partition-queue.ts'
import type { PartitionResult } from './refusal.ts'
import { isOfRecord, isTooLarge, mayFollowAppend, refusalError } from './refusal.ts'
import { splitBatch } from './split-batch.ts'
import type { Transactions } from './transactions.ts'

/** Requests of one producer on their way to one broker. */
const requestsInFlightMax = 5
const requestBytesMax = 16 * 1024 * 1024
/** Brokers forget producers that are silent for a day, or less where they are told so
 * (`producer.id.expiration.ms`): after so long a batch goes alone first, as the first one did. */
const knownMsMax = 600_000
/** How long the broker may take to have a write on its disks. */
const produceTimeoutMs = 30_000

export interface SenderOptions {
  readonly cluster: Cluster
  readonly lane: string
  readonly transactions: Transactions
  readonly compression: Compression
  /** How long a batch is tried before it counts as lost. */
  readonly deliveryTimeoutMs: number
  /** A batch is through: acknowledged or given up. */
  readonly onSettled: (batch: PendingBatch, isAcknowledged: boolean) => void
  /** A batch was too large for its topic and goes on in parts. */
  readonly onSplit: (batch: PendingBatch, parts: readonly PendingBatch[]) => void
  /** Something is lost: what follows it must not be sent. */
  readonly onFailure: (error: HeadwaterError, loss?: Loss) => void
}

/** What a failure hit: a batch, with the broker's code if it answered, or all that waits for a partition. */
export type Loss =
  | { readonly batch: PendingBatch; readonly code?: number }
  | { readonly queue: PartitionQueue }

export class Sender {
  readonly #o: SenderOptions
  /** Queues with waiting batches. */
  readonly #sendable = new Set<PartitionQueue>()
  readonly #inFlightByNode = new Map<number, number>()
  readonly #leaders: LeaderLookup<PartitionQueue>
  #adding: Promise<void> | undefined
  /** While a transaction is aborted, and after a failure, batches that come back are dropped. */
  #isHalted = false

  constructor(options: SenderOptions) {
    this.#o = options
    this.#leaders = new LeaderLookup({
      cluster: options.cluster,
      doing: 'write to',
      onLookedUp: () => this.drain(),
      onFailure: (queue, error) => this.#miss(queue, error),
    })
  }

  /** Takes notice of a queue with waiting batches; `drain` sends them. */
  add(queue: PartitionQueue): void {
    this.#sendable.add(queue)
  }

  /** Sends what may be sent now; called again by everything that makes more possible. */
  drain(): void {
    if (this.#isHalted) return
    const { transactions } = this.#o
    const byNode = new Map<number, PartitionQueue[]>()
    const toAdd: PartitionQueue[] = []
    for (const queue of this.#sendable) {
      if (!queue.isSendable()) continue
      if (transactions.mustAdd(queue.topic, queue.partition)) {
        toAdd.push(queue)
        continue
      }
      const place = this.#leaders.find(queue)
      if (place === undefined) continue
      if (byNode.has(place.leaderId)) byNode.get(place.leaderId)!.push(queue)
      else byNode.set(place.leaderId, [queue])
    }
    if (toAdd.length > 0) this.#addToTransaction(toAdd)
    for (const [nodeId, queues] of byNode) this.#drainNode(nodeId, queues)
  }

  /** Sends nothing more and drops what comes back, until `resume`. */
  halt(): void {
    this.#isHalted = true
    this.#sendable.clear()
  }

  /** Resolves when no request that adds partitions is on its way: it must not overtake an abort. */
  async added(): Promise<void> {
    await this.#adding
  }

  resume(): void {
    this.#isHalted = false
  }

  #drainNode(nodeId: number, queues: readonly PartitionQueue[]): void {
    const forgetBefore = this.#o.cluster.clock.monotonic() - knownMsMax
    for (const queue of queues) queue.forget(forgetBefore)
    let left = queues
    while (left.length > 0 && (this.#inFlightByNode.get(nodeId) ?? 0) < requestsInFlightMax) {
      const batches: PendingBatch[] = []
      let sizeBytes = 0
      for (const queue of left) {
        const next = queue.waiting[0]!
        if (batches.length > 0 && sizeBytes + next.sizeBytes > requestBytesMax) break
        sizeBytes += next.sizeBytes
        batches.push(next)
        queue.waiting.shift()
        queue.inFlight.push(next)
        if (queue.waiting.length === 0) this.#sendable.delete(queue)
      }
      // Those that found no room come first in the next request.
      left = [...left.slice(batches.length), ...left.slice(0, batches.length)].filter(
        (queue) => queue.waiting.length > 0 && queue.isSendable(),
      )
      void this.#send(nodeId, batches)
    }
  }

  async #send(nodeId: number, batches: readonly PendingBatch[]): Promise<void> {
    this.#inFlightByNode.set(nodeId, (this.#inFlightByNode.get(nodeId) ?? 0) + 1)
    let hasLeft = false
    try {
      for (const batch of batches) this.#encode(batch)
      const connection = await this.#o.cluster.connection(nodeId, this.#o.lane)
      hasLeft = true
      const topics = this.#topicsOf(batches)
      this.#finish(batches, topics, await this.#produce(connection, topics))
    } catch (error) {
      const failure = asOperatingError(error)
      for (const batch of batches) {
        if (hasLeft) batch.isUncertain = true
        if (failure.retriable) this.#bounce(batch, failure, true)
        else this.#lose(batch, failure)
      }
    } finally {
      this.#inFlightByNode.set(nodeId, this.#inFlightByNode.get(nodeId)! - 1)
      this.drain()
    }
  }

  /** Encodes a batch when it first leaves; repetitions send the same bytes. */
  #encode(batch: PendingBatch): void {
    const { transactions, compression } = this.#o
    const { queue, builder, recordCount } = batch
    transactions.noteWrite(queue.topic, queue.partition)
    batch.bytes ??= builder!.finish({
      producerId: transactions.producerId,
      producerEpoch: transactions.producerEpoch,
      baseSequence: queue.takeSequence(recordCount),
      transactional: transactions.transactionalId !== null,
      compression,
    })
  }

  #topicsOf(batches: readonly PendingBatch[]): ProducedTopic[] {
    const places = batches.map((batch) => ({ ...placeOf(batch), batch }))
    return byTopic(places).map(([name, ofTopic]) => ({
      name,
      topicId: this.#o.cluster.metadata.topic(name)?.topicId ?? zeroUuid,
      partitionData: ofTopic.map(({ partition, batch }) => ({
        index: partition,
        records: batch.bytes!,
      })),
    }))
  }

  #produce(
    connection: Connection,
    topics: readonly ProducedTopic[],
  ): Promise<ResponseOf<'Produce'>> {
    const { transactions } = this.#o
    const hasIds = topics.every(({ topicId }) => topicId !== zeroUuid)
    const versionMax = Math.min(transactions.produceVersionMax, hasIds ? Infinity : 12)
    return connection.request(
      'Produce',
      {
        transactionalId: transactions.transactionalId,
        acks: -1,
        timeoutMs: produceTimeoutMs,
        topicData: topics,
      },
      { versionMax },
    )
  }

  #finish(
    batches: readonly PendingBatch[],
    topics: readonly ProducedTopic[],
    response: ResponseOf<'Produce'>,
  ): void {
    // By the ids that were sent: those that are known now may be others.
    const names = new Map(topics.map(({ topicId, name }) => [topicId, name]))
    const results = new Map<string, PartitionResult>()
    for (const { name, topicId, partitionResponses } of response.responses) {
      const topic = name === '' ? names.get(topicId) : name
      for (const result of partitionResponses) {
        results.set(partitionName(topic ?? topicId, result.index), result)
      }
    }
    for (const batch of batches) {
      const { topic, partition } = placeOf(batch)
      const result = results.get(partitionName(topic, partition))
      if (result === undefined) {
        batch.isUncertain = true
        this.#refuse(batch, unanswered)
      } else if (isAcknowledged(result.errorCode)) this.#acknowledge(batch, result.baseOffset ?? -1)
      else this.#refuse(batch, result)
    }
  }

  #acknowledge(batch: PendingBatch, baseOffset: number): void {
    const { queue, deliveries } = batch
    queue.leave(batch)
    queue.attempt = 0
    queue.isKnown = true
    queue.acknowledgedAt = this.#o.cluster.clock.monotonic()
    batch.deliveries = undefined
    deliveries?.forEach((delivery, i) => {
      delivery.delivered(queue.partition, baseOffset < 0 ? -1 : baseOffset + i)
    })
    this.#o.onSettled(batch, true)
  }

  #refuse(batch: PendingBatch, result: PartitionResult): void {
    const code = result.errorCode
    if (mayFollowAppend(result)) batch.isUncertain = true
    if (isOfTopic(code)) batch.queue.isKnown = false
    if (isTooLarge(code) && batch.recordCount > 1) return this.#shrink(batch)
    // Who is told of each record is told of the one that is at fault.
    const isTold = batch.deliveries !== undefined && batch.recordCount > 1
    if (isTold && isOfRecord(code)) return this.#split(batch, batch.sizeBytes / 2)
    // A gap is no fault of its own while the batch before it is on its way again.
    const isGap = code === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER && batch.queue.hasEarlier(batch)
    const again = isGap || isRetriable(code) || code === ErrorCode.CONCURRENT_TRANSACTIONS
    const error = refusalError(batch, result, this.#o.cluster.clock.now())
    if (again) this.#bounce(batch, error, leaderCodes.includes(code))
    else this.#lose(batch, error, code)
  }

  /** Its topic takes no batch of this size: it goes again in halves, or as small as others had to be. */
  #shrink(batch: PendingBatch): void {
    const { queue, sizeBytes } = batch
    if (this.#isHalted) return this.#drop(batch)
    queue.batchBytes = Math.min(queue.batchBytes, Math.floor(sizeBytes / 2))
    this.#split(batch, queue.batchBytes)
  }

  #split(batch: PendingBatch, partBytes: number): void {
    const { queue } = batch
    if (this.#isHalted) return this.#drop(batch)
    const parts = splitBatch(batch, Math.floor(partBytes), this.#o.compression)
    queue.putParts(batch, parts)
    this.#sendable.add(queue)
    this.#o.onSplit(batch, parts)
  }

  /** A batch came back and may go again. @param isPlaceStale whether to look for the leader first */
  #bounce(batch: PendingBatch, error: HeadwaterError, isPlaceStale: boolean): void {
    const { queue } = batch
    queue.failure = error
    if (this.#isHalted) return this.#drop(batch)
    if (this.#isLate(batch)) return this.#lose(batch, lateError(error))
    queue.putBack(batch)
    if (isPlaceStale) queue.isPlaceStale = true
    this.#sendable.add(queue)
    this.#pause(queue)
  }

  #lose(batch: PendingBatch, error: HeadwaterError, code?: number): void {
    this.#o.onFailure(error, code === undefined ? { batch } : { batch, code })
    this.#drop(batch)
  }

  #drop(batch: PendingBatch): void {
    batch.queue.leave(batch)
    this.#o.onSettled(batch, false)
  }

  /** Nobody leads a queue's partition, or nobody says who does. */
  #miss(queue: PartitionQueue, error: HeadwaterError): void {
    const oldest = queue.waiting[0]
    queue.failure = error
    if (!error.retriable || error.code === 'not-found') return this.#o.onFailure(error, { queue })
    queue.isPlaceStale = true
    this.#pause(queue)
    if (oldest !== undefined && this.#isLate(oldest)) this.#lose(oldest, lateError(error))
  }

  /** Holds a queue back for a moment; batches that come back together wait once. */
  #pause(queue: PartitionQueue): void {
    if (queue.isPaused) return
    queue.isPaused = true
    const { clock, random } = this.#o.cluster
    clock.after(backoffMs(++queue.attempt, random), () => {
      queue.isPaused = false
      this.drain()
    })
  }

  #isLate({ since }: PendingBatch): boolean {
    return this.#o.cluster.clock.monotonic() - since >= this.#o.deliveryTimeoutMs
  }

  #addToTransaction(queues: readonly PartitionQueue[]): void {
    this.#adding ??= this.#o.transactions
      .addPartitions(queues.map(({ topic, partition }) => ({ topic, partition })))
      .catch((error: unknown) => this.#o.onFailure(asOperatingError(error)))
      .finally(() => {
        this.#adding = undefined
        this.drain()
      })
  }
}

/** What a request says of one topic. */
interface ProducedTopic {
  readonly name: string
  readonly topicId: string
  readonly partitionData: readonly { readonly index: number; readonly records: Uint8Array }[]
}

/** A topic that is not there may be made anew, and its log knows no producer. */
function isOfTopic(code: number): boolean {
  return code === ErrorCode.UNKNOWN_TOPIC_ID || code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
}

/** An answer that says nothing of a batch: nobody knows what became of it. */
const unanswered = { errorCode: ErrorCode.UNKNOWN_TOPIC_ID, errorMessage: null, recordErrors: [] }

function placeOf({ queue }: PendingBatch): { topic: string; partition: number } {
  return { topic: queue.topic, partition: queue.partition }
}

/** A duplicate is a repetition of what the broker has had for longer than it remembers offsets. */
function isAcknowledged(code: number): boolean {
  return code === ErrorCode.NONE || code === ErrorCode.DUPLICATE_SEQUENCE_NUMBER
}

function asOperatingError(error: unknown): HeadwaterError {
  if (isHeadwaterError(error)) return error
  throw error
}

/** @param cause why it last failed */
export function lateError(cause: HeadwaterError): HeadwaterError {
  return new HeadwaterError(
    'timeout',
    `records could not be delivered in time, the last failure being: ${cause.message}`,
    { cause },
  )
}
