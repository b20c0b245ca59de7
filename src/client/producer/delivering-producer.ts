/**
 * Writes records one by one, each with somebody who is told what became of it, for as long as the process
 * lives: idempotent, without transactions.
 *
 * Where `Producer` ends at its first loss, this one goes on: a record that is refused, or too old, fails
 * alone. Its sequence number is missing then, so everything on its way is waited for, what cannot have been
 * stored is numbered anew under another producer id, and what may have been stored fails as unknown: sent
 * again it might be there twice (KIP-98). Records may be appended before a broker was ever reached.
 *
 *   idle --append--> starting --has a producer id--> ready --loss--> starting ...
 *
 * Batches: a record leaves once what runs now has run, unless others of its partition are on their way. Then
 * it waits until they are home or a batch is full; so one caller waits for nobody, and many share requests
 * (Nagle's rule, RFC 896).
 *
 * Bounds: `bufferBytesMax` of records that nobody was told of yet, with what is kept for each; and
 * `deliveryTimeoutMs`, after which each of them has been told.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Timer } from '../../io/ports.ts'
import type { RecordHeader } from '../../records/record.ts'
import { backoffMs, sleep } from '../cluster/backoff.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Delivery, PendingBatch } from './partition-queue.ts'
import { PartitionQueue } from './partition-queue.ts'
import { recordBytesMax } from './record-size.ts'
import { isOfProducer } from './refusal.ts'
import type { Loss } from './sender.ts'
import { lateError, Sender } from './sender.ts'
import { refill } from './split-batch.ts'
import { Transactions } from './transactions.ts'

const batchBytes = 256 * 1024
/** What a record costs beside its bytes: who is to be told, and their promise. */
const deliveryBytes = 256

export interface DeliveringOptions {
  /** Records that nobody was told of yet, with what is kept for each. */
  readonly bufferBytesMax: number
  /** After this long each record is stored, or given up. */
  readonly deliveryTimeoutMs: number
  /** Awaited before the first record leaves, and again when it failed. */
  readonly prepare: () => Promise<void>
}

type State = 'idle' | 'starting' | 'ready' | 'closed'

let nextLane = 1

export class DeliveringProducer {
  readonly #cluster: Cluster
  readonly #o: DeliveringOptions
  readonly #lane = `delivering-${nextLane++}`
  readonly #transactions: Transactions
  readonly #sender: Sender
  readonly #queues = new Map<string, PartitionQueue[]>()
  /** Queues with a batch being filled. */
  readonly #filling = new Set<PartitionQueue>()
  /** Closed batches that are not told, oldest first. */
  readonly #untold = new Set<PendingBatch>()
  /** Why a batch fails that the sender is about to give back. */
  readonly #faults = new Map<PendingBatch, HeadwaterError>()
  #state: State = 'idle'
  #isPrepared = false
  #isStarting = false
  #failure: HeadwaterError | undefined
  #heldBytes = 0
  /** New producer ids since a batch was last acknowledged. */
  #restarts = 0
  #isDrainDue = false
  #expiry: Timer | undefined
  #told: PromiseWithResolvers<void> | undefined
  #room: PromiseWithResolvers<void> | undefined

