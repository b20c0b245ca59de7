/**
 * Sends the events of one service from one process: each by itself, many at once, several as one.
 *
 * It has connections of its own and begins to use them with the first event. Nothing of it depends on the
 * service's topology: a service that has failed still sends, until it is closed.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { Cluster } from '../../client/cluster/cluster.ts'
import type { ClusterOptions } from '../../client/cluster/cluster.ts'
import { DeliveringProducer } from '../../client/producer/delivering-producer.ts'
import type { Delivery } from '../../client/producer/partition-queue.ts'
import type { BrokerAddress } from '../../client/security/kafka.ts'
import type { AnyEvent } from '../../events/event.ts'
import { eventTopic } from '../plan/plan.ts'
import { ensureTopics, topicProblem } from '../plan/topics.ts'
import { traceSending } from '../tracing/send-trace.ts'
import type { SendTrace } from '../tracing/send-trace.ts'
import { checkEvent, Encoders } from './encode.ts'
import type { Owner } from './encode.ts'
import { recordHeaders } from './headers.ts'
import type { EventOptions } from './headers.ts'
import { bufferFull, eventRejected, producerClosed } from './rejections.ts'
import { SendAllError } from './sends.ts'
import type { Receipt, SendStats, Write } from './sends.ts'
import type { SendSettings } from './settings.ts'
import { TransactionLine } from './transactions.ts'

/** An attempt of a request that hangs is given up in time for another two. */
const attemptsPerDelivery = 3
const requestTimeoutMsMax = 30_000

export interface EventSenderOptions extends Pick<ClusterOptions, 'clock' | 'random'> {
  readonly broker: BrokerAddress
  readonly owner: Owner
  /** Names this process among those of the service, and the one that takes its place. */
  readonly instance: string
  readonly settings: SendSettings
  readonly newIncarnation: () => string
}

export class EventSender {
  readonly service: string
  readonly #o: EventSenderOptions
  readonly #cluster: Cluster
  readonly #encoders: Encoders
  readonly #producer: DeliveringProducer
  readonly #line: TransactionLine
  #prepared: Promise<void> | undefined
  #isClosed = false
  #closed: Promise<void> | undefined
  #count = 0
  #waiting = 0
  #rejected = 0

