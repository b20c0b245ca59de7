/**
 * A cluster as a client sees it: the one door through which requests find the right broker.
 *
 * `request` looks up the target, sends, and repeats with growing pauses while the answer is "not here",
 * "not yet" or no answer at all, so a broker that restarts is a pause and not an error. Any other error
 * code is in the response, and the caller's. Repeating is safe for every API sent through here: each is
 * idempotent, or answers a repetition with a code that says so. Records do not come this way: the
 * producer repeats in sequence order by itself.
 *
 * A lane is a connection of its own to the same broker. Brokers answer one connection in order, so what
 * may block (a long poll, joining a group) must not share one with what may not.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Clock, Dial, Random } from '../../io/ports.ts'
import type { ApiName, ResponseOf } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { backoffMs, sleep } from './backoff.ts'
import type { Body, RequestOptions } from './connection.ts'
import { Connection } from './connection.ts'
import type { BrokerAddress, PartitionPlace, TopicPlace } from './metadata.ts'
import { Metadata } from './metadata.ts'
import { wireError } from './wire-error.ts'

const requestTimeoutMsDefault = 30_000
/** How often each address is tried for metadata: a connection may break at any time. */
const refreshRounds = 2
/** How long `request` goes on repeating. */
const retryTimeoutMsDefault = 60_000
/** A topic made by someone else a moment ago may not have reached every broker. */
const topicWaitMsDefault = 3_000

export interface ClusterOptions {
  readonly bootstrap: readonly { readonly host: string; readonly port: number }[]
  readonly dial: Dial
  readonly clock: Clock
  readonly random: Random
  /** The name brokers log and show; `headwater` when left out. */
  readonly clientId?: string
  /** How long one attempt of a request may take. */
  readonly requestTimeoutMs?: number
  /** How long a request is repeated while brokers are away or a role moves. */
  readonly retryTimeoutMs?: number
  /** How long a topic that no broker knows is waited for: it may have been made a moment ago. */
  readonly topicWaitMs?: number
}

/** Which broker a request is for; a number is a node id. */
export type Target =
  | number
  | 'any'
  | 'controller'
  | { readonly coordinator: 'group' | 'transaction'; readonly id: string }
  | { readonly leaderOf: string; readonly partition: number }

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

interface Lane {
  readonly opening: Promise<Connection>
  open: Connection | undefined
}

export class Cluster {
  readonly clock: Clock
  readonly random: Random
  readonly metadata = new Metadata()
  readonly #options: ClusterOptions
  readonly #lanes = new Map<string, Lane>()
  readonly #coordinators = new Map<string, number>()
  readonly #topicsOfInterest = new Set<string>()
  /** Those that the last answer was about. */
  #topicsAnswered: ReadonlySet<string> = new Set()
  #refreshing: Promise<void> | undefined
  #isStale = true
  #isClosed = false

  private constructor(options: ClusterOptions) {
    this.#options = options
    this.clock = options.clock
    this.random = options.random
  }

