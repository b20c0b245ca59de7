/**
 * Asks services to decide: sends commands, and waits for what comes of them.
 *
 * It has connections of its own and dials nobody before the first command. A command leaves only when the outcomes
 * of its service are being read, so that no answer is missed. Who hears nothing in time is told so, and by which id
 * to ask again: that the command was decided cannot be ruled out once it has left.
 */
import { equalBytes } from '../../base/bytes.ts'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { Cluster } from '../../client/cluster/cluster.ts'
import type { ClusterOptions } from '../../client/cluster/cluster.ts'
import { DeliveringProducer } from '../../client/producer/delivering-producer.ts'
import type { Delivery } from '../../client/producer/partition-queue.ts'
import type { BrokerAddress } from '../../client/security/kafka.ts'
import { commandHeaders } from '../../events/commands.ts'
import type { CommandOutcome } from '../../events/commands.ts'
import type { AnyCommand } from '../../events/event.ts'
import type { Timer } from '../../io/ports.ts'
import type { RecordHeader } from '../../records/record.ts'
import { eventTopic } from '../plan/plan.ts'
import { topicProblem } from '../plan/topics.ts'
import { Encoders } from '../sending/encode.ts'
import { headerBytes, recordHeaders } from '../sending/headers.ts'
import { traceSending } from '../tracing/send-trace.ts'
import type { SendTrace } from '../tracing/send-trace.ts'
import { bufferFull, eventRejected } from '../sending/rejections.ts'
import { CommandInDoubt, answerOf, calledOff } from './answer.ts'
import type { CommandAnswer } from './answer.ts'
import { AskCounts } from './ask-counts.ts'
import type { AskStats } from './ask-counts.ts'
import { OutcomeReader } from './outcome-reader.ts'
import { askTimeoutMs, checkCommandId } from './settings.ts'
import type { AskOptions, AskSettings } from './settings.ts'

/** How long a command is tried while the broker is away, whatever its caller waits. */
const deliveryTimeoutMs = 30_000
const requestTimeoutMs = 10_000
/** A service that starts at the same moment makes its topics first. */
const topicWaitMs = 1_000

export interface AskerOptions extends Pick<ClusterOptions, 'clock' | 'random'> {
  readonly broker: BrokerAddress
  readonly settings: AskSettings
  /** A name that nobody has had. */
  readonly newId: () => string
}

export class Asker {
  readonly #o: AskerOptions
  readonly #cluster: Cluster
  readonly #encoders: Encoders
  readonly #producer: DeliveringProducer
  readonly #readers = new Map<string, OutcomeReader>()
  /** Streams whose topics are what their contracts say. */
  readonly #known = new Set<string>()
  readonly #asks = new Map<string, Set<Ask>>()
  #waiting = 0
  #heldBytes = 0
  readonly #counts = new AskCounts()
  #closed: Promise<void> | undefined

