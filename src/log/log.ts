/**
 * One log: a partition, or the changes of a coordinator. Batches in, batches out, by offset.
 *
 *   start offset ≤ last stable offset ≤ high watermark ≤ end offset
 *                                       written offset ≤ end offset
 *
 * `append` takes effect in memory at once and is acknowledged by its group of the journal; readers see
 * nothing past the high watermark, which moves when the group is as durable as the store promises. So
 * no one acts on bytes that a power cut could take back. Batches travel from memory to segment files
 * later, behind the journal; a read finds them in memory while they are young.
 *
 * The log trusts that a batch was checked, and knows nothing of topics, acks or Kafka's error codes.
 */
import { assert } from '../base/errors.ts'
import type { Instant } from '../base/instant.ts'
import {
  nextOffsetOf,
  readBatchHeader,
  stampBatch,
  stampLogAppendTime,
  type BatchHeader,
} from '../records/batch.ts'
import type { LogCheckpoint, LogConfig, LogIdentity } from './identity.ts'
import type { EpochEnd } from './state/epochs.ts'
import type { LogState, Moment } from './state/log-state.ts'
import type { Producer, Refusal } from './state/producers.ts'
import type { Segments } from './segments/segments.ts'
import { Tail } from './segments/tail.ts'
import { firstOfLargest, firstSince, type Stretch } from './segments/times.ts'
import type { AbortedTransaction } from './state/transaction-index.ts'

export type AppendResult =
  | {
      readonly kind: 'appended' | 'duplicate'
      readonly baseOffset: number
      readonly lastOffset: number
      /** Resolves when the batch is as durable as the store promises; rejects when it never will be. */
      readonly durable: Promise<void>
    }
  | { readonly kind: 'refused'; readonly reason: Refusal }

/** What a log needs of its store. */
export interface LogHost {
  leaderEpoch(): number
  /** True when an append counts at once: durability `memory`. */
  readonly acceptedIsDurable: boolean
  now(): Instant
  /** Settles when others had their turn. */
  nextTurn(): Promise<void>
  /** Throws when the store takes nothing more: closed, or its disk failed. */
  assertWritable(): void
  /** Queues a batch for the journal. */
  submit(log: Log, batch: Uint8Array, header: BatchHeader, baseOffset: number): Promise<void>
  /** Settles when all that was submitted so far is durable. */
  settled(): Promise<void>
  /** The high watermark moved outside a group; listeners are to be told soon. */
  advanced(log: Log): void
  /** `batches` more of the log, up to `nextOffset`, are in segment files. */
  written(log: Log, nextOffset: number, batches: number, bytes: number): void
  /** Makes a new start offset durable and then removes what lies before it. */
  submitStart(log: Log, offset: number): Promise<void>
}

const settledAlready: Promise<void> = Promise.resolve()

export class Log {
  readonly name: string
  readonly number: number
  readonly config: LogConfig
  readonly #host: LogHost
  readonly #segments: Segments
  readonly #state: LogState
  readonly #tail: Tail
  readonly #listeners = new Set<() => void>()
  /** Below: in the journal. */
  #journaledOffset: number
  /** Below: in segment files. */
  #writtenOffset: number
  #highWatermark: number
  #unwrittenBytes = 0
  #deleted = false

  constructor(
    host: LogHost,
    identity: LogIdentity,
    segments: Segments,
    state: LogState,
    writtenOffset: number,
  ) {
    this.#host = host
    this.name = identity.name
    this.number = identity.number
    this.config = identity.config
    this.#segments = segments
    this.#state = state
    this.#tail = new Tail(writtenOffset)
    this.#journaledOffset = writtenOffset
    this.#writtenOffset = writtenOffset
    this.#highWatermark = writtenOffset
  }

  /** The first offset that can be read. */
  get startOffset(): number {
    return this.#state.startOffset
  }

  /** The offset of the next batch; batches before it may not be durable yet. */
  get endOffset(): number {
    return this.#tail.endOffset
  }

  /** Readers see nothing at or past it. */
  get highWatermark(): number {
    return this.#highWatermark
  }

