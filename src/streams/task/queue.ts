/**
 * The records of one input partition that a task has not processed yet, in offset order.
 *
 * Batches stay bytes until they are at the head; then the places of their records are noted in columns
 * (no object per record) and keys and values are decoded one by one as they are taken. `position` is what
 * a commit stores: the offset of the next record, or, with nothing left, where the consumer goes on,
 * which may lie behind control records and gaps.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { planted } from '../../base/planted.ts'
import { batchHeaderBytes, readBatchHeader } from '../../records/batch.ts'
import { forEachRecord, headersOf } from '../../records/record.ts'
import { carriedTime, markIn } from '../operators/moment.ts'
import type { Mark } from '../operators/moment.ts'
import { operatorFailed } from '../operators/operator.ts'
import type { Push } from '../operators/operator.ts'
import type { SourcePlan } from '../plan/plan.ts'
import { EmitFailure } from '../stores/emit.ts'
import type { Key, KeyCodecs } from '../stores/serde.ts'
import type { TaskTimes } from './times.ts'

/** What a fetch brought for one partition. */
export interface Delivery {
  readonly topic: string
  readonly partition: number
  readonly batches: readonly Uint8Array[]
  /** The position after the batches. */
  readonly nextOffset: number
  /** The end of the partition as far as readers of committed records may go. */
  readonly lastStableOffset: number
  /** The end of the partition, records of open transactions included. */
  readonly highWatermark: number
}

/** Says when a turn has lasted long enough; asked after every record. */
export interface Turn {
  readonly hasEnded: boolean
  /** @param queue where the record came from @param offset the record's */
  isOver(queue: InputQueue, offset: number): boolean
  /** Looks at the clock, also when no record was processed. */
  look(): void
}

export class InputQueue {
  readonly source: SourcePlan
  readonly partition: number
  /** The end of the partition when the task started: what a bootstrap waits for. */
  readonly #startEnd: number
  /** Whether the group has read of it before. */
  readonly #isBegun: boolean
  /** Records delivered and not yet taken; those before the position in a batch's front included. */
  buffered = 0
  /** Bytes of the batches that are not at the head yet. */
  bufferedBytes = 0
  #position: number
  #fetchedTo: number
  /** How far committed records are known to reach (until the first answer: its end), and where it ends. */
  #stableEnd: number
  #end: number
  readonly #service: string
  readonly #keys: KeyCodecs
  readonly #take: Take
  readonly #times: TaskTimes
  readonly #batches: Uint8Array[] = []
  readonly #columns: Columns
  #at = 0

  constructor(o: {
    service: string
    source: SourcePlan
    partition: number
    position: number
    /** The high watermark when the task started. */
    endOffset: number
    /** Whether the group has read of it before. */
    isBegun: boolean
    keys: KeyCodecs
    push: Push
    times: TaskTimes
  }) {
    this.#service = o.service
    this.source = o.source
    this.partition = o.partition
    this.#startEnd = o.endOffset
    this.#isBegun = o.isBegun
    this.#position = o.position
    this.#fetchedTo = o.position
    this.#stableEnd = o.endOffset
    this.#end = o.endOffset
    this.#keys = o.keys
    this.#times = o.times
    this.#columns = new Columns(o.source.inner)
    this.#take = o.source.inner ? this.#takeInner(o.push) : o.push
  }

  /** The offset of the next record to process. */
  get position(): number {
    return this.#position
  }

  /** Where the consumer must go on fetching. */
  get fetchedTo(): number {
    return this.#fetchedTo
  }

