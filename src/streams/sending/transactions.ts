/**
 * Transactions of a service's process: one after the other, each over all streams of the service.
 *
 * One at a time, because a transactional id has one transaction, and ids that are made and dropped cost a
 * coordinator more than a line costs its callers. The id is the instance's, from process to process, so a
 * process that comes back ends what the one before left open:
 *
 *     <service>~send/<instance>                  the first
 *     <service>~send/<instance>/<incarnation>    after a producer that was fenced or whose end is unknown
 *
 * It must not begin with `<service>/`: what does is fenced by instances of the topology as left by the dead.
 * Nobody asks for an id twice, so two processes of one instance id fence each other once and both go on.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import { Producer } from '../../client/producer/producer.ts'
import { recordBytesMax } from '../../client/producer/record-size.ts'
import type { AnyEvent } from '../../events/event.ts'
import type { Clock, Timer } from '../../io/ports.ts'
import { traceSending } from '../tracing/send-trace.ts'
import type { SendTrace } from '../tracing/send-trace.ts'
import { checkEvent } from './encode.ts'
import type { Encoders } from './encode.ts'
import { recordHeaders } from './headers.ts'
import type { EventOptions } from './headers.ts'
import {
  lineFull,
  producerClosed,
  tooLate,
  transactionFull,
  transactionRejected,
} from './rejections.ts'
import type { OpenTransaction, Receipt, Write } from './sends.ts'
import type { SendSettings } from './settings.ts'

/** Coordinators take no longer transactions unless told to (`transaction.max.timeout.ms`). */
const transactionTimeoutMsMax = 900_000
/** What the coordinator waits beyond our own deadline, so that it is we who give up first. */
const transactionGraceMs = 5_000
/** How long the end of a transaction that does not count is waited for, and by who closes. */
const abortMs = 5_000
const closingAbortMs = 1_000
/** What an event costs beside its bytes: its receipt. */
const receiptBytes = 256

export interface TransactionLineOptions {
  readonly service: string
  readonly instance: string
  readonly cluster: Cluster
  readonly encoders: Encoders
  readonly settings: SendSettings
  /** Awaited before the first transaction. */
  readonly prepare: () => Promise<void>
  /** A name that nobody has had. */
  readonly newIncarnation: () => string
}

export class TransactionLine {
  readonly #o: TransactionLineOptions
  #transactionalId: string
  #producer: Producer | undefined
  /** The end of the last one in line. */
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #isClosed = false
  /** Of those in line, the one that runs included. */
  readonly #deadlines = new Set<Deadline>()

  constructor(options: TransactionLineOptions) {
    this.#o = options
    this.#transactionalId = `${options.service}~send/${options.instance}`
  }

