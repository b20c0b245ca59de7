/**
 * The calls of one operator in one task: `mapAsync` and `forEach`.
 *
 * Records enter in the order of their partition. Their calls go out as far as there are slots, those of one
 * key one after the other, and may end in any order. What comes of them is *applied* in the order in which
 * the records entered, a record's calls all together: so everything behind this operator happens exactly
 * once, and the position to commit is that of the first record that is not applied. What a crash leaves
 * unapplied is called again: towards the outside a call happens at least once, under the same key.
 *
 * Whatever else a record leads to waits for its turn, too: a letter that was written before could be written
 * again, and a mark (`moment.ts`) would tell windows that what is out has come.
 *
 * Bounds: records that have entered and are not applied, and their calls, by number and by the bytes of the
 * records. Beyond them nothing more enters, and the partition waits.
 */
import type { HeadwaterError } from '../../../base/errors.ts'
import type { Clock } from '../../../io/ports.ts'
import type { Failed } from '../../operators/discards.ts'
import type { Moment } from '../../operators/moment.ts'
import { operatorFailed } from '../../operators/operator.ts'
import type { OperatorContext, Push } from '../../operators/operator.ts'
import type { AsyncNode } from '../../topology/topology.ts'
import { stoppedAt } from '../stopped.ts'
import { Call } from './call.ts'
import type { CalledRecord } from './call.ts'
import { CallDeadlines } from './call-deadlines.ts'
import type { CallLimits, CallSlots } from './call-limits.ts'

/** Records that have entered and are not applied, or calls of them; and the bytes of the records. */
const enteredRecordsMax = 1_024
const enteredBytesMax = 16 * 1024 * 1024
/** What doubles with each attempt is at most this many times the first. */
const doublingsMax = 30

/** What calls need of the instance they go out from. */
export interface CallsContext {
  readonly clock: Clock
  readonly limits: CallLimits
  /** Called when there is something to apply. */
  readonly onReady: () => void
}

/** Where records come from. */
export interface CallSource {
  /** The offset of the record that enters now. */
  readonly offset: number
  /** The record that enters now. @param isWhole with its bytes */
  called(isWhole: boolean): CalledRecord
}

export interface CallStageOptions {
  readonly node: AsyncNode
  readonly service: string
  readonly context: OperatorContext
  readonly calls: CallsContext
  readonly moment: Moment
  readonly next: Push
}

export class CallStage {
  readonly #o: CallStageOptions
  readonly #slots: CallSlots
  readonly #name: string
  readonly #failed: Failed
  readonly #noValue: () => void
  readonly #deadlines: CallDeadlines
  #source: CallSource | undefined
  /** The record that entered last. */
  #record: CalledRecord | undefined
  #bytes = 0
  #records = 0
  #calls = 0
  /** In the order they entered, from `#applied` on; nothing is kept of those before. */
  #entered: (CalledRecord | undefined)[] = []
  #applied = 0
  /** Whose turn it is. */
  readonly #ready: Call[] = []
  /** By key: the last call that has entered and is not settled. */
  readonly #last = new Map<unknown, Call>()
  readonly #begin = (): void => this.#start()
  #isStarting = false
  #isHeld = false
  #isOver = false

  constructor(options: CallStageOptions) {
    const { node, context, calls } = options
    this.#o = options
    this.#name = `${node.isEffect ? 'forEach' : 'mapAsync'} '${node.name}'`
    this.#slots = calls.limits.of(node.name, node.concurrency)
    this.#deadlines = new CallDeadlines(calls.clock, node.timeoutMs)
    this.#failed = context.discards.failing(node.onError, this.#name)
    this.#noValue = context.discards.drop('noValue', this.#name)
  }

  /** Says where the records come from that enter. */
  from(source: CallSource): void {
    this.#source = source
  }

  /** Takes a value of the record that is being processed. */
  readonly enter: Push = (key, value, timestamp) => {
    const call = new Call(this.#recordAtHand(), key, value, timestamp)
    this.#calls++
    this.#slots.waiting++
    const lane = this.#laneOf(call)
    const before = lane === undefined ? undefined : this.#last.get(lane)
    if (lane !== undefined) this.#last.set(lane, call)
    if (before !== undefined) before.next = call
    else this.#ready.push(call)
    this.#start()
  }

  #recordAtHand(): CalledRecord {
    const { offset } = this.#source!
    if (this.#record?.of.offset === offset) return this.#record
    const record = this.#source!.called(this.#o.context.discards.writesLetters)
    this.#record = record
    this.#entered.push(record)
    this.#records++
    this.#bytes += record.of.bytes
    return record
  }

  /** Does something in the turn of the record at hand: at once, unless records before it are not applied. */
  inTurn(what: () => void): void {
    if (this.isBusy) this.#recordAtHand().inTurn = what
    else what()
  }

  /**
   * The record at hand has entered. What failed of it becomes letters in its turn: before, it may be read
   * once more, and they would be written again.
   */
  entered(): void {
    const { discards } = this.#o.context
    if (!discards.hasFailed) return
    if (this.isBusy) this.#recordAtHand().failures = discards.interrupt()
    else discards.end()
  }

  /** Calls of one lane go out one after the other; undefined: this one waits for none. */
  #laneOf({ key }: Call): unknown {
    const { order } = this.#o.node
    if (order === 'partition') return this
    return order === 'key' && key !== null ? key : undefined
  }

