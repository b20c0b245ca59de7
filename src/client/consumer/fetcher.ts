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
 * last read ended, so that a log that was cut back is noticed (KIP-320); an offset out of range is
 * handled as the consumer was told to.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { zeroUuid } from '../../base/units.ts'
import type { ResponseOf } from '../../protocol/api.ts'
import { ErrorCode, isRetriable } from '../../protocol/errors.ts'
import { backoffMs } from '../cluster/backoff.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { leaderCodes } from '../cluster/cluster.ts'
import type { FetchedPartition } from './fetch-answer.ts'
import { readAnswer } from './fetch-answer.ts'
import type { FetchPosition } from './fetch-position.ts'
import { earliestTimestamp, latestTimestamp, listOffsets } from './list-offsets.ts'
import { byTopic, partitionName } from '../cluster/topic-partition.ts'
import { wireError } from '../cluster/wire-error.ts'

const fetchesPerNodeMax = 2

export interface FetcherOptions {
  readonly isolation: 'read_committed' | 'read_uncommitted'
  readonly offsetReset: 'earliest' | 'latest' | 'error'
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

export class Fetcher {
  readonly #cluster: Cluster
  readonly #o: FetcherOptions
  /** In the order in which they are asked for. */
  readonly positions = new Map<string, FetchPosition>()
  readonly #lanesInUse = new Map<number, Set<string>>()
  readonly #lookups = new Set<string>()
  #isPumpDue = false
  #isClosed = false
  #failure: HeadwaterError | undefined

  constructor(cluster: Cluster, options: FetcherOptions) {
    this.#cluster = cluster
    this.#o = options
  }

  /** Takes the failure to report, if there is one. */
  takeFailure(): HeadwaterError | undefined {
    const failure = this.#failure
    this.#failure = undefined
    return failure
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
    const byNode = new Map<number, FetchPosition[]>()
    for (const at of this.positions.values()) {
      if (at.isPaused || at.isBusy || at.isBroken) continue
      const place = at.isPlaceStale ? undefined : this.#cluster.leader(at.topic, at.partition)
      if (place === undefined) this.#lookUp(at)
      else if (at.lastEpoch >= 0 && at.validEpoch !== place.leaderEpoch) this.#validate(at)
      else if (byNode.has(place.leaderId)) byNode.get(place.leaderId)!.push(at)
      else byNode.set(place.leaderId, [at])
    }
    for (const [nodeId, positions] of byNode) {
      const lane = this.#freeLane(nodeId)
      if (lane !== undefined) void this.#fetch(nodeId, lane, positions)
    }
  }