  constructor(options: AskerOptions) {
    const { broker, clock, random, settings } = options
    this.#o = options
    this.#cluster = Cluster.unasked({
      ...broker,
      clock,
      random,
      clientId: 'headwater-asker',
      requestTimeoutMs,
      retryTimeoutMs: deliveryTimeoutMs,
      topicWaitMs,
    })
    const owner = { name: 'this program', writes: [] }
    this.#encoders = new Encoders(owner, settings.messageBytesMax, 0)
    this.#producer = new DeliveringProducer(this.#cluster, {
      bufferBytesMax: settings.bufferBytesMax,
      deliveryTimeoutMs,
      prepare: async () => {},
    })
  }

  ask(commands: AnyCommand, message: unknown, options: AskOptions = {}): Promise<CommandAnswer> {
    return new Promise((resolve, reject) => {
      const trace = traceSending({ event: commands, options })
      try {
        this.#counts.of(commands).asked++
        this.#begin(commands, message, options, { resolve, reject, trace })
      } catch (error) {
        this.#counts.of(commands).failed++
        trace?.failed(error)
        reject(error)
      }
    })
  }

  /** Throws what is wrong with the command, or that there is no room for it. */
  #begin(commands: AnyCommand, message: unknown, options: AskOptions, settling: Settling): void {
    const { clock } = this.#cluster
    const { asksMax, bufferBytesMax } = this.#o.settings
    if (this.#closed !== undefined) throw askerClosed()
    checkKind(commands)
    const { id = this.#o.newId(), signal } = options
    checkCommandId(id)
    const timeoutMs = askTimeoutMs(options)
    const given = recordHeaders(commands.name, options)?.map(copyOf)
    const own = settling.trace === undefined ? given : settling.trace.headers(given)
    const record = this.#encoders.encode(commands, message, clock.now(), own)
    if (signal?.aborted === true) throw calledOff(commands.name)
    if (this.#waiting >= asksMax) throw tooMany(commands.name, asksMax)
    const { partition, timestamp } = record
    const key = record.key!.slice()
    const value = record.value.slice()
    const bytes = key.length + value.length + headerBytes(own)
    if (this.#heldBytes + bytes > bufferBytesMax) throw bufferFull(commands.name, bufferBytesMax)
    const ask = new Ask({ commands, id, partition, timestamp, key }, settling, bytes)
    ask.timer = clock.after(timeoutMs, () => this.#late(ask, timeoutMs))
    ask.heedSignal(signal, () => this.#calledOff(ask))
    this.#add(ask)
    const reader = this.#readerOf(commands.owner)
    const content = { value, headers: own }
    if (reader.isOpen && this.#known.has(commands.name)) this.#send(ask, content, reader)
    else void this.#sendWhenReady(ask, content, reader)
  }

  #add(ask: Ask): void {
    const asks = this.#asks.get(ask.of.id)
    if (asks === undefined) this.#asks.set(ask.of.id, new Set([ask]))
    else asks.add(ask)
    this.#waiting++
    this.#counts.of(ask.of.commands).waiting++
    this.#heldBytes += ask.heldBytes
  }

  #readerOf(service: string): OutcomeReader {
    let reader = this.#readers.get(service)
    if (reader === undefined) {
      reader = new OutcomeReader({
        cluster: this.#cluster,
        service,
        isAwaited: (id) => this.#asks.has(id),
        onOutcome: (outcome) => this.#tell(outcome),
      })
      this.#readers.set(service, reader)
    }
    return reader
  }

  async #sendWhenReady(ask: Ask, content: Content, reader: OutcomeReader): Promise<void> {
    try {
      await reader.open()
      await this.#checkTopic(ask.of.commands)
    } catch (error) {
      if (!isHeadwaterError(error)) throw error
      return this.#fail(ask, eventRejected(ask.of.commands.name, error, false))
    }
    if (ask.isOpen) this.#send(ask, content, reader)
  }

  async #checkTopic(commands: AnyCommand): Promise<void> {
    const actual = await this.#cluster.partitionCount(commands.name)
    const problem = topicProblem(commands.owner, eventTopic(commands), actual)
    if (problem === undefined) return void this.#known.add(commands.name)
    throw new HeadwaterError(
      'state-mismatch',
      `topic '${commands.name}' ${problem.why}: ${problem.fixes.join(', ')}`,
    )
  }

  #send(ask: Ask, { value, headers = [] }: Content, { partition: replyPartition }: OutcomeReader) {
    const { commands, id, partition, timestamp, key } = ask.of
    const all = [...headers, ...commandHeaders(id, replyPartition)]
    const delivery: Delivery = {
      delivered: (at, offset) => {
        ask.settling.trace?.stored(at, offset)
        this.#release(ask, key.length)
      },
      failed: (error, isUnknown) => {
        if (isUnknown) this.#fail(ask, new CommandInDoubt(id, commands.name, error.message, error))
        else this.#fail(ask, eventRejected(commands.name, error, false))
      },
    }
    ask.hasLeft = true
    try {
      const { name } = commands
      if (this.#producer.append(name, partition, timestamp, key, value, delivery, all)) return
      this.#fail(ask, bufferFull(commands.name, this.#o.settings.bufferBytesMax))
    } catch (error) {
      if (!isHeadwaterError(error)) throw error
      this.#fail(ask, eventRejected(commands.name, error, false))
    }
  }

  #tell(outcome: CommandOutcome): void {
    for (const ask of this.#asks.get(outcome.id) ?? []) {
      if (!isOf(outcome, ask)) continue
      this.#remove(ask)
      const { commands } = ask.of
      try {
        const answer = answerOf(outcome)
        this.#counts.answered(commands, answer)
        ask.settling.resolve(answer)
      } catch (error) {
        this.#counts.answered(commands, undefined)
        ask.settling.reject(error)
        // It is not remembered: each that comes again is tried anew, and may fare otherwise.
        return
      }
    }
  }

  #late(ask: Ask, timeoutMs: number): void {
    const { id, commands } = ask.of
    this.#counts.of(commands).timedOut++
    const error = ask.hasLeft
      ? new CommandInDoubt(id, commands.name, `no outcome came within ${timeoutMs} ms`)
      : notSentInTime(commands.name, timeoutMs)
    this.#fail(ask, error)
  }

  #calledOff(ask: Ask): void {
    const { id, commands } = ask.of
    const error = calledOff(commands.name)
    this.#fail(
      ask,
      ask.hasLeft ? new CommandInDoubt(id, commands.name, 'it was called off') : error,
    )
  }

  #fail(ask: Ask, error: HeadwaterError): void {
    if (!ask.isOpen) return
    this.#remove(ask)
    this.#counts.of(ask.of.commands)[error.outcome === 'unknown' ? 'inDoubt' : 'failed']++
    ask.settling.trace?.failed(error)
    ask.settling.reject(error)
  }

  #remove(ask: Ask): void {
    ask.end()
    this.#release(ask, 0)
    this.#waiting--
    this.#counts.of(ask.of.commands).waiting--
    const asks = this.#asks.get(ask.of.id)!
    asks.delete(ask)
    if (asks.size === 0) this.#asks.delete(ask.of.id)
  }

  /** The broker has the command, of which the key is kept to know its outcome by; or nobody waits any more. */
  #release(ask: Ask, keptBytes: number): void {
    if (!ask.isOpen && keptBytes > 0) return
    this.#heldBytes -= ask.heldBytes - keptBytes
    ask.heldBytes = keptBytes
  }

  /** @param isCounted by the service that decides; all are counted when left out */
  stats(isCounted: (service: string) => boolean = () => true): AskStats {
    return this.#counts.sum(isCounted)
  }

  /** Those who wait are told that they will not hear; the commands are decided nevertheless. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  async #close(): Promise<void> {
    const error = askerClosed()
    for (const asks of this.#asks.values()) {
      for (const ask of asks) {
        const { id, commands } = ask.of
        const inDoubt = new CommandInDoubt(id, commands.name, error.message, error)
        this.#fail(ask, ask.hasLeft ? inDoubt : error)
      }
    }
    this.#producer.close(error)
    await Promise.all(Array.from(this.#readers.values(), (reader) => reader.close()))
    await this.#cluster.close()
  }
}

interface Settling {
  readonly resolve: (answer: CommandAnswer) => void
  readonly reject: (error: unknown) => void
  /** Of the command on its way to the broker. */
  readonly trace?: SendTrace | undefined
}