  /** Offsets between the position and the end of the partition as last seen. */
  get lag(): number {
    return Math.max(0, this.#end - this.#position)
  }

  /**
   * Notes where the partition ends, and where what can be read of it does: a fetch that brought nothing
   * tells that, too. What an open transaction holds back does not hold up the other inputs of the task.
   */
  endsAt(highWatermark: number, lastStableOffset: number): void {
    this.#end = Math.max(this.#end, highWatermark)
    this.#stableEnd = lastStableOffset
  }

  deliver({ batches, nextOffset, lastStableOffset, highWatermark }: Delivery): void {
    for (const batch of batches) {
      this.#batches.push(batch)
      this.buffered += readBatchHeader(batch).recordCount
      this.bufferedBytes += batch.length
    }
    this.#fetchedTo = nextOffset
    this.endsAt(highWatermark, lastStableOffset)
    this.#fill()
  }

  /** The timestamp of the next record; undefined when there is none here. */
  get headTimestamp(): number | undefined {
    return this.#at < this.#columns.count ? this.#columns.timestamps[this.#at] : undefined
  }

  /** Whether records exist that have not come yet. */
  get awaitsFetch(): boolean {
    return this.#at >= this.#columns.count && this.#position < this.#stableEnd
  }

  /**
   * Whether a bootstrap has further to go. The first time that is to the end; who goes on has seen a whole
   * table before, and does not wait for what an open transaction holds back.
   */
  get isBootstrapping(): boolean {
    return this.#position < this.#startEnd && (!this.#isBegun || this.awaitsFetch)
  }

  /** Processes records up to a timestamp, a count or the end of the turn. Returns how many. */
  run(untilTimestamp: number, limit: number, turn: Turn): number {
    const columns = this.#columns
    const { bytes, offsets, timestamps, keyStarts, keyEnds, valueStarts, valueEnds } = columns
    const { values, keys: kind } = this.source
    const keys = kind === null ? undefined : this.#keys[kind]
    const take = this.#take
    this.#times.moment.carried = undefined
    const from = this.#at
    const end = Math.min(columns.count, from + limit)
    let at = from
    let doing: Doing = 'key'
    try {
      while (at < end && timestamps[at]! <= untilTimestamp) {
        doing = 'key'
        const keyEnd = keyEnds[at]!
        const hasKey = keyEnd >= 0 && keys !== undefined
        const key = hasKey ? keys.decode(bytes, keyStarts[at]!, keyEnd) : null
        doing = 'value'
        const valueEnd = valueEnds[at]!
        const value = valueEnd < 0 ? null : values.decode(bytes, valueStarts[at]!, valueEnd)
        doing = 'operators'
        take(key, value, timestamps[at]!, at)
        at++
        if (turn.isOver(this, offsets[at - 1]!)) break
      }
    } catch (error) {
      throw this.#failed(doing, offsets[at]!, error)
    } finally {
      this.#at = at
      if (at > from) this.#position = offsets[at - 1]! + 1
      this.buffered -= at - from
    }
    if (at >= columns.count) this.#fill()
    return at - from
  }

  /** Takes what came through an inner topic: records with the times they carry, and marks. */
  #takeInner(push: Push): Take {
    const columns = this.#columns
    const times = this.#times
    return (key, value, timestamp, at) => {
      times.moment.carried = columns.carried[at]
      const mark = columns.marks.size === 0 ? undefined : columns.marks.get(at)
      if (mark === undefined) push(key, value, timestamp)
      else times.mark(this.source.topic, mark)
    }
  }

  /** Opens the next batch that has records at or after the position. */
  #fill(): void {
    const columns = this.#columns
    while (this.#at >= columns.count) {
      const batch = this.#batches.shift()
      if (batch === undefined) {
        this.buffered = 0
        this.#position = Math.max(this.#position, this.#fetchedTo)
        return
      }
      this.bufferedBytes -= batch.length
      const before = readBatchHeader(batch).recordCount
      this.#at = 0
      columns.open(batch, this.#position)
      this.buffered -= before - columns.count
      if (columns.count > 0) this.#position = columns.offsets[0]!
    }
  }