  async #fetch(nodeId: number, lane: string, positions: readonly FetchPosition[]): Promise<void> {
    this.#lanesInUse.get(nodeId)!.add(lane)
    const asked = new Map<string, Question>()
    for (const at of positions) {
      at.isBusy = true
      at.validEpoch = this.#cluster.leader(at.topic, at.partition)?.leaderEpoch ?? -1
      asked.set(partitionName(at.topic, at.partition), { at, generation: at.generation })
    }
    try {
      const response = await this.#ask(nodeId, lane, positions)
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

  #ask(
    nodeId: number,
    lane: string,
    positions: readonly FetchPosition[],
  ): Promise<ResponseOf<'Fetch'>> {
    const { isolation, fetchBytesMax, partitionBytesMax, minBytes, maxWaitMs } = this.#o
    const topics = byTopic(positions).map(([topic, ofTopic]) => ({
      topic,
      topicId: this.#cluster.metadata.topic(topic)?.topicId ?? zeroUuid,
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

  #takeIn(asked: ReadonlyMap<string, Question>, response: ResponseOf<'Fetch'>): void {
    if (response.errorCode !== ErrorCode.NONE) {
      for (const { at } of asked.values()) this.#refuse(at, response.errorCode)
      return
    }
    let hasNews = false
    for (const { topic, topicId, partitions } of response.responses) {
      const name = topic === '' ? this.#cluster.metadata.nameOf(topicId) : topic
      for (const answer of partitions) {
        const question = asked.get(partitionName(name ?? topicId, answer.partitionIndex))
        if (question === undefined || !this.#isCurrent(question)) continue
        if (answer.errorCode !== ErrorCode.NONE) this.#refuse(question.at, answer.errorCode)
        else if (this.#keep(question.at, answer)) hasNews = true
      }
    }
    if (hasNews) this.#o.onNews()
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
    at.highWatermark = answer.highWatermark
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
    if (code === ErrorCode.OFFSET_OUT_OF_RANGE) this.#reset(at)
    else if (leaderCodes.includes(code)) this.#pause(at, error, true)
    else if (isRetriable(code)) this.#pause(at, error, false)
    else this.#break(at, error)
  }

  /** Holds a partition back for a moment. */
  #pause(at: FetchPosition, error: HeadwaterError, isPlaceStale: boolean): void {
    if (!error.retriable) return this.#break(at, error)
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

  /** Finds a topic's leaders, once at a time. */
  #lookUp(at: FetchPosition): void {
    const { topic, partition } = at
    if (this.#lookups.has(topic)) return
    this.#lookups.add(topic)
    if (at.isPlaceStale || this.#cluster.metadata.topic(topic) !== undefined) {
      this.#cluster.markStale()
    }
    this.#cluster
      .topic(topic)
      .then(({ partitions }) => {
        for (const each of this.positions.values()) {
          if (each.topic === topic) each.isPlaceStale = false
        }
        if (partitions[partition] === undefined) throw missingPartition(at, partitions.length)
        if (this.#cluster.leader(topic, partition) !== undefined) return
        throw wireError(ErrorCode.LEADER_NOT_AVAILABLE, `read ${partitionName(topic, partition)}`)
      })
      .catch((error: unknown) => {
        const failure = asOperatingError(error)
        if (failure.code === 'not-found') this.#break(at, failure)
        else this.#pause(at, failure, true)
      })
      .finally(() => {
        this.#lookups.delete(topic)
        this.#pumpNow()
      })
  }

  /** Asks a leader of a new epoch whether it still has what was read (KIP-320). */
  #validate(at: FetchPosition): void {
    const { topic, partition, generation, lastEpoch } = at
    const name = partitionName(topic, partition)
    const leaderEpoch = this.#cluster.leader(topic, partition)?.leaderEpoch ?? -1
    at.isBusy = true
    this.#withLeader(at, async () => {
      const response = await this.#cluster.request(
        'OffsetForLeaderEpoch',
        {
          replicaId: -1,
          topics: [
            { topic, partitions: [{ partition, currentLeaderEpoch: -1, leaderEpoch: lastEpoch }] },
          ],
        },
        { leaderOf: topic, partition },
      )
      const answer = response.topics[0]?.partitions[0]
      if (at.generation !== generation || answer === undefined) return
      if (answer.errorCode !== ErrorCode.NONE) throw wireError(answer.errorCode, `read ${name}`)
      const isCut = answer.endOffset >= 0 && answer.endOffset < at.fetchOffset
      if (isCut && this.#o.offsetReset === 'error') throw cutBack(name, answer.endOffset, at)
      if (isCut) at.moveTo(answer.endOffset)
      at.validEpoch = leaderEpoch
    })
  }

  /** Moves a partition whose offset is not there any more, or not yet. */
  #reset(at: FetchPosition): void {
    const { isolation, offsetReset } = this.#o
    const { topic, partition, generation } = at
    if (offsetReset === 'error') return this.#break(at, outOfRange(at))
    const timestamp = offsetReset === 'earliest' ? earliestTimestamp : latestTimestamp
    at.isBusy = true
    this.#withLeader(at, async () => {
      const [found] = await listOffsets(this.#cluster, [{ topic, partition }], timestamp, isolation)
      if (at.generation === generation) at.moveTo(found!.offset)
    })
  }

  /** Does something about a busy partition, and pumps on. */
  #withLeader(at: FetchPosition, work: () => Promise<void>): void {
    work()
      .then(() => {
        at.isBusy = false
      })
      .catch((error: unknown) => this.#pause(at, asOperatingError(error), true))
      .finally(() => this.#pumpNow())
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

function asOperatingError(error: unknown): HeadwaterError {
  if (isHeadwaterError(error)) return error
  throw error
}

function missingPartition({ topic, partition }: FetchPosition, count: number): HeadwaterError {
  return new HeadwaterError(
    'not-found',
    `topic '${topic}' has ${count} partitions, so there is no partition ${partition}: choose one from 0 to ${count - 1}`,
  )
}

function outOfRange(at: FetchPosition): HeadwaterError {
  return new HeadwaterError(
    'offset-out-of-range',
    `offset ${at.fetchOffset} of ${partitionName(at.topic, at.partition)} is not in the log: retention or DeleteRecords took it, or the topic was made anew; seek to an offset that is there, or choose offsetReset 'earliest' or 'latest'`,
  )
}

function cutBack(name: string, endOffset: number, at: FetchPosition): HeadwaterError {
  return new HeadwaterError(
    'data-corrupt',
    `${name} was cut back to offset ${endOffset} after offset ${at.fetchOffset - 1} had been read from it: the broker lost records; seek to ${endOffset} to go on, and check what was made of those lost`,
  )
}
