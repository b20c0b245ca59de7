/**
 * What a log remembers of its idempotent producers: epoch, last five batches, open transaction
 * (KIP-98, KIP-360, KIP-890).
 *
 * `judge` says what a batch would do and changes nothing; `apply` takes it in, in the order of the log,
 * from a producer now or from the journal after a crash. So the state is a fold of the log, and a retry
 * after a restart is recognised like one before it.
 *
 * Sequences count records and wrap from 2^31 - 1 to 0. Whether transactions hold readers back is
 * `transaction-index.ts`.
 */
import type { Reader, Writer } from '../../base/bytes.ts'
import type { Instant } from '../../base/instant.ts'
import { isControl, isTransactional, type BatchHeader } from '../../records/batch.ts'

/** Batches remembered for each producer: a client has at most this many in flight. */
const rememberedBatchesMax = 5
const sequenceCount = 0x8000_0000
/** Producers that one log remembers; the one unused longest makes room. About 600 bytes each. */
export const producersMax = 5_000
/** With fewer, nobody minds in which order they were used. */
const unorderedMax = 500

interface ProducerBatch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly firstOffset: number
  readonly lastOffset: number
}

export interface Producer {
  readonly producerId: number
  epoch: number
  /** Newest last. Empty after a marker that moved the epoch on. */
  batches: ProducerBatch[]
  /** Wall clock of the last append: timestamps in batches may be years old. */
  usedAt: number
  /** Monotonic clock of the last append; unknown for one before this start until `expire` has looked. */
  usedMs: number | undefined
  /** First offset of the open transaction, or -1. */
  transactionStart: number
}

/** When a batch was taken in; by the monotonic clock only if this process did it. */
export interface AppendTime {
  readonly appendedAt: number
  readonly monotonicMs: number | undefined
}

export type Refusal = 'out-of-order-sequence' | 'invalid-producer-epoch' | 'duplicate-sequence'
export type Verdict = 'accept' | Refusal | ProducerBatch

export class Producers {
  readonly #producers = new Map<number, Producer>()

  get(producerId: number): Producer | undefined {
    return this.#producers.get(producerId)
  }

  all(): Iterable<Producer> {
    return this.#producers.values()
  }

  /** The earlier batch when this one is a retry; otherwise whether the log may take it. */
  judge(header: BatchHeader): Verdict {
    if (header.producerId < 0) return 'accept'
    const producer = this.#producers.get(header.producerId)
    if (producer === undefined) return 'accept'
    if (header.producerEpoch < producer.epoch) return 'invalid-producer-epoch'
    if (isControl(header.attributes)) return 'accept'
    const last = producer.batches.at(-1)
    if (header.producerEpoch > producer.epoch || last === undefined) {
      return header.baseSequence === 0 ? 'accept' : 'out-of-order-sequence'
    }
    const lastSequence = sequenceAfter(header.baseSequence, header.lastOffsetDelta)
    for (const batch of producer.batches) {
      if (batch.firstSequence === header.baseSequence && batch.lastSequence === lastSequence) {
        return batch
      }
    }
    if (header.baseSequence === sequenceAfter(last.lastSequence, 1)) return 'accept'
    return isBehind(lastSequence, last.lastSequence)
      ? 'duplicate-sequence'
      : 'out-of-order-sequence'
  }

  /** Takes in a batch that stands in the log at `header.baseOffset`; the producer, if it has one. */
  apply(header: BatchHeader, baseOffset: number, at: AppendTime): Producer | undefined {
    if (header.producerId < 0) return undefined
    let producer = this.#producers.get(header.producerId)
    if (producer === undefined) {
      producer = {
        producerId: header.producerId,
        epoch: header.producerEpoch,
        batches: [],
        usedAt: at.appendedAt,
        usedMs: at.monotonicMs,
        transactionStart: -1,
      }
      this.#makeRoom()
      this.#producers.set(header.producerId, producer)
    } else if (this.#producers.size > unorderedMax) {
      this.#producers.delete(header.producerId)
      this.#producers.set(header.producerId, producer)
    }
    if (header.producerEpoch !== producer.epoch) {
      producer.epoch = header.producerEpoch
      producer.batches = []
    }
    producer.usedAt = at.appendedAt
    producer.usedMs = at.monotonicMs
    if (isControl(header.attributes)) {
      producer.transactionStart = -1
      return producer
    }
    producer.batches.push({
      firstSequence: header.baseSequence,
      lastSequence: sequenceAfter(header.baseSequence, header.lastOffsetDelta),
      firstOffset: baseOffset,
      lastOffset: baseOffset + header.lastOffsetDelta,
    })
    if (producer.batches.length > rememberedBatchesMax) producer.batches.shift()
    if (isTransactional(header.attributes) && producer.transactionStart === -1) {
      producer.transactionStart = baseOffset
    }
    return producer
  }

  /**
   * Forgets the one unused longest, when there are too many; never one with an open transaction. A retry
   * of it that is still to come would be taken for new, as after Kafka's `producer.id.expiration.ms`.
   */
  #makeRoom(): void {
    if (this.#producers.size < producersMax) return
    for (const { producerId, transactionStart } of this.#producers.values()) {
      if (transactionStart !== -1) continue
      this.#producers.delete(producerId)
      return
    }
  }

  /** Forgets producers idle for longer than `idleMsMax`; never one with an open transaction. How long one
   * was idle over a restart, the wall clock tells; else it may be set without anyone being forgotten. */
  expire({ monotonicMs, wallMs }: Instant, idleMsMax: number): void {
    for (const producer of this.#producers.values()) {
      producer.usedMs ??= monotonicMs - Math.max(0, wallMs - producer.usedAt)
      if (monotonicMs - producer.usedMs > idleMsMax && producer.transactionStart === -1) {
        this.#producers.delete(producer.producerId)
      }
    }
  }

  encode(writer: Writer): void {
    writer.int32(this.#producers.size)
    for (const producer of this.#producers.values()) {
      writer.int64(producer.producerId)
      writer.int16(producer.epoch)
      writer.int64(producer.usedAt)
      writer.int64(producer.transactionStart)
      writer.uint8(producer.batches.length)
      for (const batch of producer.batches) {
        writer.int32(batch.firstSequence)
        writer.int32(batch.lastSequence)
        writer.int64(batch.firstOffset)
        writer.int64(batch.lastOffset)
      }
    }
  }

  static decode(reader: Reader): Producers {
    const producers = new Producers()
    for (let left = reader.int32(); left > 0; left--) {
      const producer: Producer = {
        producerId: reader.int64(),
        epoch: reader.int16(),
        usedAt: reader.int64(),
        usedMs: undefined,
        transactionStart: reader.int64(),
        batches: [],
      }
      for (let batches = reader.uint8(); batches > 0; batches--) {
        producer.batches.push({
          firstSequence: reader.int32(),
          lastSequence: reader.int32(),
          firstOffset: reader.int64(),
          lastOffset: reader.int64(),
        })
      }
      producers.#producers.set(producer.producerId, producer)
    }
    return producers
  }
}

function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % sequenceCount
}

/** Whether `sequence` lies at or before `last` on the ring of sequences, by the shorter way round. */
function isBehind(sequence: number, last: number): boolean {
  return (last - sequence + sequenceCount) % sequenceCount < sequenceCount / 2
}