  constructor(cluster: Cluster, options: DeliveringOptions) {
    this.#cluster = cluster
    this.#o = options
    this.#transactions = new Transactions(cluster, null, 0)
    this.#sender = new Sender({
      cluster,
      lane: this.#lane,
      transactions: this.#transactions,
      compression: 'none',
      deliveryTimeoutMs: options.deliveryTimeoutMs,
      onSettled: (batch, isAcknowledged) => this.#settle(batch, isAcknowledged),
      onSplit: (batch, parts) => this.#replace(batch, parts),
      onFailure: (error, loss) => this.#lose(error, loss),
    })
    this.#sender.halt()
  }

  /**
   * Appends a record, unless there is no room for it: then false. Timestamp in ms. Throws `record-invalid` for
   * one for which there never will be.
   */
  append(
    topic: string,
    partition: number,
    timestamp: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    delivery: Delivery,
    headers?: readonly RecordHeader[],
  ): boolean {
    const sizeBytes = recordBytesMax(key, value, headers)
    if (sizeBytes + deliveryBytes > this.#o.bufferBytesMax) {
      throw overBuffer(sizeBytes + deliveryBytes, this.#o.bufferBytesMax)
    }
    if (this.#heldBytes + sizeBytes + deliveryBytes > this.#o.bufferBytesMax) return false
    const queue = this.#queues.get(topic)?.[partition] ?? this.#addQueue(topic, partition)
    if (queue.builder !== undefined && queue.builder.sizeBytes + sizeBytes > queue.batchBytes) {
      this.#closeBatch(queue)
    }
    const before = queue.builder?.sizeBytes ?? 0
    if (queue.builder === undefined) this.#openBatch(queue)
    const builder = queue.openBuilder()
    builder.append(timestamp, key, value, headers)
    queue.deliveries!.push(delivery)
    this.#heldBytes += builder.sizeBytes - before + deliveryBytes
    this.#drainSoon()
    if (this.#state === 'idle') this.#startOver()
    return true
  }

  /** Resolves when there is room for more. */
  async room(): Promise<void> {
    this.#room ??= Promise.withResolvers()
    await this.#room.promise
  }

  /** Resolves when every record appended so far, and since, has been told. */
  async told(): Promise<void> {
    if (this.#untold.size === 0 && this.#filling.size === 0) return
    this.#told ??= Promise.withResolvers()
    await this.#told.promise
  }

  /** Fails what is left with `error`, and gives the connections back. Nothing may be appended any more. */
  close(error: HeadwaterError): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#sender.halt()
    this.#failAll(error)
    this.#room?.resolve()
    this.#expiry?.cancel()
    this.#cluster.closeLane(this.#lane)
  }

  #addQueue(topic: string, partition: number): PartitionQueue {
    let queues = this.#queues.get(topic)
    if (queues === undefined) this.#queues.set(topic, (queues = []))
    const bytes = queues.find((queue) => queue !== undefined)?.batchBytes ?? batchBytes
    return (queues[partition] ??= new PartitionQueue(topic, partition, bytes))
  }

  #forEachQueue(visit: (queue: PartitionQueue) => void): void {
    for (const queues of this.#queues.values()) queues.forEach(visit)
  }

  #openBatch(queue: PartitionQueue): void {
    queue.deliveries = []
    queue.openedAt = this.#cluster.clock.monotonic()
    this.#filling.add(queue)
    this.#expireLater()
  }

  #closeBatch(queue: PartitionQueue): void {
    const batch = queue.closeBuilder(queue.openedAt)
    this.#filling.delete(queue)
    if (batch === undefined) return
    this.#untold.add(batch)
    this.#sender.add(queue)
  }

  #drainSoon(): void {
    if (this.#isDrainDue) return
    this.#isDrainDue = true
    this.#cluster.clock.soon(() => {
      this.#isDrainDue = false
      this.#drain()
    })
  }

  /** Closes the batches that may leave now: of a partition that is busy, they go on being filled. */
  #drain(): void {
    if (this.#state !== 'ready') return
    for (const queue of this.#filling) {
      if (queue.waiting.length === 0 && queue.inFlight.length === 0) this.#closeBatch(queue)
    }
    this.#sender.drain()
  }

  #settle(batch: PendingBatch, isAcknowledged: boolean): void {
    const fault = this.#faults.get(batch)
    this.#faults.delete(batch)
    if (isAcknowledged) {
      this.#restarts = 0
      this.#release(batch)
    } else if (fault !== undefined) this.#fail(batch, fault)
    else if (batch.isUncertain || batch.deliveries === undefined) {
      this.#fail(batch, overtakenError(batch))
    } else batch.queue.putBack(batch)
    if (this.#state === 'ready') this.#drainSoon()
    else this.#startWhenHome()
  }

  /** A batch is told and gone. */
  #release(batch: PendingBatch): void {
    this.#untold.delete(batch)
    this.#heldBytes -= batch.sizeBytes + batch.recordCount * deliveryBytes
    if (this.#heldBytes < this.#o.bufferBytesMax) {
      this.#room?.resolve()
      this.#room = undefined
    }
    if (this.#untold.size > 0 || this.#filling.size > 0) return
    this.#told?.resolve()
    this.#told = undefined
  }

  /** Tells of a batch that is neither stored nor refused. One on its way is kept count of until it is home. */
  #giveUp(batch: PendingBatch, error: HeadwaterError): void {
    if (!batch.queue.inFlight.includes(batch)) return this.#fail(batch, error)
    this.#tell(batch, error, true)
    this.#heldBytes += batch.sizeBytes + batch.recordCount * deliveryBytes
    this.#release(batch)
  }

  #fail(batch: PendingBatch, error: HeadwaterError): void {
    const { queue } = batch
    const at = queue.waiting.indexOf(batch)
    if (at >= 0) queue.waiting.splice(at, 1)
    this.#tell(batch, error, batch.isUncertain)
    this.#release(batch)
  }

  #tell(batch: PendingBatch, error: HeadwaterError, isUnknown: boolean): void {
    const { deliveries } = batch
    batch.deliveries = undefined
    for (const delivery of deliveries ?? []) delivery.failed(error, isUnknown)
  }

  #replace(batch: PendingBatch, parts: readonly PendingBatch[]): void {
    for (const part of parts) {
      this.#untold.add(part)
      this.#heldBytes += part.sizeBytes + part.recordCount * deliveryBytes
    }
    this.#release(batch)
    const { topic, batchBytes: most } = batch.queue
    this.#queues.get(topic)!.forEach((queue) => {
      queue.batchBytes = Math.min(queue.batchBytes, most)
    })
  }

  #lose(error: HeadwaterError, loss?: Loss): void {
    if (loss !== undefined && 'queue' in loss) return this.#failQueue(loss.queue, error)
    const isForgotten = loss?.code !== undefined && isOfProducer(loss.code)
    // What only its number was wrong with is numbered anew.
    if (loss !== undefined && !(isForgotten && !loss.batch.isUncertain)) {
      this.#faults.set(loss.batch, error)
    }
    this.#startOver()
  }

  /** There is no such partition, or it may not be written to. */
  #failQueue(queue: PartitionQueue, error: HeadwaterError): void {
    if (queue.builder !== undefined) this.#closeBatch(queue)
    const dropped = queue.dropWaiting()
    for (const batch of dropped) this.#fail(batch, error)
    // It is looked for anew by the next record.
    queue.isPlaceStale = true
    if (dropped.some(({ bytes }) => bytes !== undefined)) this.#startOver()
  }

  #failAll(error: HeadwaterError): void {
    for (const queue of this.#filling) this.#closeBatch(queue)
    for (const batch of this.#untold) this.#giveUp(batch, error)
  }

  /** Sends nothing until all that is on its way is home, then begins under a new producer id. */
  #startOver(): void {
    if (this.#state === 'starting' || this.#state === 'closed') return
    this.#state = 'starting'
    this.#sender.halt()
    this.#cluster.clock.soon(() => this.#startWhenHome())
  }

  #startWhenHome(): void {
    if (this.#state !== 'starting' || this.#isStarting) return
    let isHome = true
    this.#forEachQueue(({ inFlight }) => (isHome &&= inFlight.length === 0))
    if (!isHome) return
    for (const batch of this.#untold)
      if (batch.isUncertain) this.#fail(batch, overtakenError(batch))
    this.#isStarting = true
    void this.#start().finally(() => (this.#isStarting = false))
  }

  async #start(): Promise<void> {
    const { clock, random } = this.#cluster
    // A broker that refuses each new producer id is not asked for the next at once.
    if (this.#restarts++ > 0) await sleep(clock, backoffMs(this.#restarts, random))
    for (let attempt = 1; this.#state === 'starting'; attempt++) {
      try {
        if (!this.#isPrepared) await this.#o.prepare()
        this.#isPrepared = true
        await this.#transactions.init()
        return this.#resume()
      } catch (error) {
        if (!isHeadwaterError(error)) throw error
        if (this.#state !== 'starting') return
        this.#failure = error
        if (!error.retriable) this.#failAll(error)
        const isNeeded = this.#untold.size > 0 || this.#filling.size > 0
        if (isNeeded) await sleep(clock, backoffMs(attempt, random))
        else this.#state = 'idle'
      }
    }
  }

  #resume(): void {
    if (this.#state !== 'starting') return
    this.#forEachQueue((queue) => {
      queue.resetSequence()
      // What held it back was the batch that is given up, and those after it have less time left.
      queue.isPaused = false
      queue.attempt = 0
      for (const batch of queue.waiting) {
        if (batch.bytes !== undefined) batch.builder ??= refill(batch.bytes)
        batch.bytes = undefined
      }
      if (queue.waiting.length > 0) this.#sender.add(queue)
    })
    this.#failure = undefined
    this.#state = 'ready'
    this.#sender.resume()
    this.#drain()
  }

  /** Looks again when the oldest record there is now becomes too old. */
  #expireLater(): void {
    if (this.#expiry !== undefined) return
    const { clock } = this.#cluster
    const delayMs = this.#oldest() + this.#o.deliveryTimeoutMs - clock.monotonic()
    if (delayMs === Infinity) return
    this.#expiry = clock.after(Math.max(1, delayMs), () => {
      this.#expiry = undefined
      this.#expire()
      this.#expireLater()
    })
  }

  #oldest(): number {
    let oldest = Infinity
    for (const { since } of this.#untold) oldest = Math.min(oldest, since)
    for (const { openedAt } of this.#filling) oldest = Math.min(oldest, openedAt)
    return oldest
  }

  #expire(): void {
    const latest = this.#cluster.clock.monotonic() - this.#o.deliveryTimeoutMs
    for (const queue of this.#filling) if (queue.openedAt <= latest) this.#closeBatch(queue)
    let hasGap = false
    for (const batch of this.#untold) {
      if (batch.since > latest) continue
      const error = lateError(batch.queue.failure ?? this.#failure ?? noAnswer())
      const isOnItsWay = batch.queue.inFlight.includes(batch)
      hasGap ||= batch.bytes !== undefined && !isOnItsWay
      this.#giveUp(batch, error)
    }
    if (hasGap) this.#startOver()
    this.#drainSoon()
  }
}

function overBuffer(bytes: number, bufferBytesMax: number): HeadwaterError {
  return new HeadwaterError(
    'record-invalid',
    `it takes ${bytes} bytes, and all that wait for the broker may take ${bufferBytesMax}: make it smaller, or raise bufferBytesMax`,
  )
}

function overtakenError({ queue }: PendingBatch): HeadwaterError {
  const cause = queue.failure ?? noAnswer()
  return new HeadwaterError(
    'connection-lost',
    `the answer of the broker was lost, and another record had to be given up before it could be asked again: ${cause.message}`,
    { cause },
  )
}

function noAnswer(): HeadwaterError {
  return new HeadwaterError('timeout', 'the broker has not answered yet', { retriable: true })
}