  /** `read_committed` readers see nothing at or past it: the first transaction still undecided. */
  get lastStableOffset(): number {
    const { transactions, startOffset } = this.#state
    const first = transactions.firstUnstable(this.#highWatermark)
    return Math.max(startOffset, Math.min(first, this.#highWatermark))
  }

  get leaderEpoch(): number {
    return this.#host.leaderEpoch()
  }

  get sizeBytes(): number {
    return this.config.volatile === true
      ? this.#tail.sizeBytes
      : this.#segments.sizeBytes + this.#unwrittenBytes
  }

  get isDeleted(): boolean {
    return this.#deleted
  }

  /**
   * Takes one checked batch, whose bytes are the log's from now on. Synchronous: sequence check, offset,
   * queue. Throws when the store cannot take it (`disk-full`, `disk-failed`, `broker-closed`).
   * @param o.header the batch's own, from who has read it already
   * @param o.logAppendTime stamped on the batch and all its records (ms)
   */
  append(
    batch: Uint8Array,
    o: { header?: BatchHeader; logAppendTime?: number } = {},
  ): AppendResult {
    this.#host.assertWritable()
    assert(!this.#deleted, `append to ${this.name}, which was deleted`)
    let header = o.header ?? readBatchHeader(batch)
    assert(header.sizeBytes === batch.length, 'an append takes exactly one whole batch')
    const verdict = this.#state.producers.judge(header)
    if (typeof verdict === 'object') {
      const durable = verdict.lastOffset < this.#highWatermark
      return {
        kind: 'duplicate',
        baseOffset: verdict.firstOffset,
        lastOffset: verdict.lastOffset,
        durable: durable ? settledAlready : this.#host.settled(),
      }
    }
    if (verdict !== 'accept') return { kind: 'refused', reason: verdict }
    if (o.logAppendTime !== undefined) {
      header = stampLogAppendTime(batch, header, o.logAppendTime)
    }
    const baseOffset = this.endOffset
    const { leaderEpoch } = this
    stampBatch(batch, baseOffset, leaderEpoch)
    const { wallMs: appendedAt, monotonicMs } = this.#host.now()
    this.#take(batch, header, baseOffset, { appendedAt, monotonicMs, leaderEpoch })
    const durable = this.#store(batch, header, baseOffset)
    const lastOffset = baseOffset + header.lastOffsetDelta
    return { kind: 'appended', baseOffset, lastOffset, durable }
  }

  /**
   * Whole stored batches from the one that holds `from`, begun before `upTo`, of at most `maxBytes`;
   * the first is given even if larger when `minOneBatch`. The bytes must not be changed. From memory at
   * once, else from disk. `data-corrupt` when stored bytes are damaged.
   */
  read(
    from: number,
    o: { maxBytes: number; upTo: number; minOneBatch: boolean },
  ): Promise<Uint8Array[]> | Uint8Array[] {
    const upTo = Math.min(o.upTo, this.#highWatermark)
    if (from >= upTo || from < this.startOffset) return []
    if (from >= this.#tail.startOffset) {
      return this.#tail.read(from, upTo, o.maxBytes, o.minOneBatch)
    }
    return this.#readOld(from, upTo, o.maxBytes, o.minOneBatch)
  }

  /** From segments, and on in memory where that begins. */
  async #readOld(
    from: number,
    upTo: number,
    maxBytes: number,
    minOneBatch: boolean,
  ): Promise<Uint8Array[]> {
    const found = await this.#segments.read(from, upTo, maxBytes, minOneBatch)
    this.#state.epochs.restamp(found)
    const last = found.at(-1)
    if (last === undefined) return found
    const next = nextOffsetOf(readBatchHeader(last))
    if (next < this.#tail.startOffset || next >= upTo) return found
    const left = found.reduce((rest, batch) => rest - batch.length, maxBytes)
    return left > 0 ? [...found, ...this.#tail.read(next, upTo, left, false)] : found
  }

  /** Bytes that a reader finds from `from`, where a batch begins, up to `upTo`, told without reading;
   * Infinity when they are not all in memory. */
  bytesBetween(from: number, upTo: number): number {
    if (from >= upTo) return 0
    return from < this.#tail.startOffset ? Infinity : this.#tail.bytesBetween(from, upTo)
  }

  /** The first record, by offset, whose timestamp is at least `timestamp` (ms), where a batch that is
   * looked into unfolds to no more than it may. */
  async offsetForTimestamp(timestamp: number, unfoldedBytesMax?: number) {
    return await firstSince(this.#readable(unfoldedBytesMax), timestamp)
  }

  /** The first record with the largest timestamp, likewise; undefined when nothing can be read. */
  async maxTimestamp(unfoldedBytesMax?: number) {
    return await firstOfLargest(this.#readable(unfoldedBytesMax), this.#writtenOffset)
  }

  /** Moves the start up to `offset`, which is at most the high watermark; durable, whoever asked for it first. */
  async deleteBefore(offset: number): Promise<void> {
    this.#host.assertWritable()
    assert(offset <= this.#highWatermark, `delete past the high watermark of ${this.name}`)
    if (offset <= this.startOffset) return await this.#host.settled()
    this.#setStart(offset)
    if (this.config.volatile !== true) await this.#host.submitStart(this, offset)
  }

  /** Where a leader epoch ended: OffsetForLeaderEpoch's answer, -1 and -1 when unknown. */
  epochEnd(leaderEpoch: number): EpochEnd {
    return this.#state.epochs.endOf(leaderEpoch, this.leaderEpoch, this.#highWatermark)
  }

  /** Aborted transactions with batches in `[from, to)`. */
  abortedBetween(from: number, to: number): readonly AbortedTransaction[] {
    return this.#state.transactions.abortedBetween(from, to)
  }

  producerState(producerId: number): Readonly<Producer> | undefined {
    return this.#state.producers.get(producerId)
  }

  producerStates(): readonly Readonly<Producer>[] {
    return [...this.#state.producers.all()]
  }

  /** Calls `listener` whenever the high watermark or the last stable offset moved, or the log was deleted,
   * until the returned function is called. */
  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Reads and checks every stored batch; throws `data-corrupt` at the first bad one. */
  async verify(): Promise<void> {
    await this.#segments.verify()
  }

  // The store's side: called by the rooms of `store` only.

  get segments(): Segments {
    return this.#segments
  }

  /** Bytes that are not in segment files yet. */
  get unwrittenBytes(): number {
    return this.#unwrittenBytes
  }

  /** The journal holds everything before `nextOffset`. */
  journaled(nextOffset: number): void {
    this.#journaledOffset = nextOffset
    if (!this.#host.acceptedIsDurable) this.#advance(nextOffset)
  }

  compact(baseOffset: number): void {
    this.#tail.compact(baseOffset)
  }

  tellListeners(): void {
    for (const listener of this.#listeners) listener()
  }

  /** Writes what the journal holds to segment files. One call at a time. */
  async writeOut(): Promise<void> {
    if (this.#deleted || this.#journaledOffset <= this.#writtenOffset) return
    const batches = this.#tail.between(this.#writtenOffset, this.#journaledOffset)
    await this.#segments.append(batches, (nextOffset, count, bytes) => {
      this.#writtenOffset = nextOffset
      this.#unwrittenBytes -= bytes
      this.#host.written(this, nextOffset, count, bytes)
    })
  }

  /** Gives up the memory of written batches before `offset`. */
  forgetBefore(offset: number): void {
    this.#tail.forgetBefore(Math.min(offset, this.#writtenOffset))
  }

  /** Forgets who has written nothing for longer than `idleMsMax`. */
  expireProducers(idleMsMax: number): void {
    this.#state.producers.expire(this.#host.now(), idleMsMax)
  }

  /** What the checkpoint is to say, once everything appended so far is durable. */
  checkpointLine(): LogCheckpoint {
    const { name, number, config } = this
    const unwritten = this.#tail.between(this.#writtenOffset, this.#journaledOffset)
    return {
      name,
      number,
      config,
      state: this.#state.encode(),
      writtenOffset: this.#writtenOffset,
      extents: this.#segments.extents,
      carried: unwritten.map(({ bytes }) => bytes),
    }
  }

  /** Takes the next batch that the checkpoint carried; its state knows it already. */
  restore(batch: Uint8Array): void {
    this.#hold(batch, readBatchHeader(batch))
    this.#advance(this.endOffset)
  }

  /** From now on the log takes and writes nothing. */
  markDeleted(): void {
    this.#deleted = true
    this.tellListeners()
  }

  /** Takes a batch from the journal after a restart, unless segments or checkpoint have it already. */
  replay(batch: Uint8Array, header: BatchHeader, appendedAt: number): void {
    const { partitionLeaderEpoch: leaderEpoch } = header
    const moment: Moment = { appendedAt, monotonicMs: undefined, leaderEpoch }
    if (header.baseOffset >= this.endOffset) {
      assert(header.baseOffset === this.endOffset, `a hole in the journal of ${this.name}`)
      this.#hold(batch, header)
    }
    if (header.baseOffset >= this.#state.endOffset) {
      this.#state.apply(batch, header, header.baseOffset, moment)
    }
    this.#advance(this.endOffset)
  }

  replayStart(offset: number): void {
    if (offset > this.startOffset) this.#setStart(offset)
  }

  #hold(batch: Uint8Array, header: BatchHeader): void {
    this.#tail.push(batch, header.baseOffset, nextOffsetOf(header), header.maxTimestamp)
    this.#unwrittenBytes += batch.length
    this.#journaledOffset = this.endOffset
  }

  #take(batch: Uint8Array, header: BatchHeader, baseOffset: number, moment: Moment): void {
    const nextOffset = baseOffset + header.lastOffsetDelta + 1
    this.#state.apply(batch, header, baseOffset, moment)
    this.#tail.push(batch, baseOffset, nextOffset, header.maxTimestamp)
  }

  #store(batch: Uint8Array, header: BatchHeader, baseOffset: number): Promise<void> {
    if (this.config.volatile === true) {
      this.#advance(this.endOffset)
      this.#host.advanced(this)
      return settledAlready
    }
    this.#unwrittenBytes += batch.length
    const durable = this.#host.submit(this, batch, header, baseOffset)
    if (!this.#host.acceptedIsDurable) return durable
    this.#advance(this.endOffset)
    this.#host.advanced(this)
    return settledAlready
  }

  #advance(highWatermark: number): void {
    this.#highWatermark = highWatermark
    if (!this.#state.transactions.isEmpty) this.#state.transactions.settle(highWatermark)
  }

  #setStart(offset: number): void {
    this.#state.startOffset = offset
    this.#state.transactions.forgetBefore(offset)
    if (this.config.volatile === true) this.#tail.forgetBefore(offset)
  }

  #readable(unfoldedBytesMax = Infinity): Stretch {
    const { startOffset: from, highWatermark: upTo } = this
    const nextTurn = (): Promise<void> => this.#host.nextTurn()
    return { segments: this.#segments, tail: this.#tail, from, upTo, unfoldedBytesMax, nextTurn }
  }
}
