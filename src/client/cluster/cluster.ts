/**
 * A cluster as a client sees it: the one door through which requests find the right broker.
 *
 * `request` looks up the target, sends, and repeats with growing pauses while the answer is "not here",
 * "not yet" or no answer at all, so a broker that restarts is a pause and not an error. Any other error
 * code is in the response, and the caller's. Repeating is safe for every API sent through here: each is
 * idempotent, or answers a repetition with a code that says so. What leaders are asked does not come this
 * way: `askLeaders` groups partitions, and the producer repeats in sequence order by itself.
 */
import type { Address } from '../../base/address.ts'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Clock, Dial, Random } from '../../io/ports.ts'
import type { ApiName, ResponseOf } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { Sasl } from '../security/sasl.ts'
import { backoffMs, sleep } from './backoff.ts'
import type { Body, Connection, RequestOptions } from './connection.ts'
import { ConnectionPool } from './connection-pool.ts'
import type { TopicChange } from './directory.ts'
import { Directory } from './directory.ts'
import type { Metadata, PartitionPlace, TopicPlace } from './metadata.ts'
import type { RepeatableApi } from './response-codes.ts'
import { coordinatorCodes, hasCode } from './response-codes.ts'
import { wireError } from './wire-error.ts'

const requestTimeoutMsDefault = 30_000
/** How often each address is tried for metadata: a connection may break at any time. */
const refreshRounds = 2
/** How long `request` goes on repeating. */
const retryTimeoutMsDefault = 60_000
/** A topic made by someone else a moment ago may not have reached every broker. */
const topicWaitMsDefault = 3_000
/** Kafka's `metadata.max.age.ms`. */
const metadataMaxAgeMsDefault = 300_000

export interface ClusterOptions {
  readonly bootstrap: readonly { readonly host: string; readonly port: number }[]
  readonly dial: Dial
  readonly clock: Clock
  readonly random: Random
  /** How to sign in; left out where nobody is asked. */
  readonly sasl?: Sasl | undefined
  /** The name brokers log and show; `headwater` when left out. */
  readonly clientId?: string
  /** How long one attempt of a request may take. */
  readonly requestTimeoutMs?: number
  /** How long a request is repeated while brokers are away or a role moves. */
  readonly retryTimeoutMs?: number
  /** How long a topic that no broker knows is waited for: it may have been made a moment ago. */
  readonly topicWaitMs?: number
  /** How old metadata may grow before it is asked for anew, 5 minutes when left out: the time in which
   * partitions that were added, and topics that were made, are noticed. */
  readonly metadataMaxAgeMs?: number
}

/** Which broker a request is for; a number is a node id. */
export type Target =
  | number
  | 'any'
  | 'controller'
  | { readonly coordinator: 'group' | 'transaction'; readonly id: string }

export interface SendOptions extends RequestOptions {
  readonly lane?: string
}

export interface ClusterRequestOptions extends SendOptions {
  /** Error codes that also mean "try again", beside those of a role that moved. */
  readonly retryCodes?: readonly number[]
  readonly retryTimeoutMs?: number
  /** Asked before each repetition: false ends them with what came last. */
  readonly isWanted?: () => boolean
}

export class Cluster {
  readonly clock: Clock
  readonly random: Random
  readonly #options: ClusterOptions
  readonly #pool: ConnectionPool
  readonly #directory: Directory
  readonly #coordinators = new Map<string, number>()
  #onContact: (outage: HeadwaterError | undefined) => void = () => {}