  constructor(options: EventSenderOptions) {
    const { broker, clock, random, owner, instance, settings, newIncarnation } = options
    const { deliveryTimeoutMs, bufferBytesMax, messageBytesMax } = settings
    this.service = owner.name
    this.#o = options
    this.#cluster = Cluster.unasked({
      ...broker,
      clock,
      random,
      clientId: owner.name,
      requestTimeoutMs: Math.min(
        requestTimeoutMsMax,
        Math.ceil(deliveryTimeoutMs / attemptsPerDelivery),
      ),
      retryTimeoutMs: deliveryTimeoutMs,
    })
    this.#encoders = new Encoders(owner, messageBytesMax, random.bytes(1)[0]!)
    const prepare = (): Promise<void> => this.#prepare()
    this.#producer = new DeliveringProducer(this.#cluster, {
      bufferBytesMax,
      deliveryTimeoutMs,
      prepare,
    })
    this.#line = new TransactionLine({
      service: owner.name,
      instance,
      cluster: this.#cluster,
      encoders: this.#encoders,
      settings,
      prepare,
      newIncarnation,
    })
  }

  send(event: AnyEvent, message: unknown, options?: EventOptions): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const trace = traceSending({ event, options })
      try {
        const caller = { resolve, reject, trace }
        const sending = this.#append(event, message, { options, trace }, caller)
        if (!sending) throw bufferFull(event.name, this.#o.settings.bufferBytesMax)
      } catch (error) {
        this.#rejected++
        trace?.failed(error)
        reject(error)
      }
    })
  }

  /** Appends an event; false when there is no room for it. Throws what is wrong with it. */
  #append(event: AnyEvent, message: unknown, { options, trace }: Beside, caller: Caller): boolean {
    if (this.#isClosed) throw producerClosed(this.service)
    const now = this.#cluster.clock.now()
    checkEvent(event)
    const own = recordHeaders(event.name, options)
    const headers = trace === undefined ? own : trace.headers(own)
    const record = this.#encoders.encode(event, message, now, headers)
    const { partition, timestamp, key, value } = record
    const sending = new Sending(event.name, timestamp, caller, this.#onSettled)
    const isTaken = this.#taken(event.name, () =>
      this.#producer.append(event.name, partition, timestamp, key, value, sending, headers),
    )
    if (isTaken) this.#waiting++
    return isTaken
  }

  #taken(stream: string, append: () => boolean): boolean {
    try {
      return append()
    } catch (error) {
      throw isHeadwaterError(error) ? eventRejected(stream, error, false) : error
    }
  }

  readonly #onSettled = (isStored: boolean): void => {
    this.#waiting--
    if (isStored) this.#count++
    else this.#rejected++
  }

  async sendAll(
    event: AnyEvent,
    messages: readonly unknown[],
    options?: EventOptions,
  ): Promise<readonly Receipt[]> {
    const receipts: (Receipt | undefined)[] = messages.map(() => undefined)
    const failures = new Map<number, HeadwaterError>()
    const settled: Promise<void>[] = []
    let last: HeadwaterError | undefined
    let foreign: { readonly error: unknown } | undefined
    const trace = traceSending({ event, options, count: messages.length })
    for (const [at, message] of messages.entries()) {
      const fail = (error: unknown): void => {
        if (!isHeadwaterError(error)) return void (foreign ??= { error })
        failures.set(at, error)
        if (error.code === 'timeout') last = error
      }
      const sent = Promise.withResolvers<Receipt>()
      settled.push(sent.promise.then((receipt) => void (receipts[at] = receipt), fail))
      try {
        const append = (): boolean => this.#append(event, message, { options, trace }, sent)
        while (last === undefined && !append()) await this.#producer.room()
        // Once one of them was too late, the others are not begun: the broker is away.
        if (last !== undefined) throw eventRejected(event.name, last, false)
      } catch (error) {
        this.#rejected++
        sent.reject(error)
      }
    }
    await Promise.all(settled)
    const failure = foreign ?? failureOf(event.name, receipts, failures)
    if (failure === undefined) {
      trace?.allStored()
      return receipts as Receipt[]
    }
    trace?.failed(failure.error)
    throw failure.error
  }

  async transaction(write: Write): Promise<readonly Receipt[]> {
    let count = 0
    try {
      const receipts = await this.#line.run(write, () => {
        count++
        this.#waiting++
      })
      this.#count += count
      return receipts
    } catch (error) {
      this.#rejected += count
      throw error
    } finally {
      this.#waiting -= count
    }
  }

  stats(): SendStats {
    return { count: this.#count, waiting: this.#waiting, rejected: this.#rejected }
  }

  /** Waits for what was sent, for `closeTimeoutMs`; what is left then is rejected. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#isClosed = true
    const { closeTimeoutMs } = this.#o.settings
    const late = Promise.withResolvers<void>()
    const timer = this.#cluster.clock.after(closeTimeoutMs, late.resolve)
    await Promise.race([late.promise, Promise.all([this.#producer.told(), this.#line.finish()])])
    timer.cancel()
    const error = producerClosed(this.service)
    const ended = this.#line.close(error)
    this.#producer.close(error)
    await ended
    await this.#cluster.close()
  }

  /** Makes the topics of what the service writes, and sees that they are what the contracts say. */
  #prepare(): Promise<void> {
    this.#prepared ??= this.#checkTopics().catch((error: unknown) => {
      this.#prepared = undefined
      throw error
    })
    return this.#prepared
  }

  async #checkTopics(): Promise<void> {
    const topics = this.#o.owner.writes.map(eventTopic)
    await ensureTopics(this.#cluster, topics)
    for (const topic of topics) {
      const actual = await this.#cluster.partitionCount(topic.name)
      const problem = topicProblem(this.service, topic, actual)
      if (problem === undefined) continue
      throw new HeadwaterError(
        'state-mismatch',
        `topic '${topic.name}' ${problem.why}: ${problem.fixes.join(', ')}`,
      )
    }
  }
}

/** What goes with an event beside its message. */
interface Beside {
  readonly options: EventOptions | undefined
  readonly trace: SendTrace | undefined
}

/** Who waits for an event. */
interface Caller {
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: HeadwaterError) => void
  /** Of this event alone. */
  readonly trace?: SendTrace | undefined
}

function failureOf(
  stream: string,
  receipts: readonly (Receipt | undefined)[],
  failures: ReadonlyMap<number, HeadwaterError>,
): { readonly error: SendAllError } | undefined {
  if (failures.size === 0) return undefined
  const inOrder = new Map([...failures].toSorted(([a], [b]) => a - b))
  return { error: new SendAllError(stream, receipts, inOrder) }
}

/** One event on its way. */
class Sending implements Delivery {
  readonly #stream: string
  readonly #timestamp: number
  readonly #caller: Caller
  readonly #onSettled: (isStored: boolean) => void

  constructor(
    stream: string,
    timestamp: number,
    caller: Caller,
    onSettled: (isStored: boolean) => void,
  ) {
    this.#stream = stream
    this.#timestamp = timestamp
    this.#caller = caller
    this.#onSettled = onSettled
  }

  delivered(partition: number, offset: number): void {
    this.#onSettled(true)
    const { resolve, trace } = this.#caller
    trace?.stored(partition, offset)
    resolve({ stream: this.#stream, partition, offset, timestamp: this.#timestamp })
  }

  failed(error: HeadwaterError, isUnknown: boolean): void {
    this.#onSettled(false)
    const { reject, trace } = this.#caller
    const rejected = eventRejected(this.#stream, error, isUnknown)
    trace?.failed(rejected)
    reject(rejected)
  }
}