  /** Calls that end at once would start the next ones within: the stack is not deep enough for many. */
  #start(): void {
    if (this.#isStarting) return
    this.#isStarting = true
    while (!this.#isOver && this.#ready.length > 0 && this.#slots.take(this.#begin)) {
      this.#attempt(this.#ready.shift()!)
    }
    this.#isStarting = false
  }

  #attempt(call: Call): void {
    const { node, service } = this.#o
    this.#slots.waiting--
    if (call.attempts > 0) this.#slots.retried++
    call.attempt(node, service, this.#deadlines, (failed, outcome) => {
      this.#ended(call, failed, outcome)
      this.#slots.give()
    })
  }

  #ended(call: Call, failed: boolean, outcome: unknown): void {
    let again = false
    let reason = outcome
    try {
      again = failed && this.#mayRetry(call, outcome)
    } catch (error) {
      reason = error
    }
    if (again) this.#retry(call)
    else this.#settle(call, failed, reason)
  }

  #mayRetry({ attempts }: Call, error: unknown): boolean {
    const { retry } = this.#o.node
    return attempts < retry.attempts && retry.when(error)
  }

  #retry(call: Call): void {
    const { node, calls } = this.#o
    const { backoffMs, backoffMaxMs } = node.retry
    const doublings = Math.min(doublingsMax, call.attempts - 1)
    this.#slots.waiting++
    calls.clock.after(Math.min(backoffMaxMs, backoffMs * 2 ** doublings), () => {
      if (this.#isOver) return
      this.#ready.push(call)
      this.#start()
    })
  }

  #settle(call: Call, failed: boolean, outcome: unknown): void {
    call.isSettled = true
    call.record.open--
    if (failed) call.error = outcome ?? new Error('it failed without a reason')
    else call.result = outcome
    const lane = this.#laneOf(call)
    if (this.#last.get(lane) === call) this.#last.delete(lane)
    if (call.next !== undefined) this.#ready.push(call.next)
    this.#o.calls.onReady()
    this.#start()
  }

  /** How many records may enter. */
  get room(): number {
    if (this.#isHeld || this.#bytes >= enteredBytesMax) return 0
    return enteredRecordsMax - Math.max(this.#records, this.#calls)
  }

  /** Whether records have entered that are not applied. */
  get isBusy(): boolean {
    return this.#applied < this.#entered.length
  }

  /** The offset of the first record that is not applied; undefined when all are. */
  get pendingFrom(): number | undefined {
    return this.#entered[this.#applied]?.of.offset
  }

  /**
   * Applies what has come of the first records, a record at a time, until `isOver` or one is not settled.
   * Returns how many records.
   */
  apply(limit: number, isOver: (offset: number) => boolean): number {
    let records = 0
    while (records < limit) {
      const record = this.#entered[this.#applied]
      if (record === undefined || record.open > 0) break
      this.#apply(record)
      this.#entered[this.#applied++] = undefined
      this.#records--
      this.#calls -= record.calls.length
      this.#bytes -= record.of.bytes
      records++
      if (isOver(record.of.offset)) break
    }
    this.#forget()
    return records
  }

  #apply(record: CalledRecord): void {
    const { context, moment, service } = this.#o
    const { atHand, discards } = context
    const { calls, failures, span } = record
    atHand.from(record)
    moment.carried = record.of.carried
    discards.begin(failures)
    try {
      if (span === undefined) this.#applyCalls(calls)
      else span.run(() => this.#applyCalls(calls))
    } catch (error) {
      const stopped = stoppedAt(service, record.of, error)
      span?.failed(stopped)
      span?.end()
      throw stopped
    }
    record.inTurn?.()
    // What went through outside has been done, whatever became of it here.
    const wentThrough = calls.some(({ error }) => error === undefined)
    discards.end(wentThrough || calls.length + Math.min(1, failures.length) > 1)
    span?.end()
  }

  #applyCalls(calls: readonly Call[]): void {
    for (const call of calls) this.#applyCall(call)
  }

  #applyCall(call: Call): void {
    const { node, context, next } = this.#o
    if (call.error !== undefined) this.#failed(this.#failureOf(call))
    else if (node.isEffect) context.counts.folds++
    else if (call.result === null || call.result === undefined) this.#noValue()
    else next(call.key, call.result, call.timestamp)
  }

  #failureOf({ attempts, error }: Call): HeadwaterError {
    const times = attempts === 1 ? '' : `, tried ${attempts} times,`
    return operatorFailed(`${this.#name}${times}`, error)
  }

  /** Gives applied calls back to the memory, now and then. */
  #forget(): void {
    if (this.#applied < enteredRecordsMax && this.#applied < this.#entered.length) return
    this.#entered = this.#entered.slice(this.#applied)
    this.#applied = 0
  }

  /** Lets nothing more enter; what is out may still end. */
  hold(): void {
    this.#isHeld = true
  }

  /** Lets records enter again. */
  goOn(): void {
    this.#isHeld = false
  }

  /** Gives everything up that is not applied: somebody else will call again. */
  abandon(reason: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#deadlines.stop()
    for (const record of this.#entered) {
      for (const call of record?.calls ?? []) {
        if (call.abandon(reason)) this.#slots.give()
        else if (!call.isSettled) this.#slots.waiting--
      }
      record?.span?.failed(reason)
      record?.span?.end()
    }
  }
}
