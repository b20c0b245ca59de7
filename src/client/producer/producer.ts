/**
 * Writes records: always idempotent, and in transactions when it has a transactional id.
 *
 * `append` is synchronous and copies the record into the batch that will leave; batches go when they
 * are full or `lingerMs` old, and `flush` waits until the brokers have them. Within a partition, records
 * are stored in the order they were appended, once each, whatever is repeated on the way.
 *
 *   transactional:  init -> begin -> append, sendOffsets -> commit or abort -> begin ...
 *
 * Failures: a record lost for good ends a producer without transactions (what came after it is not
 * sent, so there is never a gap); in a transaction it makes `commit` reject until `abort`. After
 * `fenced`, or when the outcome of a commit is unknown, the producer is at its end: `failure` tells.
 *
 * Bound: `bufferBytesMax` of unacknowledged records; `ready` says when to wait.
 */
import { assert, HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Compression } from '../../records/batch.ts'
import type { BatchBuilder, RecordHeader } from '../../records/record.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Committer } from '../group/ownership.ts'
import type { Delivery, PendingBatch } from './partition-queue.ts'
import { PartitionQueue } from './partition-queue.ts'
import { recordBytesMax } from './record-size.ts'
import { Sender } from './sender.ts'
import type { CommitOffset } from '../cluster/topic-partition.ts'
import { Transactions } from './transactions.ts'

const batchBytesDefault = 256 * 1024
const lingerMsDefault = 5
const bufferBytesMaxDefault = 64 * 1024 * 1024
const transactionTimeoutMsDefault = 60_000
const deliveryTimeoutMsDefault = 120_000

export interface ProducerOptions {
  readonly transactionalId?: string
  /** A batch leaves when it is this large, 256 KiB when left out; a larger record leaves alone. Batches
   * over a topic's `max.message.bytes` are refused: they go again in parts, and later ones are smaller. */
  readonly batchBytes?: number
  /** A batch that is not full leaves after this long; 0 leaves once what runs now has run. */
  readonly lingerMs?: number
  readonly compression?: Compression
  /** Unacknowledged records, with headers and all that is around them. */
  readonly bufferBytesMax?: number
  /** The coordinator aborts a transaction open for longer, and fences its producer. */
  readonly transactionTimeoutMs?: number
  /** How long records are tried while brokers are away before they count as lost. */
  readonly deliveryTimeoutMs?: number
}

type State = 'new' | 'ready' | 'open' | 'ending' | 'closed'

let nextLane = 1

export class Producer {
  readonly #cluster: Cluster
  readonly #options: ProducerOptions
  readonly #batchBytes: number
  readonly #bufferBytesMax: number
  readonly #lane = `producer-${nextLane++}`
  readonly #transactions: Transactions
  readonly #sender: Sender
  readonly #queues = new Map<string, PartitionQueue[]>()
  /** Queues with a batch being filled. */
  readonly #filling = new Set<PartitionQueue>()
  readonly #unacknowledged = new Set<PendingBatch>()
  #state: State = 'new'
  /** Why the transaction can only be aborted. */
  #loss: HeadwaterError | undefined
  #failure: HeadwaterError | undefined
  /** Settles when no offsets are on their way. */
  #offsetsSent: Promise<unknown> = Promise.resolve()
  /** A batch took sequence numbers and is gone, or offsets may still arrive: only a new epoch can go on. */
  #mustBump = false
  #bufferedBytes = 0
  #isDrainDue = false
  #isDrainSoon = false
  #room: PromiseWithResolvers<void> | undefined