  private constructor(options: ClusterOptions) {
    this.#options = options
    this.clock = options.clock
    this.random = options.random
    this.#pool = new ConnectionPool({
      dial: options.dial,
      clock: options.clock,
      random: options.random,
      sasl: options.sasl,
      clientId: options.clientId ?? 'headwater',
      requestTimeoutMs: options.requestTimeoutMs ?? requestTimeoutMsDefault,
      addressOf: (nodeId) => this.#addressOf(nodeId),
      isGiven: ({ host, port }) =>
        options.bootstrap.some((each) => each.host === host && each.port === port),
      onUnreachable: () => this.markStale(),
      onContact: (outage) => this.#onContact(outage),
    })
    this.#directory = new Directory({
      clock: options.clock,
      random: options.random,
      maxAgeMs: options.metadataMaxAgeMs ?? metadataMaxAgeMsDefault,
      topicWaitMs: options.topicWaitMs ?? topicWaitMsDefault,
      retryTimeoutMs: options.retryTimeoutMs ?? retryTimeoutMsDefault,
      ask: (attempt, topics) =>
        this.send(this.#anyBroker(attempt), 'Metadata', {
          topics: topics.map((name) => ({ name })),
          allowAutoTopicCreation: false,
        }),
      attemptsMax: () =>
        (this.metadata.brokerIds().length + options.bootstrap.length) * refreshRounds,
    })
  }

  /** A cluster that nobody has been asked about yet: the first request looks for it. */
  static unasked(options: ClusterOptions): Cluster {
    if (options.bootstrap.length === 0) {
      throw new HeadwaterError('config-invalid', 'no broker address was given: name at least one')
    }
    return new Cluster(options)
  }

  /**
   * Asks the first bootstrap broker that answers for the cluster; `connection-failed` when none does,
   * `tls-failed` or `authentication-failed` when one does and refuses.
   */
  static async connect(options: ClusterOptions): Promise<Cluster> {
    const cluster = Cluster.unasked(options)
    try {
      await cluster.refresh()
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  /** What is known of the cluster, right or not. */
  get metadata(): Metadata {
    return this.#directory.metadata
  }

  /**
   * Sends a request to its target, as often as it takes. Rejects with the last failure once
   * `retryTimeoutMs` is over; a refusal that lasts that long is returned as it came.
   */
  async request<N extends RepeatableApi>(
    api: N,
    body: Body<N>,
    target: Target = 'any',
    o: ClusterRequestOptions = {},
  ): Promise<ResponseOf<N>> {
    const limitMs = o.retryTimeoutMs ?? this.#options.retryTimeoutMs ?? retryTimeoutMsDefault
    const deadline = this.clock.monotonic() + limitMs
    for (let attempt = 1; ; attempt++) {
      let response: ResponseOf<N> | undefined
      let failure: HeadwaterError | undefined
      try {
        response = await this.send(await this.#locate(target, attempt), api, body, o)
        if (hasCode(api, response, roleCodes(target))) this.#forget(target)
        else if (!hasCode(api, response, o.retryCodes ?? [])) return response
      } catch (error) {
        if (!isHeadwaterError(error) || !error.retriable || this.#pool.isClosed) throw error
        failure = error
        this.#forget(target)
      }
      const pauseMs = backoffMs(attempt, this.random)
      const isWanted = o.isWanted?.() ?? true
      if (isWanted && this.clock.monotonic() + pauseMs < deadline) await sleep(this.clock, pauseMs)
      else if (response !== undefined) return response
      else throw failure!
    }
  }

  /** One attempt on one broker. Its failure does not say whether the broker did what was asked. */
  async send<N extends ApiName>(
    nodeId: number,
    api: N,
    body: Body<N>,
    o: SendOptions = {},
  ): Promise<ResponseOf<N>> {
    const connection = await this.connection(nodeId, o.lane)
    return connection.request(api, body, o)
  }

  /** The connection of a lane to a broker, opened when it is not. */
  connection(nodeId: number, lane = ''): Promise<Connection> {
    return this.#pool.connection(nodeId, lane)
  }

  /** Closes a lane to every broker, as when its owner ends. */
  closeLane(lane: string): void {
    this.#pool.closeLane(lane)
  }

  /** The number of partitions, waiting for brokers that are away; `not-found` without such a topic. */
  async partitionCount(topic: string): Promise<number> {
    return (await this.#directory.topicInTime(topic)).partitions.length
  }

  /**
   * The id of a topic as it is now, which a topic made anew under this name does not have; all zeros
   * when the brokers know no ids (before Kafka 2.8). `not-found` without such a topic.
   */
  async topicId(topic: string): Promise<string> {
    this.markStale()
    return (await this.#directory.topicInTime(topic)).topicId
  }

  /** Where a topic's partitions are; `not-found` when it does not exist. */
  topic(name: string): Promise<TopicPlace> {
    return this.#directory.topic(name)
  }

  /** What is known of a partition's leader without asking; undefined when nothing is. */
  leader(topic: string, partition: number): PartitionPlace | undefined {
    const place = this.metadata.topic(topic)?.partitions[partition]
    return place === undefined || place.leaderId < 0 ? undefined : place
  }

  /**
   * Looks at topics at least every `metadataMaxAgeMs` and calls back when one is new, gone, made anew or
   * has other partitions than before. Returns how to stop it. Whoever acts on a state read by
   * `partitionCount` begins to watch before that, or what changes between the two is not told.
   */
  watchTopics(
    topics: readonly string[],
    onChange: (changes: readonly TopicChange[]) => void,
  ): () => void {
    return this.#directory.watch(topics, onChange)
  }

  /**
   * Calls back when no broker is connected any more and none could be reached, with why, and with undefined
   * when one is connected again. One caller is told.
   */
  watchContact(onContact: (outage: HeadwaterError | undefined) => void): void {
    this.#onContact = onContact
  }

  /** Asks any broker for metadata of all topics in use. One question serves everyone who waits. */
  refresh(): Promise<void> {
    return this.#directory.refresh()
  }

  /** Says that what is known was wrong, so that the next lookup asks again. */
  markStale(): void {
    this.#directory.markStale()
  }

  async close(): Promise<void> {
    this.#directory.close()
    this.#pool.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #locate(target: Target, attempt: number): Promise<number> {
    if (typeof target === 'number') return target
    if (target === 'any') return this.#anyBroker(attempt)
    if (target === 'controller') {
      if (this.#directory.isStale) await this.refresh()
      const { controllerId } = this.metadata
      return controllerId >= 0 ? controllerId : this.#anyBroker(attempt)
    }
    return this.#coordinatorOf(target.coordinator, target.id)
  }

  /** Brokers in turn, bootstrap addresses after those known, so that each attempt tries another. */
  #anyBroker(attempt: number): number {
    const ids = this.metadata.brokerIds()
    const all = [...ids, ...this.#options.bootstrap.map((_, i) => -1 - i)]
    return all[(attempt - 1) % all.length]!
  }

  async #coordinatorOf(kind: 'group' | 'transaction', id: string): Promise<number> {
    const name = `${kind} ${id}`
    const known = this.#coordinators.get(name)
    if (known !== undefined && this.metadata.broker(known) !== undefined) return known
    const response = await this.request(
      'FindCoordinator',
      (version) => ({
        keyType: kind === 'group' ? 0 : 1,
        ...(version >= 4 ? { coordinatorKeys: [id] } : { key: id }),
      }),
      'any',
      { retryCodes: coordinatorCodes },
    )
    const found = response.coordinators[0] ?? response
    if (found.errorCode !== ErrorCode.NONE) {
      throw wireError(found.errorCode, `find the coordinator of ${name}`, found.errorMessage)
    }
    if (this.metadata.broker(found.nodeId) === undefined) await this.refresh()
    this.#coordinators.set(name, found.nodeId)
    return found.nodeId
  }

  #forget(target: Target): void {
    if (typeof target === 'object') {
      this.#coordinators.delete(`${target.coordinator} ${target.id}`)
    }
    this.markStale()
  }

  #addressOf(nodeId: number): Address | undefined {
    return nodeId < 0 ? this.#options.bootstrap[-1 - nodeId] : this.metadata.broker(nodeId)
  }
}

/** Codes that say that the broker asked does not have the role. */
function roleCodes(target: Target): readonly number[] {
  if (target === 'controller') return [ErrorCode.NOT_CONTROLLER]
  return typeof target === 'object' ? coordinatorCodes : []
}