interface AskedCommand {
  readonly commands: AnyCommand
  readonly id: string
  readonly partition: number
  readonly timestamp: number
  readonly key: Uint8Array
}

/** What else leaves, and is forgotten then: who waits long waits for little. */
interface Content {
  readonly value: Uint8Array
  readonly headers: readonly RecordHeader[] | undefined
}

/** A command on its way, and who waits for what comes of it. */
class Ask {
  readonly of: AskedCommand
  readonly settling: Settling
  timer: Timer | undefined
  heldBytes: number
  /** It may be with the broker. */
  hasLeft = false
  isOpen = true
  #unheed: (() => void) | undefined

  constructor(of: AskedCommand, settling: Settling, bytes: number) {
    this.of = of
    this.settling = settling
    this.heldBytes = bytes
  }

  heedSignal(signal: AbortSignal | undefined, onAbort: () => void): void {
    signal?.addEventListener('abort', onAbort)
    this.#unheed = () => signal?.removeEventListener('abort', onAbort)
  }

  end(): void {
    this.isOpen = false
    this.timer?.cancel()
    this.#unheed?.()
  }
}

/** It waits here, and its bytes are the caller's. */
function copyOf({ key, value }: RecordHeader): RecordHeader {
  return { key, value: value && value.slice() }
}

/** Whether an outcome is what came of a command; others may have given theirs the same id. */
function isOf({ commands, key }: CommandOutcome, { of, hasLeft }: Ask): boolean {
  return hasLeft && commands === of.commands.name && equalBytes(key, of.key)
}

function checkKind({ name, kind }: { readonly name: string; readonly kind: string }): void {
  if (kind === 'command') return
  throw refused(
    'config-invalid',
    `stream '${name}' is ${kind}, and only commands are decided: send it, or declare it with KIND_COMMAND`,
  )
}

function tooMany(stream: string, asksMax: number): HeadwaterError {
  return new HeadwaterError(
    'buffer-full',
    `a command of stream '${stream}' was refused: the outcomes of ${asksMax} are waited for already; wait for some of them, ask less at once, or raise asksMax`,
    { retriable: true, outcome: 'not-written' },
  )
}

function notSentInTime(stream: string, timeoutMs: number): HeadwaterError {
  return new HeadwaterError(
    'timeout',
    `a command of stream '${stream}' was not sent within ${timeoutMs} ms, and will not be: its broker is away, or too slow to say where outcomes are`,
    { retriable: true, outcome: 'not-written' },
  )
}

function askerClosed(): HeadwaterError {
  return refused('producer-closed', 'this program asks no more: what it asks by is closed')
}

function refused(code: 'config-invalid' | 'producer-closed', what: string) {
  return new HeadwaterError(code, what, { outcome: 'not-written' })
}