  constructor(cluster: Cluster, options: ProducerOptions = {}) {
    this.#cluster = cluster
    this.#options = options
    this.#batchBytes = options.batchBytes ?? batchBytesDefault
    this.#bufferBytesMax = options.bufferBytesMax ?? bufferBytesMaxDefault
    this.#transactions = new Transactions(
      cluster,
      options.transactionalId ?? null,
      options.transactionTimeoutMs ?? transactionTimeoutMsDefault,
    )
    this.#sender = new Sender({
      cluster,
      lane: this.#lane,
      transactions: this.#transactions,
      compression: options.compression ?? 'none',
      deliveryTimeoutMs: options.deliveryTimeoutMs ?? deliveryTimeoutMsDefault,
      onSettled: (batch, isAcknowledged) => this.#settle(batch, isAcknowledged),
      onSplit: (batch, parts) => this.#replace(batch, parts),
      onFailure: (error) => this.#lose(error),
    })
  }

  /** Why this producer is at its end; undefined while it is not. An error without this can be aborted. */
  get failure(): HeadwaterError | undefined {
    return this.#failure
  }

  /**
   * Gets a producer id. With a transactional id it fences the producers that had it before and settles
   * the transaction they left.
   */
  async init(): Promise<void> {
    assert(this.#state === 'new', 'a producer is initialised once')
    await this.#transactions.init()
    this.#state = this.#options.transactionalId === undefined ? 'open' : 'ready'
  }

  /** Appends a record; throws what made the producer or the transaction fail. Timestamp in ms. Who gives a
   * `delivery` with one record gives one with each. */
  append(
    topic: string,
    partition: number,
    timestamp: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers?: readonly RecordHeader[],
    delivery?: Delivery,
  ): void {
    if (this.#state !== 'open' || this.#loss !== undefined) this.#refuseAppend()
    const queue = this.#queues.get(topic)?.[partition] ?? this.#addQueue(topic, partition)
    let builder = queue.builder
    const sizeBytes = recordBytesMax(key, value, headers)
    if (builder !== undefined && builder.sizeBytes + sizeBytes > queue.batchBytes) {
      this.#closeBatch(queue)
      builder = undefined
      this.#drainSoon()
    }
    if (builder === undefined) builder = this.#openBatch(queue)
    const before = builder.sizeBytes
    builder.append(timestamp, key, value, headers)
    if (delivery !== undefined) (queue.deliveries ??= []).push(delivery)
    this.#bufferedBytes += builder.sizeBytes - before
  }

  /** Undefined while there is room for more; else resolves when there is. */
  ready(): Promise<void> | undefined {
    if (this.#bufferedBytes < this.#bufferBytesMax || this.#loss !== undefined) return undefined
    this.#drainNow()
    this.#room ??= Promise.withResolvers()
    return this.#room.promise
  }

  /** Sends everything appended so far and waits for it; rejects with the first failure. */
  async flush(): Promise<void> {
    this.#drainNow()
    const settled: Promise<void>[] = []
    for (const batch of this.#unacknowledged) {
      batch.settled ??= Promise.withResolvers()
      settled.push(batch.settled.promise)
    }
    await Promise.all(settled)
    if (this.#loss !== undefined) throw this.#loss
  }

  begin(): void {
    if (this.#failure !== undefined) throw this.#failure
    assert(this.#options.transactionalId !== undefined, 'begin needs a transactional id')
    assert(this.#state === 'ready', `begin in state ${this.#state}`)
    this.#state = 'open'
  }

  /** Makes a group's offsets part of the transaction: they count when it commits. */
  async sendOffsets(committer: Committer, offsets: readonly CommitOffset[]): Promise<void> {
    this.#assertInTransaction('sendOffsets')
    if (this.#loss !== undefined) throw this.#loss
    if (offsets.length === 0) return
    const sent = this.#transactions.commitOffsets(committer, offsets)
    this.#offsetsSent = Promise.allSettled([this.#offsetsSent, sent])
    try {
      await sent
    } catch (error) {
      if (isHeadwaterError(error)) {
        if (error.retriable) this.#mustBump = true
        this.#lose(error)
      }
      throw error
    }
  }

  /** Flushes and commits. After a rejection, `abort`, unless `failure` says that it is over. */
  async commit(): Promise<void> {
    this.#assertInTransaction('commit')
    await this.#offsetsSent
    await this.flush()
    // What `abort` or `close` dropped meanwhile counts as settled, and must not be missing from a whole.
    if (this.#state !== 'open') throw overtaken()
    this.#state = 'ending'
    await this.#end(true)
  }

  /** Drops what was not sent and makes the rest invisible. */
  async abort(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    this.#assertInTransaction('abort')
    this.#state = 'ending'
    this.#sender.halt()
    this.#dropWaiting()
    // What is on its way must not arrive in the next transaction.
    await this.#sender.added()
    await this.#offsetsSent
    await Promise.all(
      [...this.#unacknowledged].map((batch) => {
        batch.settled ??= Promise.withResolvers()
        return batch.settled.promise
      }),
    )
    await this.#end(false)
    this.#loss = undefined
    this.#sender.resume()
  }

  /** Flushes, or aborts the open transaction, and gives the connections back. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    try {
      const isTransactional = this.#options.transactionalId !== undefined
      if (this.#failure === undefined && this.#state === 'open') {
        await (isTransactional ? this.abort() : this.flush())
      }
    } finally {
      this.#state = 'closed'
      this.#sender.halt()
      this.#dropWaiting()
      this.#cluster.closeLane(this.#lane)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(committed: boolean): Promise<void> {
    try {
      let isNewEpoch = false
      if (this.#transactions.isTouched) isNewEpoch = await this.#transactions.end(committed)
      if (this.#mustBump && !isNewEpoch) {
        await this.#transactions.init(true)
        isNewEpoch = true
      }
      if (isNewEpoch) this.#forEachQueue((queue) => queue.resetSequence())
      if (isNewEpoch) this.#mustBump = false
      this.#state = 'ready'
    } catch (error) {
      // Whether the coordinator ended the transaction is unknown: only a new producer can find out.
      if (isHeadwaterError(error)) this.#fail(error)
      throw error
    }
  }

  #refuseAppend(): never {
    if (this.#loss !== undefined) throw this.#loss
    const fix = {
      new: 'call init first',
      ready: 'call begin first',
      ending: 'wait for the end of the transaction',
      closed: 'the producer is closed',
      open: '',
    }
    throw new HeadwaterError('config-invalid', `append is not allowed now: ${fix[this.#state]}`)
  }

  #addQueue(topic: string, partition: number): PartitionQueue {
    assert(Number.isInteger(partition) && partition >= 0, `partition ${partition} of ${topic}`)
    let queues = this.#queues.get(topic)
    if (queues === undefined) this.#queues.set(topic, (queues = []))
    const batchBytes = queues.find((queue) => queue !== undefined)?.batchBytes ?? this.#batchBytes
    return (queues[partition] ??= new PartitionQueue(topic, partition, batchBytes))
  }

  #forEachQueue(visit: (queue: PartitionQueue) => void): void {
    for (const queues of this.#queues.values()) queues.forEach(visit)
  }

  #openBatch(queue: PartitionQueue): BatchBuilder {
    this.#filling.add(queue)
    this.#drainLater()
    const builder = queue.openBuilder()
    this.#bufferedBytes += builder.sizeBytes
    return builder
  }

  #closeBatch(queue: PartitionQueue): void {
    const batch = queue.closeBuilder(this.#cluster.clock.monotonic())
    this.#filling.delete(queue)
    if (batch === undefined) return
    this.#unacknowledged.add(batch)
    this.#sender.add(queue)
  }

  /** Sends what is full, without waiting for what is not. */
  #drainSoon(): void {
    if (this.#isDrainSoon) return
    this.#isDrainSoon = true
    this.#cluster.clock.soon(() => {
      this.#isDrainSoon = false
      this.#sender.drain()
    })
  }

  #drainLater(): void {
    if (this.#isDrainDue) return
    this.#isDrainDue = true
    const { clock } = this.#cluster
    const drain = (): void => {
      this.#isDrainDue = false
      if (this.#filling.size > 0) this.#drainNow()
    }
    const lingerMs = this.#options.lingerMs ?? lingerMsDefault
    if (lingerMs === 0) clock.soon(drain)
    else clock.after(lingerMs, drain)
  }

  #drainNow(): void {
    for (const queue of this.#filling) this.#closeBatch(queue)
    this.#sender.drain()
  }

  #settle(batch: PendingBatch, isAcknowledged: boolean): void {
    if (!this.#unacknowledged.delete(batch)) return
    if (!isAcknowledged && batch.bytes !== undefined) this.#mustBump = true
    this.#bufferedBytes -= batch.sizeBytes
    batch.settled?.resolve()
    if (this.#bufferedBytes < this.#bufferBytesMax) this.#releaseRoom()
  }

  /** A batch goes on in parts; the other partitions of its topic take no larger ones either. */
  #replace(batch: PendingBatch, parts: readonly PendingBatch[]): void {
    this.#unacknowledged.delete(batch)
    this.#bufferedBytes -= batch.sizeBytes
    for (const part of parts) {
      this.#unacknowledged.add(part)
      this.#bufferedBytes += part.sizeBytes
    }
    const { settled } = batch
    if (settled !== undefined) {
      const all = parts.map((part) => (part.settled = Promise.withResolvers()).promise)
      void Promise.all(all).then(() => settled.resolve())
    }
    const { topic, batchBytes } = batch.queue
    this.#queues.get(topic)!.forEach((queue) => {
      queue.batchBytes = Math.min(queue.batchBytes, batchBytes)
    })
  }

  #releaseRoom(): void {
    this.#room?.resolve()
    this.#room = undefined
  }

  #dropWaiting(): void {
    this.#filling.clear()
    this.#forEachQueue((queue) => {
      const filling = queue.builder
      if (filling !== undefined) this.#bufferedBytes -= filling.sizeBytes
      for (const batch of queue.dropWaiting()) this.#settle(batch, false)
    })
    this.#releaseRoom()
  }

  /** A record is lost, so nothing after it may be sent. */
  #lose(error: HeadwaterError): void {
    this.#loss ??= error
    const isOver = this.#options.transactionalId === undefined || error.code === 'fenced'
    if (isOver) this.#failure ??= error
    this.#sender.halt()
    this.#dropWaiting()
  }

  #fail(error: HeadwaterError): void {
    this.#failure ??= error
    this.#lose(error)
  }

  #assertInTransaction(doing: string): void {
    assert(this.#options.transactionalId !== undefined, `${doing} needs a transactional id`)
    assert(this.#state === 'open', `${doing} in state ${this.#state}`)
  }
}

function overtaken(): HeadwaterError {
  return new HeadwaterError(
    'config-invalid',
    'the transaction was aborted or closed while it was committed, and nothing of it counts: wait for commit first',
  )
}
