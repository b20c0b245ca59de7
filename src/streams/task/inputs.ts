/**
 * Sources outside the broker: what they yield becomes events, and how far they have been read is written
 * in the same transaction, so that nothing is written twice and nothing is left out.
 *
 * The position lies in a compacted topic with a partition for each split of the input, which is one unless the
 * topology says otherwise; the member of the group that owns the partition reads the split, and a new owner
 * reads on after the last committed record. The offset commit carries the ownership, so an owner that has been
 * replaced cannot write on.
 */
import { Writer, utf8Bytes } from '../../base/bytes.ts'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { messageWriter } from '../operators/sink.ts'
import type { Emit } from '../stores/emit.ts'
import type { OperatorCounts } from '../operators/counts.ts'
import type { Push, WriterContext } from '../operators/operator.ts'
import { operatorFailed } from '../operators/operator.ts'
import type { InputAssignment } from '../plan/assignment.ts'
import type { InputPlan } from '../plan/plan.ts'
import { plainCodec } from '../stores/plain.ts'
import type { TaskOffset } from './task.ts'
import type { InputBatch, Position } from '../topology/topology.ts'

/** What a position record holds. */
export interface SavedPosition {
  /** Events written since the input was read first. */
  readonly records: number
  readonly position: Position
}

/** A source that throws instead of rejecting fails like any other. */
async function nextOf(
  iterator: AsyncIterator<InputBatch>,
): Promise<IteratorResult<InputBatch, unknown>> {
  return iterator.next()
}

/** Reads one split of an input. */
export class InputReader {
  /** The same in every instance: the input's name, and which split it is where there are several. */
  readonly id: string
  readonly plan: InputPlan
  readonly split: number
  readonly #write: Push
  readonly #counts: OperatorCounts
  readonly #onReady: () => void
  readonly #name: string
  #iterator: AsyncIterator<InputBatch> | undefined
  #batch: InputBatch | undefined
  #at = 0
  #isEnded = false
  #failure: unknown
  #isClosed = false
  #saved: SavedPosition = { records: 0, position: null }
  /** Where the position topic has been read to. */
  #topicPosition = 0
  /** What the group has committed of it, and what a commit on its way will. */
  #committedOffset: number | undefined
  #savedOffset: number | undefined
  /** What the next position record will hold; undefined when nothing was written since the last. */
  #unsaved: SavedPosition | undefined

  /** @param onReady called when `process` has something to do again */
  constructor(
    { id, plan, split }: InputAssignment,
    service: string,
    context: WriterContext,
    onReady: () => void,
  ) {
    this.id = id
    this.plan = plan
    this.split = split
    this.#name = `input '${id}' of service '${service}'`
    // Messages without a key begin in another partition for each split.
    this.#write = messageWriter(plan.node.event, { ...context, partition: split }, this.#name)
    this.#counts = context.counts
    this.#onReady = onReady
  }

  /** The partition that holds the position. */
  get place(): Omit<TaskOffset, 'offset'> {
    return { topic: this.plan.positionTopic, partition: this.split }
  }

  /** Begins to read after what was saved last; `committed` is the group's offset where the position lies. */
  start(saved: SavedPosition | undefined, committed: number | undefined): void {
    this.#topicPosition = committed ?? 0
    this.#committedOffset = committed
    if (saved !== undefined) this.#saved = saved
    try {
      this.#iterator = this.plan.node.read(saved?.position, this.split)[Symbol.asyncIterator]()
    } catch (error) {
      this.#failure = error
    }
    this.#pull()
  }

  /** Events committed since the input was read first. */
  get records(): number {
    return this.#saved.records
  }

  /** Whether everything there is has been written and committed. */
  get isDone(): boolean {
    return this.#isEnded && this.#batch === undefined && this.#unsaved === undefined
  }

  /** Whether a commit is possible: a batch is either wholly written or not begun. */
  get isBetweenBatches(): boolean {
    return this.#batch === undefined || this.#at === 0
  }

  #pull(): void {
    const iterator = this.#iterator
    if (iterator === undefined) return this.#onReady()
    nextOf(iterator).then(
      (result) => {
        if (result.done === true) this.#isEnded = true
        else this.#batch = result.value
        this.#at = 0
        if (!this.#isClosed) this.#onReady()
      },
      (error: unknown) => {
        this.#failure = error
        if (!this.#isClosed) this.#onReady()
      },
    )
  }

  /** Writes up to `limit` events and returns how many; 0 when it waits for the source. `now` in ms. */
  process(limit: number, now: number): number {
    if (this.#failure !== undefined) throw this.#failed(this.#failure)
    const batch = this.#batch
    if (batch === undefined) return 0
    const { events, position } = batch
    const end = Math.min(events.length, this.#at + limit)
    const from = this.#at
    while (this.#at < end) {
      this.#write(null, events[this.#at], now)
      this.#at++
      this.#counts.taken++
    }
    // A batch without events moves the position, and is no record.
    if (this.#at === events.length) {
      const { records } = this.#unsaved ?? this.#saved
      this.#unsaved = { records: records + events.length, position }
      this.#batch = undefined
      this.#at = 0
      this.#pull()
    }
    return Math.max(1, end - from)
  }

  /** Notes how far the position topic has been consumed. */
  consumed(nextOffset: number): void {
    this.#topicPosition = nextOffset
  }

  get topicPosition(): number {
    return this.#topicPosition
  }

  /** Writes the position of what was written, and says which offset to commit with it. */
  save(emit: Emit, now: number): TaskOffset[] {
    const unsaved = this.#unsaved
    if (unsaved === undefined) return []
    const { positionTopic, node } = this.plan
    const writer = new Writer()
    plainCodec.encode(unsaved, writer)
    const { split: partition } = this
    emit.append(positionTopic, partition, now, utf8Bytes(node.name), writer.finish())
    // Always before the record just written: whoever reads on from here finds it.
    this.#savedOffset = this.#topicPosition
    return [{ topic: positionTopic, partition, offset: this.#savedOffset }]
  }

  /** What the group has committed of the position topic, as this reader knows it; undefined: nothing. */
  get committedOffset(): number | undefined {
    return this.#committedOffset
  }

  /** Notes that the transaction with the last `save` is committed. */
  committed(): void {
    if (this.#unsaved === undefined) return
    this.#saved = this.#unsaved
    this.#unsaved = undefined
    this.#committedOffset = this.#savedOffset
  }

  /** Stops reading; what is on its way from the source is dropped. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#batch = undefined
    try {
      await this.#iterator?.return?.()
    } catch {
      // The source is given up; how it ends does not matter to what was committed.
    }
  }

  #failed(cause: unknown): HeadwaterError {
    const name = this.#name
    if (isHeadwaterError(cause) && cause.code !== 'operator-failed') {
      return new HeadwaterError(cause.code, `${name}: ${cause.message}`, { cause })
    }
    return operatorFailed(name, cause)
  }
}
