/**
 * One call of a function that reaches outside: its record, its attempts, and what came of it.
 *
 * An attempt ends when the function settles or its time is up. A function that goes on after that is told by
 * its signal, and what it says then is not heard.
 */
import { HeadwaterError } from '../../../base/errors.ts'
import type { Failure } from '../../operators/dead-letter.ts'
import type { RecordSource, SourceRecord } from '../../operators/source-record.ts'
import type { EmitHeader } from '../../stores/emit.ts'
import type { Key } from '../../stores/serde.ts'
import type { AsyncNode, CallContext } from '../../topology/topology.ts'
import type { CallSpan, RecordSpan } from '../../tracing/record-span.ts'
import type { CallDeadlines, Timed, Watched } from './call-deadlines.ts'

/** Of a record, what its calls need when its batch is gone. */
export interface RecordOfCalls {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly ownHeaders: readonly EmitHeader[] | undefined
  /** All of it, where it may become a dead letter. */
  readonly whole: SourceRecord | undefined
  /** The time its first task had seen, for a record of an inner topic; else undefined. */
  readonly carried: number | undefined
  /** Bytes of its key, value and headers. */
  readonly bytes: number
}

/** What a record is to its calls. Several calls of one record (behind a `flatMap`) share it. */
export class CalledRecord implements RecordSource {
  readonly of: RecordOfCalls
  readonly calls: Call[] = []
  /** Calls that are not settled. */
  open = 0
  /** What failed of it before it led to calls, and becomes letters together with them. */
  failures: readonly Failure[] = []
  /** What is to be done in its turn besides. */
  inTurn: (() => void) | undefined
  readonly span: RecordSpan | undefined

  /** @param span is ended by who applies the record, or gives it up */
  constructor(of: RecordOfCalls, span?: RecordSpan) {
    this.of = of
    this.span = span
  }

  current(): SourceRecord {
    const { whole, topic, partition, offset, timestamp } = this.of
    return whole ?? { topic, partition, offset, timestamp, key: null, value: null, headers: [] }
  }

  headers(): readonly EmitHeader[] | undefined {
    return this.of.ownHeaders
  }

  /** Nothing that follows a call asks for those of the platform. */
  allHeaders(): readonly EmitHeader[] {
    return this.of.ownHeaders ?? []
  }
}

export class Call {
  readonly record: CalledRecord
  readonly key: Key | null
  readonly value: unknown
  readonly timestamp: number
  /** Its number among the calls of its record. */
  readonly n: number
  attempts = 0
  isSettled = false
  result: unknown
  error: unknown
  /** The next one with the same key, which waits for this one. */
  next: Call | undefined
  #attempt: Attempt | undefined

  constructor(record: CalledRecord, key: Key | null, value: unknown, timestamp: number) {
    this.record = record
    this.key = key
    this.value = value
    this.timestamp = timestamp
    this.n = record.calls.push(this) - 1
    record.open++
  }

  /** Calls the function once; `done` hears how it ended, unless it is abandoned before. */
  attempt(
    node: AsyncNode,
    service: string,
    deadlines: CallDeadlines,
    done: (failed: boolean, outcome: unknown) => void,
  ): void {
    const attempt = new Attempt(this, node, service, ++this.attempts, done)
    this.#attempt = attempt
    let made: unknown
    let isPending: boolean
    try {
      made = attempt.begin()
      isPending = isPromise(made)
    } catch (error) {
      return attempt.end(true, error)
    }
    if (!isPending) return attempt.end(false, made)
    attempt.watched = deadlines.watch(attempt)
    ;(made as PromiseLike<unknown>).then(
      (result) => attempt.end(false, result),
      (error: unknown) => attempt.end(true, error),
    )
  }

  /** Tells the function that nobody waits for it any more, and hears nothing of it. Returns whether it was out. */
  abandon(reason: Error): boolean {
    const attempt = this.#attempt
    if (attempt === undefined || attempt.isOver) return false
    attempt.stop(true, reason)
    attempt.abort(reason)
    return true
  }
}

function isPromise(value: unknown): boolean {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
}

/** What the function is told. The signal and the key are made when they are asked for. */
class Attempt implements CallContext, Timed {
  isOver = false
  watched: Watched | undefined
  readonly attempt: number
  readonly #call: Call
  readonly #node: AsyncNode
  readonly #service: string
  readonly #done: (failed: boolean, outcome: unknown) => void
  #span: CallSpan | undefined
  #controller: AbortController | undefined
  #reason: Error | undefined

  constructor(
    call: Call,
    node: AsyncNode,
    service: string,
    attempt: number,
    done: (failed: boolean, outcome: unknown) => void,
  ) {
    this.#call = call
    this.#node = node
    this.#service = service
    this.#done = done
    this.attempt = attempt
  }

  /** Calls the function, as what its own requests are children of where the record is traced. */
  begin(): unknown {
    const { record, key, value } = this.#call
    const { f, name, isEffect } = this.#node
    if (record.span === undefined) return f(value, key, this)
    const { attempt, idempotencyKey } = this
    const operator = `${isEffect ? 'forEach' : 'mapAsync'} ${name}`
    this.#span = record.span.call({ operator, attempt, idempotencyKey })
    return this.#span.run(() => f(value, key, this))
  }

  /** It has settled, or its time is up: whichever comes first is heard. */
  end(failed: boolean, outcome: unknown): void {
    if (this.isOver) return
    this.stop(failed, outcome)
    this.#done(failed, outcome)
  }

  /** Hears nothing any more, neither of the function nor of its time. */
  stop(failed: boolean, outcome: unknown): void {
    this.isOver = true
    if (failed) this.#span?.failed(outcome)
    this.#span?.end()
    if (this.watched !== undefined) this.watched.timed = undefined
  }

  expire(): void {
    const { timeoutMs } = this.#node
    const late = new HeadwaterError('timeout', `it took longer than ${timeoutMs} ms`)
    this.abort(late)
    this.end(true, late)
  }

  get topic(): string {
    return this.#call.record.of.topic
  }

  get partition(): number {
    return this.#call.record.of.partition
  }

  get offset(): number {
    return this.#call.record.of.offset
  }

  get timestamp(): number {
    return this.#call.timestamp
  }

  get headers(): readonly EmitHeader[] {
    return this.#call.record.of.ownHeaders ?? []
  }

  get idempotencyKey(): string {
    const { record, n } = this.#call
    const { topic, partition, offset } = record.of
    const place = `${this.#service}/${this.#node.name}/${topic}/${partition}/${offset}`
    return n === 0 ? place : `${place}/${n}`
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  abort(reason: Error): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}