  /** Asks the first bootstrap broker that answers for the cluster; `connection-failed` when none does. */
  static async connect(options: ClusterOptions): Promise<Cluster> {
    if (options.bootstrap.length === 0) {
      throw new HeadwaterError('config-invalid', 'no broker address was given: name at least one')
    }
    const cluster = new Cluster(options)
    try {
      await cluster.refresh()
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  /**
   * Sends a request to its target, as often as it takes. Rejects with the last failure once
   * `retryTimeoutMs` is over; a refusal that lasts that long is returned as it came.
   */
  async request<N extends ApiName>(
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
        if (hasCode(response, roleCodes(target))) this.#forget(target)
        else if (!hasCode(response, o.retryCodes ?? [])) return response
      } catch (error) {
        if (!isHeadwaterError(error) || !error.retriable || this.#isClosed) throw error
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
    if (this.#isClosed) return Promise.reject(closedError())
    const address = this.#addressOf(nodeId)
    if (address === undefined) return Promise.reject(unknownBroker(nodeId))
    const name = `${address.host}:${address.port}/${lane}`
    const known = this.#lanes.get(name)
    if (known !== undefined && known.open?.isClosed !== true) return known.opening
    const opened: Lane = { opening: this.#open(address, name), open: undefined }
    this.#lanes.set(name, opened)
    return opened.opening
  }

  /** Closes a lane to every broker, as when its owner ends. */
  closeLane(lane: string): void {
    for (const [name, { open }] of this.#lanes) {
      if (!name.endsWith(`/${lane}`)) continue
      this.#lanes.delete(name)
      open?.close()
    }
  }

  /** The number of partitions, waiting for brokers that are away; `not-found` without such a topic. */
  async partitionCount(topic: string): Promise<number> {
    const limitMs = this.#options.retryTimeoutMs ?? retryTimeoutMsDefault
    const deadline = this.clock.monotonic() + limitMs
    for (let attempt = 1; ; attempt++) {
      try {
        return (await this.topic(topic)).partitions.length
      } catch (error) {
        const isAway = isHeadwaterError(error) && error.retriable && error.code !== 'not-found'
        const pauseMs = backoffMs(attempt, this.random)
        const isLate = this.clock.monotonic() + pauseMs >= deadline
        if (!isAway || isLate || this.#isClosed) throw error
        await sleep(this.clock, pauseMs)
      }
    }
  }

  /** Where a topic's partitions are; `not-found` when it does not exist. */
  async topic(name: string): Promise<TopicPlace> {
    const waitMs = this.#options.topicWaitMs ?? topicWaitMsDefault
    let deadline: number | undefined
    for (let attempt = 1; ; attempt++) {
      if (this.#topicsOfInterest.has(name) && !this.#isStale) {
        const topic = this.metadata.topic(name)
        if (topic !== undefined) return topic
      }
      this.#topicsOfInterest.add(name)
      await this.refresh()
      const topic = this.metadata.topic(name)
      if (topic !== undefined) return topic
      // An answer to an older question, which did not name the topic, says nothing about it.
      if (!this.#topicsAnswered.has(name)) continue
      deadline ??= this.clock.monotonic() + waitMs
      if (this.clock.monotonic() >= deadline) break
      await sleep(this.clock, backoffMs(attempt, this.random))
    }
    this.#topicsOfInterest.delete(name)
    throw unknownTopic(name)
  }

  /** What is known of a partition's leader without asking; undefined when nothing is. */
  leader(topic: string, partition: number): PartitionPlace | undefined {
    const place = this.metadata.topic(topic)?.partitions[partition]
    return place === undefined || place.leaderId < 0 ? undefined : place
  }

  /** Asks any broker for metadata of all topics in use. One question serves everyone who waits. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  /** Says that what is known was wrong, so that the next lookup asks again. */
  markStale(): void {
    this.#isStale = true
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const lanes = [...this.#lanes.values()]
    this.#lanes.clear()
    for (const { open } of lanes) open?.close()
    // A connection still being opened closes itself when it comes up; wait for that.
    await Promise.allSettled(lanes.map(({ opening }) => opening))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #locate(target: Target, attempt: number): Promise<number> {
    if (typeof target === 'number') return target
    if (target === 'any') return this.#anyBroker(attempt)
    if (target === 'controller') {
      if (this.#isStale) await this.refresh()
      const { controllerId } = this.metadata
      return controllerId >= 0 ? controllerId : this.#anyBroker(attempt)
    }
    if ('coordinator' in target) return this.#coordinatorOf(target.coordinator, target.id)
    const topic = await this.topic(target.leaderOf)
    const place = topic.partitions[target.partition]
    if (place !== undefined && place.leaderId >= 0) return place.leaderId
    const code =
      place === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.LEADER_NOT_AVAILABLE
    throw wireError(code, `find the leader of ${target.leaderOf}-${target.partition}`)
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
    if (typeof target === 'object' && 'coordinator' in target) {
      this.#coordinators.delete(`${target.coordinator} ${target.id}`)
    }
    this.#isStale = true
  }

  #addressOf(nodeId: number): BrokerAddress | undefined {
    return nodeId < 0 ? this.#options.bootstrap[-1 - nodeId] : this.metadata.broker(nodeId)
  }

  async #open(address: BrokerAddress, name: string): Promise<Connection> {
    try {
      const connection = await Connection.open({
        dial: this.#options.dial,
        clock: this.clock,
        host: address.host,
        port: address.port,
        clientId: this.#options.clientId ?? 'headwater',
        requestTimeoutMs: this.#options.requestTimeoutMs ?? requestTimeoutMsDefault,
      })
      const lane = this.#lanes.get(name)
      if (lane !== undefined) lane.open = connection
      else connection.close()
      return connection
    } catch (error) {
      this.#lanes.delete(name)
      this.#isStale = true
      throw error
    }
  }

  async #refresh(): Promise<void> {
    const addresses = this.metadata.brokerIds().length + this.#options.bootstrap.length
    const attempts = addresses * refreshRounds
    const topics = [...this.#topicsOfInterest].map((name) => ({ name }))
    for (let attempt = 1; ; attempt++) {
      try {
        const node = this.#anyBroker(attempt)
        const body = { topics, allowAutoTopicCreation: false }
        this.metadata.update(await this.send(node, 'Metadata', body))
        this.#topicsAnswered = new Set(topics.map(({ name }) => name))
        this.#isStale = topics.length < this.#topicsOfInterest.size
        return
      } catch (error) {
        const isLast = attempt >= attempts || this.#isClosed
        if (isLast || !isHeadwaterError(error) || !error.retriable) throw error
      }
    }
  }
}

const coordinatorCodes: readonly number[] = [
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR,
]

/** Codes that say a partition's leader is not where we asked, or not yet. */
export const leaderCodes: readonly number[] = [
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.REPLICA_NOT_AVAILABLE,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.UNKNOWN_LEADER_EPOCH,
  ErrorCode.OFFSET_NOT_AVAILABLE,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.INCONSISTENT_TOPIC_ID,
]

/** Codes that say that the broker asked does not have the role. */
function roleCodes(target: Target): readonly number[] {
  if (target === 'controller') return [ErrorCode.NOT_CONTROLLER]
  if (typeof target !== 'object') return []
  return 'coordinator' in target ? coordinatorCodes : leaderCodes
}

/** Whether an error code anywhere in a response is one of these; responses keep them at many depths. */
function hasCode(value: unknown, codes: readonly number[]): boolean {
  if (codes.length === 0) return false
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false
  for (const [name, part] of Object.entries(value)) {
    if (typeof part === 'object') {
      if (hasCode(part, codes)) return true
    } else if (name === 'errorCode' || name === 'partitionErrorCode') {
      if (codes.includes(part as number)) return true
    }
  }
  return false
}

function closedError(): HeadwaterError {
  return new HeadwaterError('connection-lost', 'this client is closed: connect anew')
}

function unknownTopic(name: string): HeadwaterError {
  return new HeadwaterError(
    'not-found',
    `topic '${name}' does not exist: create it first, or check its name`,
  )
}

function unknownBroker(nodeId: number): HeadwaterError {
  return new HeadwaterError(
    'connection-failed',
    `broker ${nodeId} is not among the cluster's brokers: it may be restarting`,
    { retriable: true },
  )
}