  /** Runs `write` in a transaction of its own; `onCount` hears how many events are in it by now. */
  async run(write: Write, onCount: () => void): Promise<Receipt[]> {
    const { settings, service, cluster } = this.#o
    if (this.#isClosed) throw producerClosed(service)
    if (this.#waiting > settings.transactionsWaitingMax) {
      throw lineFull(settings.transactionsWaitingMax)
    }
    this.#waiting++
    const before = this.#last
    const done = Promise.withResolvers<void>()
    this.#last = before.then(() => done.promise)
    const deadline = new Deadline(cluster.clock)
    deadline.after(settings.deliveryTimeoutMs, tooLate(settings.deliveryTimeoutMs))
    this.#deadlines.add(deadline)
    const inTime: InTime = (work) => deadline.before(work)
    try {
      await inTime(before).catch(rejectAs(false))
      return await this.#run(write, onCount, inTime)
    } finally {
      deadline.cancel()
      this.#deadlines.delete(deadline)
      this.#waiting--
      done.resolve()
    }
  }

  async #run(write: Write, onCount: () => void, inTime: InTime): Promise<Receipt[]> {
    const producer = await this.#begin(inTime).catch(rejectAs(false))
    const receipts: Receipt[] = []
    const open = new WritingTransaction(producer, this.#o, receipts, onCount)
    let thrown: Failure | undefined
    try {
      // What the function throws is a value here, so that all that rejects is ours.
      thrown = (await inTime(outcomeOf(write, open))) ?? open.refusal
      if (thrown === undefined) await inTime(producer.flush())
    } catch (error) {
      thrown = { error: asRejected(error, false) }
    }
    open.end()
    if (thrown !== undefined) {
      open.failed(thrown.error)
      await this.#abort(producer)
      throw thrown.error
    }
    await this.#commit(producer, inTime).catch((error: unknown) => {
      open.failed(error)
      throw error
    })
    open.committed()
    return receipts
  }

  /** A producer with an open transaction. */
  async #begin(inTime: InTime): Promise<Producer> {
    if (this.#producer?.failure !== undefined) void this.#discard(this.#producer)
    if (this.#producer === undefined) {
      const { cluster, prepare, settings } = this.#o
      await inTime(prepare())
      const { deliveryTimeoutMs, bufferBytesMax } = settings
      const producer = new Producer(cluster, {
        transactionalId: this.#transactionalId,
        transactionTimeoutMs: Math.min(
          transactionTimeoutMsMax,
          deliveryTimeoutMs + transactionGraceMs,
        ),
        deliveryTimeoutMs,
        bufferBytesMax,
        lingerMs: 0,
      })
      try {
        await inTime(producer.init())
      } catch (error) {
        void this.#discard(producer)
        throw error
      }
      this.#producer = producer
    }
    this.#producer.begin()
    return this.#producer
  }

  async #commit(producer: Producer, inTime: InTime): Promise<void> {
    try {
      await inTime(producer.commit())
    } catch (error) {
      // The coordinator may have heard of the end, and nobody else can say.
      void this.#discard(producer)
      throw asRejected(error, true)
    }
  }

  /** Ends a transaction that is not to count, given that the coordinator answers soon. */
  async #abort(producer: Producer): Promise<void> {
    // It was ended by who closes.
    if (this.#producer !== producer) return
    const grace = new Deadline(this.#o.cluster.clock)
    grace.after(abortMs, tooLate(abortMs))
    try {
      await grace.before(producer.abort())
    } catch (error) {
      if (!isHeadwaterError(error)) throw error
      // What was sent counts for nobody: the coordinator aborts it when its time is over.
      void this.#discard(producer)
    } finally {
      grace.cancel()
    }
  }

  #discard(producer: Producer): Promise<void> {
    if (this.#producer === producer) this.#producer = undefined
    const { service, instance, newIncarnation } = this.#o
    this.#transactionalId = `${service}~send/${instance}/${newIncarnation()}`
    return producer.close().catch((error: unknown) => {
      if (!isHeadwaterError(error)) throw error
    })
  }

  /** Takes no more, and resolves when those in line have ended. */
  async finish(): Promise<void> {
    this.#isClosed = true
    await this.#last
  }

  /** Ends what has not ended, with `error`; the coordinator is told, if it answers soon. */
  async close(error: HeadwaterError): Promise<void> {
    this.#isClosed = true
    for (const deadline of this.#deadlines) deadline.end(error)
    if (this.#producer === undefined) return
    const late = Promise.withResolvers<void>()
    const timer = this.#o.cluster.clock.after(closingAbortMs, late.resolve)
    await Promise.race([late.promise, this.#discard(this.#producer)])
    timer.cancel()
  }
}

interface Failure {
  readonly error: unknown
}

/** A moment by which something has to have happened. */
class Deadline {
  readonly #clock: Clock
  readonly #over = Promise.withResolvers<never>()
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#over.promise.catch(() => undefined)
  }

  after(delayMs: number, error: HeadwaterError): void {
    this.#timer = this.#clock.after(delayMs, () => this.end(error))
  }

  end(error: HeadwaterError): void {
    this.#over.reject(error)
  }

  cancel(): void {
    this.#timer?.cancel()
  }

  before<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#over.promise])
  }
}

/** The result of `work`, or a rejection when the time of the transaction is over. */
type InTime = <T>(work: Promise<T>) => Promise<T>

class WritingTransaction implements OpenTransaction {
  readonly #producer: Producer
  readonly #o: TransactionLineOptions
  readonly #receipts: Receipt[]
  readonly #onCount: () => void
  /** By place; of events that nobody traces there is none. */
  readonly #traces = new Map<number, SendTrace>()
  #heldBytes = 0
  #isOver = false
  /** The first event that could not be in it, so that it does not count without that one. */
  refusal: Failure | undefined

  constructor(
    producer: Producer,
    options: TransactionLineOptions,
    receipts: Receipt[],
    onCount: () => void,
  ) {
    this.#producer = producer
    this.#o = options
    this.#receipts = receipts
    this.#onCount = onCount
  }

  send(event: AnyEvent, message: unknown, options?: EventOptions): void {
    const trace = traceSending({ event, options })
    try {
      this.#send(event, message, { options, trace })
    } catch (error) {
      trace?.failed(error)
      this.refusal ??= { error }
      throw error
    }
  }

  #send(event: AnyEvent, message: unknown, { options, trace }: Beside): void {
    const { cluster, encoders, settings } = this.#o
    if (this.#isOver) throw overError()
    checkEvent(event)
    const own = recordHeaders(event.name, options)
    const headers = trace === undefined ? own : trace.headers(own)
    const record = encoders.encode(event, message, cluster.clock.now(), headers)
    const { partition, timestamp, key, value } = record
    const stream = event.name
    this.#heldBytes += recordBytesMax(key, value, headers) + receiptBytes
    if (this.#heldBytes > settings.bufferBytesMax) {
      throw transactionFull(stream, settings.bufferBytesMax)
    }
    const receipts = this.#receipts
    const index = receipts.length
    const receipt = { stream, partition, offset: -1, timestamp }
    try {
      this.#producer.append(stream, partition, timestamp, key, value, headers, {
        delivered: (_partition, offset) => {
          receipts[index] = { ...receipt, offset }
        },
        failed: () => undefined,
      })
    } catch (error) {
      throw asRejected(error, false)
    }
    receipts.push(receipt)
    if (trace !== undefined) this.#traces.set(index, trace)
    this.#onCount()
  }

  end(): void {
    this.#isOver = true
  }

  committed(): void {
    for (const [i, trace] of this.#traces) {
      const { partition, offset } = this.#receipts[i]!
      trace.stored(partition, offset)
    }
  }

  /** None of them counts. */
  failed(error: unknown): void {
    for (const trace of this.#traces.values()) trace.failed(error)
  }
}

/** What goes with an event beside its message. */
interface Beside {
  readonly options: EventOptions | undefined
  readonly trace: SendTrace | undefined
}

/** Runs the function of a transaction; what it threw, if it did. */
async function outcomeOf(write: Write, open: OpenTransaction): Promise<Failure | undefined> {
  try {
    await write(open)
    return undefined
  } catch (error) {
    return { error }
  }
}

function asRejected(error: unknown, isUnknown: boolean): unknown {
  return isHeadwaterError(error) ? transactionRejected(error, isUnknown) : error
}

function rejectAs(isUnknown: boolean): (error: unknown) => never {
  return (error) => {
    throw asRejected(error, isUnknown)
  }
}

function overError(): HeadwaterError {
  return new HeadwaterError(
    'producer-closed',
    'this transaction is over: send inside its function, and await everything it does',
    { outcome: 'not-written' },
  )
}
