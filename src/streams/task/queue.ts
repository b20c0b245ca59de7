/**
 * The records of one input partition that a task has not processed yet, in offset order.
 *
 * Batches stay bytes until they are at the head; then the places of their records are noted in columns
 * (no object per record) and keys and values are decoded one by one as they are taken. `position` is what
 * a commit stores: the offset of the next record, or, with nothing left, where the consumer goes on,
 * which may lie behind control records and gaps.
 *
 * A record that does not decode stops the service, or is passed over, as its source says. So is, always, one
 * that is the replay of a dead letter of another service (`replayForHeader`).
 */
import { planted } from '../../base/planted.ts'
import { readBatchHeader } from '../../records/batch.ts'
import type { Discards, Failed } from '../operators/discards.ts'
import type { RecordAtHand, RecordSource, SourceRecord } from '../operators/source-record.ts'
import { operatorFailed } from '../operators/operator.ts'
import type { OperatorCounts } from '../operators/counts.ts'
import type { Push } from '../operators/operator.ts'
import type { SourcePlan } from '../plan/plan.ts'
import { EmitFailure } from '../stores/emit.ts'
import type { EmitHeader } from '../stores/emit.ts'
import type { Key, KeyCodecs } from '../stores/serde.ts'
import { RecordSpan } from '../tracing/record-span.ts'
import { registeredTracer } from '../tracing/spans.ts'
import { CalledRecord } from './calls/call.ts'
import type { CallSource, CallStage } from './calls/call-stage.ts'
import { Columns } from './columns.ts'
import { StoppedError, stoppedAt, undecodable } from './stopped.ts'
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

export class InputQueue implements RecordSource, CallSource {
  readonly source: SourcePlan
  readonly partition: number
  /** The end of the partition when the task started: what a bootstrap waits for. */
  readonly #startEnd: number
  /** Whether the group has read of it before. */
  readonly #isBegun: boolean
  readonly #stopBefore: number
  /** What is here is all that is to be processed. */
  #isCut: boolean
  /** Records delivered and not yet taken; those before the position in a batch's front included. */
  buffered = 0
  /** Bytes of the batches that are not at the head yet. */
  bufferedBytes = 0
  /** Milliseconds that a record took lately, for whoever times turns; of one that is new a cautious guess. */
  costMs = 4
  #position: number
  #fetchedTo: number
  /** How far committed records are known to reach (until the first answer: its end), and where it ends. */
  #stableEnd: number
  #end: number
  readonly #service: string
  readonly #keys: KeyCodecs
  readonly #take: Take
  readonly #times: TaskTimes
  readonly #counts: OperatorCounts
  readonly #discards: Discards
  readonly #atHand: RecordAtHand
  /** Where its records lead to calls outside; undefined: nowhere. */
  readonly #stage: CallStage | undefined
  /** By what does not decode: takes the error, unless that is to stop the service. */
  readonly #undecodable: Readonly<Record<'key' | 'value', Failed>> | undefined
  /** Of the record at hand; undefined where nobody traces it. */
  span: RecordSpan | undefined
  readonly #batches: Uint8Array[] = []
  readonly #columns: Columns
  #at = 0

