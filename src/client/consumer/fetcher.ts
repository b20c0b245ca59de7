/**
 * Keeps a consumer's partitions fetched ahead: asks every leader for all of them at once, and again as
 * soon as it answers, while what is buffered stays within bounds.
 *
 * A leader has at most two questions on its way, each over a lane of its own, so that a partition added
 * or moved while a long poll waits need not wait for it. Answers are checked and filtered here, while
 * the caller works. Partitions that brought records move behind the others in the next question, since
 * brokers fill an answer in the order of the question.
 *
 * Per partition: a refused leader is looked up again; a leader of a new epoch first says where the epoch
 * last read ended, so that a log that was cut back is noticed (KIP-320); an offset out of range, and one
 * in a topic that was made anew, is handled as the consumer was told to. Such questions, too, are asked
 * of a leader once for all its partitions.
 */
import type { HeadwaterError } from '../../base/errors.ts'
import { isHeadwaterError } from '../../base/errors.ts'
import { zeroUuid } from '../../base/units.ts'
import type { ResponseOf } from '../../protocol/api.ts'
import { ErrorCode, isRetriable } from '../../protocol/errors.ts'
import { backoffMs } from '../cluster/backoff.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { PartitionAnswer } from '../cluster/leaders.ts'
import { LeaderLookup } from '../cluster/leaders.ts'
import { leaderCodes } from '../cluster/response-codes.ts'
import type { TopicPartition } from '../cluster/topic-partition.ts'
import { partitionName } from '../cluster/topic-partition.ts'
import { wireError } from '../cluster/wire-error.ts'
import { askEpochEnds } from './epoch-ends.ts'
import type { FetchedPartition } from './fetch-answer.ts'
import { readAnswer } from './fetch-answer.ts'
import { cutBack, outOfRange, replaced } from './fetch-errors.ts'
import type { FetchPosition, Hindrance } from './fetch-position.ts'
import { askOffsets, earliestTimestamp, latestTimestamp } from './list-offsets.ts'

const fetchesPerNodeMax = 2

export interface FetcherOptions {
  readonly isolation: 'read_committed' | 'read_uncommitted'
  readonly offsetReset: 'earliest' | 'latest' | 'error'
  readonly onTopicReplaced: 'error' | 'earliest'
  readonly fetchBytesMax: number
  readonly partitionBytesMax: number
  readonly minBytes: number
  readonly maxWaitMs: number
  readonly lane: string
  /** Something was buffered, or failed. */
  readonly onNews: () => void
}

interface Question {
  readonly at: FetchPosition
  readonly generation: number
}

/** Questions by the name of the partition. */
type Questions = ReadonlyMap<string, Question>

export class Fetcher {
  readonly #cluster: Cluster
  readonly #o: FetcherOptions
  /** In the order in which they are asked for. */
  readonly positions = new Map<string, FetchPosition>()
  readonly #leaders: LeaderLookup<FetchPosition>
  readonly #lanesInUse = new Map<number, Set<string>>()
  #isPumpDue = false
  #isClosed = false
  #failure: HeadwaterError | undefined

