/**
 * What a producer holds for one partition: a batch being filled, batches waiting, batches on their way.
 *
 * Order is the invariant: batches leave in the order they were filled, and one that comes back goes in
 * front of everything filled after it. A sequence number is given when a batch is first sent and stays
 * with it, so that the broker recognises a repetition (KIP-98).
 */
import type { HeadwaterError } from '../../base/errors.ts'
import { BatchBuilder } from '../../records/record.ts'

/** Sequence numbers of a partition count records and wrap here. */
export const sequenceLimit = 0x8000_0000
/** Of each producer, a broker remembers this many batches in a partition to recognise repetitions. */
const batchesRemembered = 5
const firstBuilderBytes = 4 * 1024

/** Told, once, what became of a record. */
export interface Delivery {
  /** It is stored for good. `offset` is -1 when the broker has forgotten where, long after it took it. */
  delivered(partition: number, offset: number): void
  /** It is given up. @param isUnknown whether it may be stored nevertheless */
  failed(error: HeadwaterError, isUnknown: boolean): void
}

export interface PendingBatch {
  readonly queue: PartitionQueue
  /** Grows with every batch of the partition; those behind a batch that is split move on. */
  order: number
  readonly recordCount: number
  /** Bytes as they were filled, header included, before compression. */
  readonly sizeBytes: number
  /** What encodes the batch; undefined when it is part of another one that was encoded. */
  builder: BatchBuilder | undefined
  /** `Clock.monotonic` when it was closed, or its first record came. */
  readonly since: number
  /** One for each record; undefined when nobody wants to be told. */
  deliveries: readonly Delivery[] | undefined
  /** It left once and nobody knows whether it arrived. */
  isUncertain: boolean
  /** The encoded batch, once it has been sent. */
  bytes: Uint8Array | undefined
  /** Set by who wants to know that it is acknowledged or given up. */
  settled: PromiseWithResolvers<void> | undefined
}

export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  /** A batch leaves when it is this large; less than the producer's once the topic refused that. */
  batchBytes: number
  builder: BatchBuilder | undefined
  /** Who is to be told of the records of the batch being filled, one for each. */
  deliveries: Delivery[] | undefined
  /** `Clock.monotonic` when the batch being filled was begun, for who asks how old its records are. */
  openedAt = 0
  /** Why a batch of it last came back. */
  failure: HeadwaterError | undefined
  /** In order; those that were sent before have bytes. */
  readonly waiting: PendingBatch[] = []
  readonly inFlight: PendingBatch[] = []
  /** A batch failed: nothing more is sent until all in flight are back, so that order is kept. */
  isRecovering = false
  /** What the cluster said about the leader turned out wrong. */
  isPlaceStale = false
  /** The broker has a batch of this producer epoch. A log that has none takes any sequence number for
   * the first, so the first batch goes alone: one behind it must not arrive before it. */
  isKnown = false
  /** When it last said so, monotonic ms. */
  acknowledgedAt = 0
  /** Held back for a moment after a failure. */
  isPaused = false
  attempt = 0
  #nextOrder = 0
  #nextSequence = 0
  #builderBytes = firstBuilderBytes

  constructor(topic: string, partition: number, batchBytes: number) {
    this.topic = topic
    this.partition = partition
    this.batchBytes = batchBytes
  }

  /** The batch being filled. It starts a little larger than the last one became: a busy partition
   * never moves a batch to larger bytes, and a quiet one does not claim what it will not fill. */
  openBuilder(): BatchBuilder {
    this.builder ??= new BatchBuilder(Math.min(this.batchBytes, this.#builderBytes))
    return this.builder
  }

  /** Ends the batch being filled and puts it in line. */
  closeBuilder(now: number): PendingBatch | undefined {
    const builder = this.builder
    if (builder === undefined) return undefined
    const { deliveries } = this
    this.builder = undefined
    this.deliveries = undefined
    this.#builderBytes = Math.max(firstBuilderBytes, builder.sizeBytes * 1.25)
    const batch: PendingBatch = {
      queue: this,
      order: this.#nextOrder++,
      recordCount: builder.count,
      sizeBytes: builder.sizeBytes,
      builder,
      since: now,
      deliveries,
      isUncertain: false,
      bytes: undefined,
      settled: undefined,
    }
    this.waiting.push(batch)
    return batch
  }

  /** The sequence number of a batch of `recordCount` records that is sent now for the first time. */
  takeSequence(recordCount: number): number {
    const sequence = this.#nextSequence
    this.#nextSequence = (sequence + recordCount) % sequenceLimit
    return sequence
  }

  /** A new producer epoch counts from 0. Nothing of the old one may be waiting or in flight. */
  resetSequence(): void {
    this.#nextSequence = 0
    this.isRecovering = false
    this.isKnown = false
  }

  /** The broker may have forgotten the producer when nothing was acknowledged since. */
  forget(beforeMs: number): void {
    if (this.inFlight.length === 0 && this.acknowledgedAt < beforeMs) this.isKnown = false
  }

  /** Puts a batch that came back in line again, before those filled later. */
  putBack(batch: PendingBatch): void {
    this.leave(batch)
    let at = 0
    while (at < this.waiting.length && this.waiting[at]!.order < batch.order) at++
    this.waiting.splice(at, 0, batch)
    this.isRecovering = this.inFlight.length > 0
  }

  /**
   * Puts parts in the place of a batch that came back. They have its sequence numbers, so those behind
   * it keep theirs. How far a batch behind may lie from the oldest one is counted in orders: those are
   * spread, never closed up, because batches between two may have been acknowledged.
   */
  putParts(batch: PendingBatch, parts: readonly PendingBatch[]): void {
    this.leave(batch)
    const added = parts.length - 1
    for (const other of [...this.waiting, ...this.inFlight]) {
      if (other.order > batch.order) other.order += added
    }
    this.#nextOrder += added
    for (const part of parts) this.putBack(part)
  }

  /** A batch is no longer in flight. */
  leave(batch: PendingBatch): void {
    const at = this.inFlight.indexOf(batch)
    if (at >= 0) this.inFlight.splice(at, 1)
    if (this.inFlight.length === 0) this.isRecovering = false
  }

  /** Whether the next batch may go now. Behind the oldest one that is not acknowledged there are never
   * more than the broker remembers, or a repetition of it would be taken for a gap. */
  isSendable(): boolean {
    if (this.isRecovering || this.isPaused) return false
    const next = this.waiting[0]
    const oldest = this.inFlight[0]
    if (next === undefined || oldest === undefined) return next !== undefined
    return this.isKnown && next.order - oldest.order < batchesRemembered
  }

  /** Whether a batch filled before this one has yet to be acknowledged. */
  hasEarlier(batch: PendingBatch): boolean {
    const isEarlier = (other: PendingBatch): boolean => other.order < batch.order
    return this.waiting.some(isEarlier) || this.inFlight.some(isEarlier)
  }

  /** Takes out everything that is not in flight. */
  dropWaiting(): PendingBatch[] {
    this.builder = undefined
    this.deliveries = undefined
    return this.waiting.splice(0)
  }
}