  constructor(o: {
    service: string
    source: SourcePlan
    partition: number
    position: number
    endOffset: number
    isBegun: boolean
    /** No record is processed from here on; undefined: all are. */
    stopBefore: number | undefined
    keys: KeyCodecs
    push: Push
    times: TaskTimes
    counts: OperatorCounts
    discards: Discards
    atHand: RecordAtHand
    stage: CallStage | undefined
    refuse: Failed | undefined
  }) {
    this.#service = o.service
    this.source = o.source
    this.partition = o.partition
    this.#startEnd = o.endOffset
    this.#isBegun = o.isBegun
    this.#stopBefore = o.stopBefore ?? Infinity
    this.#isCut = o.position >= this.#stopBefore
    this.#position = o.position
    this.#fetchedTo = o.position
    this.#stableEnd = o.endOffset
    this.#end = o.endOffset
    this.#keys = o.keys
    this.#times = o.times
    this.#counts = o.counts
    this.#discards = o.discards
    this.#atHand = o.atHand
    this.#stage = o.stage
    o.stage?.from(this)
    const { onError } = o.source
    if (onError !== 'stop') {
      const passing = (what: 'key' | 'value'): Failed => {
        const failed = o.discards.failing(onError, `decoding the ${what}`)
        return (error) => (failed(error), o.refuse?.(error))
      }
      this.#undecodable = { key: passing('key'), value: passing('value') }
    }
    this.#columns = new Columns(o.source.inner, o.service)
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

  /** Whether everything has been processed up to the record that it is to stop before. */
  get isAtStop(): boolean {
    return this.#isCut && this.#at >= this.#columns.count
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
    const from = this.#at
    const end = Math.min(columns.count, from + limit)
    this.#times.moment.carried = undefined
    this.#atHand.from(this)
    try {
      while (this.#pass(end, untilTimestamp, turn)) continue
    } finally {
      const at = this.#at
      if (at > from) this.#position = columns.offsets[at - 1]! + 1
      this.buffered -= at - from
      this.#counts.taken += at - from
    }
    const done = this.#at - from
    if (this.#at >= columns.count) this.#fill()
    return done
  }

  /** Processes records until the end, or until one was passed over: true when there may be more. */
  #pass(end: number, untilTimestamp: number, turn: Turn): boolean {
    const columns = this.#columns
    const { bytes, offsets, timestamps, keyStarts, keyEnds, valueStarts, valueEnds } = columns
    const { values, keys: kind } = this.source
    const keys = kind === null ? undefined : this.#keys[kind]
    const take = this.#take
    const discards = this.#discards
    const { writesLetters } = discards
    const others = columns.ofOthers.size === 0 ? undefined : columns.ofOthers
    const isTraced = columns.traced.size > 0
    let at = this.#at
    let doing: Doing = 'key'
    try {
      while (at < end && timestamps[at]! <= untilTimestamp) {
        this.#at = at
        if (others?.has(at) === true) {
          at++
          this.#counts.marks++
          continue
        }
        if (writesLetters) discards.begin()
        if (isTraced) this.#beginSpan()
        doing = 'key'
        const keyEnd = keyEnds[at]!
        const hasKey = keyEnd >= 0 && keys !== undefined
        const key = hasKey ? keys.decode(bytes, keyStarts[at]!, keyEnd) : null
        doing = 'value'
        const valueEnd = valueEnds[at]!
        const value = valueEnd < 0 ? null : values.decode(bytes, valueStarts[at]!, valueEnd)
        doing = 'operators'
        if (isTraced) this.#takeTraced(key, value)
        else take(key, value, timestamps[at]!, at)
        if (writesLetters) this.#through()
        if (isTraced) this.#endSpan()
        at++
        if (turn.isOver(this, offsets[at - 1]!)) break
      }
      this.#at = at
      return false
    } catch (error) {
      const isPassed = this.#passOver(doing, error)
      const stopped = isPassed ? undefined : this.#failed(doing, offsets[at]!, error)
      this.#endSpan(stopped)
      if (!isPassed) throw stopped
      this.#at = at + 1
      return !turn.isOver(this, offsets[at]!)
    }
  }

  #beginSpan(): void {
    const carried = this.#columns.traced.get(this.#at)
    const tracer = carried && registeredTracer()
    if (carried === undefined || tracer === undefined) return
    const place = { topic: this.source.topic, partition: this.partition, offset: this.offset }
    this.span = new RecordSpan(tracer, carried, { service: this.#service, ...place })
  }

  /** Apart, so that no closure is made in batches of which nobody traces a record. */
  #takeTraced(key: Key | null, value: unknown): void {
    const at = this.#at
    const take = (): void => this.#take(key, value, this.#columns.timestamps[at]!, at)
    if (this.span === undefined) take()
    else this.span.run(take)
  }

  /** @param error what stopped the service at the record */
  #endSpan(error?: unknown): void {
    const { span } = this
    this.span = undefined
    if (error !== undefined) span?.failed(error)
    if (span?.isKept === false) span.end()
  }

  /** Leaves out the record at hand when it does not decode and that is not to stop the service. */
  #passOver(doing: Doing, error: unknown): boolean {
    if (doing === 'operators' || this.#undecodable === undefined) return false
    this.#undecodable[doing](undecodable(doing, error))
    this.#through()
    return true
  }

  /** The record at hand is through, but for its calls. */
  #through(): void {
    if (this.#stage === undefined) this.#discards.end()
    else this.#stage.entered()
  }

  /** The offset of the record that is being processed. */
  get offset(): number {
    return this.#columns.offsets[this.#at]!
  }

  current(): SourceRecord {
    const { topic } = this.source
    return { topic, partition: this.partition, ...this.#columns.record(this.#at) }
  }

  headers(): readonly EmitHeader[] | undefined {
    const own = (): readonly EmitHeader[] | undefined => this.#columns.headers(this.#at)
    return this.span === undefined ? own() : this.span.headers(own)
  }

  allHeaders(): readonly EmitHeader[] {
    return this.#columns.allHeaders(this.#at)
  }

  /** Takes what came through an inner topic: records with the times they carry, and marks. */
  #takeInner(push: Push): Take {
    const columns = this.#columns
    const times = this.#times
    const { topic } = this.source
    return (key, value, timestamp, at) => {
      times.moment.carried = columns.carried[at]
      const mark = columns.marks.size === 0 ? undefined : columns.marks.get(at)
      if (mark === undefined) push(key, value, timestamp)
      else if (this.#stage === undefined) times.mark(topic, mark)
      // It says that everything before it has come, and some of that may be out yet.
      else this.#stage.inTurn(() => times.mark(topic, mark))
    }
  }

  /** Opens the next batch that has records at or after the position. */
  #fill(): void {
    const columns = this.#columns
    while (this.#at >= columns.count) {
      if (this.#isCut) {
        this.#position = this.#stopBefore
        return
      }
      const batch = this.#batches.shift()
      if (batch === undefined) {
        this.buffered = 0
        this.#position = Math.max(this.#position, this.#fetchedTo)
        return
      }
      this.bufferedBytes -= batch.length
      const before = readBatchHeader(batch).recordCount
      this.#at = 0
      this.#isCut = columns.open(batch, this.#position, this.#stopBefore)
      this.buffered -= before - columns.count
      if (columns.count > 0) this.#position = columns.offsets[0]!
    }
  }

  /** What stopped the service, with the record's place. */
  #failed(doing: Doing, offset: number, error: unknown): unknown {
    const place = { topic: this.source.topic, partition: this.partition, offset }
    if (doing === 'operators') {
      if (planted.has('producer-error-as-operator-failed') && error instanceof EmitFailure) {
        return operatorFailed('the operator', error)
      }
      return stoppedAt(this.#service, place, error)
    }
    const why =
      `${undecodable(doing, error).message}; find out who wrote it; the service stays at this record until ` +
      "it can be read, or is let pass (onError: 'skip' or 'deadLetter')"
    return new StoppedError('record-invalid', { service: this.#service, place, why }, error)
  }

  /** The record that is being processed, for calls that may outlive its batch. */
  called(isWhole: boolean): CalledRecord {
    const at = this.#at
    const { span } = this
    if (span !== undefined) span.isKept = true
    const of = {
      topic: this.source.topic,
      partition: this.partition,
      offset: this.offset,
      timestamp: this.#columns.timestamps[at]!,
      ownHeaders: this.headers(),
      whole: isWhole ? this.current() : undefined,
      carried: this.#times.moment.carried,
      bytes: this.#columns.size(at),
    }
    return new CalledRecord(of, span)
  }
}

/** What becomes of a record. @param at its place in the columns */
type Take = (key: Key | null, value: unknown, timestamp: number, at: number) => void

/** What is done with a record at the moment. */
type Doing = 'key' | 'value' | 'operators'
