/**
 * One call of a function that reaches outside: its record, its attempts, and what came of it.
 *
 * An attempt ends when the function settles or its time is up. A function that goes on after that is told by
 * its signal, and what it says then is not heard.
 */
import { HeadwaterError } from '../../../base/errors.ts'
import type { Clock, Timer } from '../../../io/ports.ts'
import type { RecordSource, SourceRecord } from '../../operators/source-record.ts'
import type { EmitHeader } from '../../stores/emit.ts'
import type { Key } from '../../stores/serde.ts'
import type { AsyncNode, CallContext } from '../../topology/topology.ts'

/** What a record is to its calls. Several calls of one record (behind a `flatMap`) share it. */
export interface CalledRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly headers: readonly EmitHeader[] | undefined
  /** All of it, where it may become a dead letter. */
  readonly whole: SourceRecord | undefined
  /** The time its first task had seen, for a record of an inner topic; else undefined. */
  readonly carried: number | undefined
  /** Bytes of its value. */
  readonly bytes: number
  calls: number
}

export class Call implements RecordSource {
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
    this.n = record.calls++
  }

  current(): SourceRecord {
    const { whole, topic, partition, offset, timestamp } = this.record
    return whole ?? { topic, partition, offset, timestamp, key: null, value: null, headers: [] }
  }

  headers(): readonly EmitHeader[] | undefined {
    return this.record.headers
  }

  /** Calls the function once; `done` hears how it ended, unless it is abandoned before. */
  attempt(
    node: AsyncNode,
    service: string,
    clock: Clock,
    done: (failed: boolean, outcome: unknown) => void,
  ): void {
    const attempt = new Attempt(this, node, service, ++this.attempts)
    this.#attempt = attempt
    const end = (failed: boolean, outcome: unknown): void => {
      if (this.#attempt !== attempt) return
      this.#attempt = undefined
      attempt.timer?.cancel()
      done(failed, outcome)
    }
    let made: unknown
    try {
      made = node.f(this.value, this.key, attempt)
    } catch (error) {
      return end(true, error)
    }
    if (!isPromise(made)) return end(false, made)
    attempt.timer = clock.after(node.timeoutMs, () => {
      const late = new HeadwaterError('timeout', `it took longer than ${node.timeoutMs} ms`)
      attempt.abort(late)
      end(true, late)
    })
    made.then(
      (result) => end(false, result),
      (error: unknown) => end(true, error),
    )
  }

  /** Tells the function that nobody waits for it any more, and hears nothing of it. Returns whether it was out. */
  abandon(reason: Error): boolean {
    const attempt = this.#attempt
    this.#attempt = undefined
    attempt?.timer?.cancel()
    attempt?.abort(reason)
    return attempt !== undefined
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
}

/** What the function is told. The signal and the key are made when they are asked for. */
class Attempt implements CallContext {
  timer: Timer | undefined
  readonly attempt: number
  readonly #call: Call
  readonly #name: string
  readonly #service: string
  #controller: AbortController | undefined
  #reason: Error | undefined

  constructor(call: Call, { name }: AsyncNode, service: string, attempt: number) {
    this.#call = call
    this.#name = name
    this.#service = service
    this.attempt = attempt
  }

  get topic(): string {
    return this.#call.record.topic
  }

  get partition(): number {
    return this.#call.record.partition
  }

  get offset(): number {
    return this.#call.record.offset
  }

  get timestamp(): number {
    return this.#call.timestamp
  }

  get headers(): readonly EmitHeader[] {
    return this.#call.record.headers ?? []
  }

  get idempotencyKey(): string {
    const { record, n } = this.#call
    const place = `${this.#service}/${this.#name}/${record.topic}/${record.partition}/${record.offset}`
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