  /** What stopped the service, with the record's place. */
  #failed(doing: Doing, offset: number, error: unknown): unknown {
    const place = `record ${offset} of partition ${this.partition} of topic '${this.source.topic}'`
    const stopped = `service '${this.#service}' stopped at ${place}`
    if (doing === 'operators') {
      if (planted.has('producer-error-as-operator-failed') && error instanceof EmitFailure) {
        return operatorFailed('the operator', error)
      }
      if (!isHeadwaterError(error, 'operator-failed')) return error
      const fix = 'the service stays at this record: repair the function and start it again'
      const { message, cause } = error
      return new HeadwaterError('operator-failed', `${stopped}: ${message}; ${fix}`, { cause })
    }
    const reason = error instanceof Error ? error.message : String(error)
    return new HeadwaterError(
      'record-invalid',
      `${stopped}: the ${doing} does not decode: ${reason}; ` +
        'find out who wrote it; the service stays at this record until it can be read',
      { cause: error },
    )
  }
}

/** What becomes of a record. @param at its place in the columns */
type Take = (key: Key | null, value: unknown, timestamp: number, at: number) => void

/** What is done with a record at the moment. */
type Doing = 'key' | 'value' | 'operators'

/** Where the records of one batch lie. The arrays are kept from batch to batch. */
class Columns {
  count = 0
  /** In an inner topic: the times that records carry. */
  carried = new Float64Array(0)
  readonly marks = new Map<number, Mark>()
  readonly #isInner: boolean
  bytes: Uint8Array = new Uint8Array(batchHeaderBytes)
  offsets = new Float64Array(0)
  timestamps = new Float64Array(0)
  keyStarts = new Int32Array(0)
  keyEnds = new Int32Array(0)
  valueStarts = new Int32Array(0)
  valueEnds = new Int32Array(0)

  constructor(isInner: boolean) {
    this.#isInner = isInner
  }

  /** Notes the records of a batch from `position` on. */
  open(batch: Uint8Array, position: number): void {
    // A header may say anything: no more is made room for than its bytes can be, before they are read.
    this.#reserve(Math.min(readBatchHeader(batch).recordCount, batch.length), 0)
    this.marks.clear()
    let count = 0
    forEachRecord(batch, (offset, timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd) => {
      if (offset < position) return
      if (count === this.offsets.length) this.#reserve(count + 1, count)
      this.bytes = bytes
      this.offsets[count] = offset
      this.timestamps[count] = timestamp
      this.keyStarts[count] = keyStart
      this.keyEnds[count] = keyEnd
      this.valueStarts[count] = valueStart
      this.valueEnds[count] = valueEnd
      if (this.#isInner) this.#openInner(count)
      count++
    })
    this.count = count
  }

  #openInner(at: number): void {
    const headers = headersOf(this.bytes, this.valueStarts[at]!, this.valueEnds[at]!)
    const timestamp = this.timestamps[at]!
    this.carried[at] = headers.length === 0 ? timestamp : carriedTime(timestamp, headers)
    if (this.keyEnds[at]! >= 0 || this.valueEnds[at]! >= 0) return
    const mark = markIn(headers)
    if (mark !== undefined) this.marks.set(at, mark)
  }

  /** Makes room for so many records, and keeps the first `kept`. */
  #reserve(count: number, kept: number): void {
    if (count <= this.offsets.length) return
    const capacity = Math.max(count, this.offsets.length * 2)
    const wider = <T extends Float64Array | Int32Array>(from: T, to: T): T => {
      to.set(from.subarray(0, kept))
      return to
    }
    this.offsets = wider(this.offsets, new Float64Array(capacity))
    this.timestamps = wider(this.timestamps, new Float64Array(capacity))
    this.keyStarts = wider(this.keyStarts, new Int32Array(capacity))
    this.keyEnds = wider(this.keyEnds, new Int32Array(capacity))
    this.valueStarts = wider(this.valueStarts, new Int32Array(capacity))
    this.valueEnds = wider(this.valueEnds, new Int32Array(capacity))
    if (this.#isInner) this.carried = wider(this.carried, new Float64Array(capacity))
  }
}