  constructor(cluster: Cluster, options: FetcherOptions) {
    this.#cluster = cluster
    this.#o = options
    this.#leaders = new LeaderLookup({
      cluster,
      doing: 'read',
      onLookedUp: () => this.#pumpNow(),
      onFailure: (at, error) => {
        if (error.code === 'not-found') this.#break(at, error)
        else this.#pause(at, error, true)
      },
    })
  }

  /** Takes the failure to report, if there is one. */
  takeFailure(): HeadwaterError | undefined {
    const failure = this.#failure
    this.#failure = undefined
    return failure
  }

  /** The partition that has been tried in vain for longest; undefined when none is. */
  get hindrance(): Hindrance | undefined {
    let longest: FetchPosition | undefined
    let since = Infinity
    for (const at of this.positions.values()) {
      if (at.isBroken || at.hindered === undefined || at.hindered.since >= since) continue
      longest = at
      since = at.hindered.since
    }
    if (longest === undefined) return undefined
    const { topic, partition, hindered } = longest
    const ms = this.#cluster.clock.monotonic() - since
    return { topic, partition, error: hindered!.error, ms }
  }

  close(): void {
    this.#isClosed = true
    for (const lane of this.#laneNames()) this.#cluster.closeLane(lane)
  }

  /** Asks for what may be asked for, once the caller's turn is over. */
  pump(): void {
    if (this.#isPumpDue) return
    this.#isPumpDue = true
    queueMicrotask(() => {
      this.#isPumpDue = false
      this.#pumpNow()
    })
  }

  #pumpNow(): void {
    if (this.#isClosed) return
    let bufferedBytes = 0
    for (const at of this.positions.values()) {
      // A paused partition keeps what it has until it is resumed, and that may wait for another one.
      if (!at.isPaused) bufferedBytes += at.bufferedBytes
    }
    if (bufferedBytes >= this.#o.fetchBytesMax) return
    const toReset = new Map<number, FetchPosition[]>()
    const toValidate = new Map<number, FetchPosition[]>()
    const toFetch = new Map<number, FetchPosition[]>()
    const steps = { reset: toReset, validate: toValidate, fetch: toFetch }
    for (const at of this.positions.values()) {
      if (at.isPaused || at.isBusy || at.isBroken) continue
      const place = this.#leaders.find(at)
      if (place === undefined || !this.#isInItsTopic(at)) continue
      const byNode = steps[at.nextStep(place.leaderEpoch)]
      if (byNode.has(place.leaderId)) byNode.get(place.leaderId)!.push(at)
      else byNode.set(place.leaderId, [at])
    }
    for (const [nodeId, positions] of toReset) this.#reset(nodeId, positions)
    for (const [nodeId, positions] of toValidate) this.#validate(nodeId, positions)
    for (const [nodeId, positions] of toFetch) {
      const lane = this.#freeLane(nodeId)
      if (lane !== undefined) void this.#fetch(nodeId, lane, positions)
    }
  }

  /**
   * Whether a position may be read on. It belongs to the topic that had the name first; when a leader
   * does not know the id of that and the name has another one by now, the topic was replaced (KIP-516).
   * Metadata alone does not say so: it may come from a broker that lags behind.
   */
  #isInItsTopic(at: FetchPosition): boolean {
    const topicId = this.#cluster.metadata.topic(at.topic)?.topicId ?? zeroUuid
    at.topicId ??= topicId
    if (!at.isIdUnknown) return true
    at.isIdUnknown = false
    if (topicId === zeroUuid || topicId === at.topicId) return true
    const error = replaced(at, topicId)
    at.topicId = topicId
    if (this.#o.onTopicReplaced === 'error') {
      this.#break(at, error)
      return false
    }
    at.moveTo(0)
    at.highWatermark = at.lastStableOffset = undefined
    at.resetTo = earliestTimestamp
    return true
  }

  async #fetch(nodeId: number, lane: string, positions: readonly FetchPosition[]): Promise<void> {
    this.#lanesInUse.get(nodeId)!.add(lane)
    for (const at of positions) {
      at.validEpoch = this.#cluster.leader(at.topic, at.partition)?.leaderEpoch ?? -1
    }
    const asked = this.#begin(positions)
    try {
      const response = await this.#askFetch(nodeId, lane, positions)
      for (const at of positions) at.isBusy = false
      this.#takeIn(asked, response)
    } catch (error) {
      const failure = asOperatingError(error)
      for (const at of positions) this.#pause(at, failure, true)
    } finally {
      this.#lanesInUse.get(nodeId)!.delete(lane)
      this.#pumpNow()
    }
  }

  #askFetch(
    nodeId: number,
    lane: string,
    positions: readonly FetchPosition[],
  ): Promise<ResponseOf<'Fetch'>> {
    const { isolation, fetchBytesMax, partitionBytesMax, minBytes, maxWaitMs } = this.#o
    const byTopic = Map.groupBy(positions, ({ topic, topicId }) => `${topicId}/${topic}`)
    const topics = Array.from(byTopic.values(), (ofTopic) => ({
      topic: ofTopic[0]!.topic,
      topicId: ofTopic[0]!.topicId ?? zeroUuid,
      partitions: ofTopic.map(({ partition, fetchOffset, validEpoch }) => ({
        partition,
        currentLeaderEpoch: validEpoch,
        fetchOffset,
        partitionMaxBytes: partitionBytesMax,
      })),
    }))
    const hasIds = topics.every(({ topicId }) => topicId !== zeroUuid)
    return this.#cluster.send(
      nodeId,
      'Fetch',
      {
        maxWaitMs,
        minBytes,
        maxBytes: fetchBytesMax,
        isolationLevel: isolation === 'read_committed' ? 1 : 0,
        topics,
      },
      { lane, ...(hasIds ? {} : { versionMax: 12 }) },
    )
  }

  #takeIn(asked: Questions, response: ResponseOf<'Fetch'>): void {
    if (response.errorCode !== ErrorCode.NONE) {
      for (const { at } of asked.values()) this.#refuse(at, response.errorCode)
      return
    }
    const names = new Map(Array.from(asked.values(), ({ at }) => [at.topicId, at.topic]))
    let hasNews = false
    for (const { topic, topicId, partitions } of response.responses) {
      const name = topic === '' ? names.get(topicId) : topic
      for (const answer of partitions) {
        const question = asked.get(partitionName(name ?? topicId, answer.partitionIndex))
        if (question === undefined || !this.#isCurrent(question)) continue
        if (answer.errorCode !== ErrorCode.NONE) this.#refuse(question.at, answer.errorCode)
        else if (this.#keep(question.at, answer)) hasNews = true
      }
    }
    if (hasNews) this.#o.onNews()
  }

  #begin(positions: readonly FetchPosition[]): Questions {
    for (const at of positions) at.isBusy = true
    return new Map(
      positions.map((at) => [
        partitionName(at.topic, at.partition),
        { at, generation: at.generation },
      ]),
    )
  }

  /** Whether the caller still reads the partition from where the question was asked. */
  #isCurrent({ at, generation }: Question): boolean {
    return (
      this.positions.get(partitionName(at.topic, at.partition)) === at &&
      at.generation === generation
    )
  }

  #keep(at: FetchPosition, answer: FetchedPartition): boolean {
    at.attempt = 0
    at.hindered = undefined
    at.highWatermark = answer.highWatermark
    at.lastStableOffset = answer.lastStableOffset
    try {
      const fetched = readAnswer(at, answer, this.#o.isolation)
      if (fetched === undefined) return false
      at.keep(fetched)
    } catch (error) {
      this.#break(at, asOperatingError(error))
      return false
    }
    const name = partitionName(at.topic, at.partition)
    this.positions.delete(name)
    this.positions.set(name, at)
    return true
  }

  #refuse(at: FetchPosition, code: number): void {
    const error = wireError(code, `read ${partitionName(at.topic, at.partition)}`)
    if (code === ErrorCode.UNKNOWN_TOPIC_ID || code === ErrorCode.INCONSISTENT_TOPIC_ID) {
      at.isIdUnknown = true
    }
    if (code === ErrorCode.OFFSET_OUT_OF_RANGE) this.#leaveRange(at)
    else if (leaderCodes.includes(code)) this.#pause(at, error, true)
    else if (isRetriable(code)) this.#pause(at, error, false)
    else this.#break(at, error)
  }

  /** The offset is not there any more, or not yet. */
  #leaveRange(at: FetchPosition): void {
    const { offsetReset } = this.#o
    if (offsetReset === 'error') return this.#break(at, outOfRange(at))
    at.resetTo = offsetReset === 'earliest' ? earliestTimestamp : latestTimestamp
  }

  /** Holds a partition back for a moment. */
  #pause(at: FetchPosition, error: HeadwaterError, isPlaceStale: boolean): void {
    if (!error.retriable) return this.#break(at, error)
    at.hindered = { since: at.hindered?.since ?? this.#cluster.clock.monotonic(), error }
    at.isBusy = true
    if (isPlaceStale) at.isPlaceStale = true
    this.#cluster.clock.after(backoffMs(++at.attempt, this.#cluster.random), () => {
      at.isBusy = false
      this.#pumpNow()
    })
  }

  /** Gives a partition up and tells the caller. */
  #break(at: FetchPosition, error: HeadwaterError): void {
    at.isBusy = false
    // A client that is being closed has nobody to tell.
    if (this.#isClosed || this.positions.get(partitionName(at.topic, at.partition)) !== at) return
    at.isBroken = true
    this.#failure ??= error
    this.#o.onNews()
  }

  /** Asks a leader of a new epoch whether it still has what was read (KIP-320). */
  #validate(nodeId: number, positions: readonly FetchPosition[]): void {
    const epochs = new Map(
      positions.map((at) => [at, this.#cluster.leader(at.topic, at.partition)?.leaderEpoch ?? -1]),
    )
    const ask = () => askEpochEnds(this.#cluster, nodeId, positions)
    void this.#askAbout(positions, ask, (at, { endOffset }) => {
      const isCut = endOffset >= 0 && endOffset < at.fetchOffset
      if (isCut && this.#o.offsetReset === 'error') return this.#break(at, cutBack(at, endOffset))
      if (isCut) at.moveTo(endOffset)
      at.validEpoch = epochs.get(at)!
    })
  }

  /** Moves partitions to where the caller wants those whose position is not in the log. */
  #reset(nodeId: number, positions: readonly FetchPosition[]): void {
    for (const [timestamp, moved] of Map.groupBy(positions, ({ resetTo }) => resetTo!)) {
      const ask = () => askOffsets(this.#cluster, nodeId, moved, timestamp, this.#o.isolation)
      void this.#askAbout(moved, ask, (at, { offset }) => at.moveTo(offset))
    }
  }

  /** Asks a leader about partitions that are not fetched meanwhile, and takes in what it says of each. */
  async #askAbout<A extends TopicPartition>(
    positions: readonly FetchPosition[],
    ask: () => Promise<readonly PartitionAnswer<A>[]>,
    take: (at: FetchPosition, answer: A) => void,
  ): Promise<void> {
    const asked = this.#begin(positions)
    try {
      const answers = new Map(
        (await ask()).map((each) => [
          partitionName(each.answer.topic, each.answer.partition),
          each,
        ]),
      )
      for (const at of positions) at.isBusy = false
      for (const [name, question] of asked) {
        if (!this.#isCurrent(question)) continue
        const { errorCode, answer } = answers.get(name) ?? unanswered
        if (answer === undefined || errorCode !== ErrorCode.NONE) {
          this.#refuse(question.at, errorCode)
        } else take(question.at, answer)
      }
    } catch (error) {
      const failure = asOperatingError(error)
      for (const at of positions) this.#pause(at, failure, true)
    } finally {
      this.#pumpNow()
    }
  }

  #freeLane(nodeId: number): string | undefined {
    let inUse = this.#lanesInUse.get(nodeId)
    if (inUse === undefined) this.#lanesInUse.set(nodeId, (inUse = new Set()))
    return this.#laneNames().find((lane) => !inUse.has(lane))
  }

  #laneNames(): string[] {
    return Array.from({ length: fetchesPerNodeMax }, (_, i) => `${this.#o.lane}.${i}`)
  }
}

/** A leader that says nothing of a partition does not have it. */
const unanswered = { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, answer: undefined }

function asOperatingError(error: unknown): HeadwaterError {
  if (isHeadwaterError(error)) return error
  throw error
}
