/**
 * Reads partitions, a run of batches at a time, from positions the caller chooses.
 *
 * `poll` gives what has been fetched ahead and lets the next be fetched while the caller works. Nothing
 * is decoded here: batches come checked (CRC) and, under `read_committed`, without what was aborted.
 * Which partitions to read is the caller's, or a `GroupMember`'s; committing offsets is too.
 *
 * Bound: what is fetched ahead stays below `fetchBytesMax` plus two answers for each leader. A paused
 * partition keeps what it had when it was paused, beside that.
 */
import { assert } from '../../base/errors.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { FetchedBatches, Hindrance, StartOffset } from './fetch-position.ts'
import { FetchPosition } from './fetch-position.ts'
import { Fetcher } from './fetcher.ts'
import { earliestTimestamp, latestTimestamp, listOffsets } from './list-offsets.ts'
import type { PartitionOffset, TopicPartition } from '../cluster/topic-partition.ts'
import { partitionName } from '../cluster/topic-partition.ts'

export type { FetchedBatches, Hindrance, StartOffset } from './fetch-position.ts'

export interface ConsumerOptions {
  /** `read_committed` when left out. */
  readonly isolation?: 'read_committed' | 'read_uncommitted'
  /** What to do when a position is not in the log; `error` when left out. */
  readonly offsetReset?: 'earliest' | 'latest' | 'error'
  /** What to do when a topic was deleted and made anew, so that positions in it mean nothing any more:
   * `error` (`topic-replaced`, the default), or read the new topic from its beginning. */
  readonly onTopicReplaced?: 'error' | 'earliest'
  readonly fetchBytesMax?: number
  readonly partitionBytesMax?: number
  /** A broker answers when it has this much, or when `maxWaitMs` is over. */
  readonly minBytes?: number
  readonly maxWaitMs?: number
}

const fetchBytesMaxDefault = 8 * 1024 * 1024
const partitionBytesMaxDefault = 1024 * 1024
const maxWaitMsDefault = 500

let nextLane = 1

export class Consumer {
  readonly #cluster: Cluster
  readonly #fetcher: Fetcher
  readonly #isolation: 'read_committed' | 'read_uncommitted'
  #waiter: PromiseWithResolvers<void> | undefined
  #isClosed = false

  constructor(cluster: Cluster, options: ConsumerOptions = {}) {
    this.#cluster = cluster
    this.#isolation = options.isolation ?? 'read_committed'
    this.#fetcher = new Fetcher(cluster, {
      isolation: this.#isolation,
      offsetReset: options.offsetReset ?? 'error',
      onTopicReplaced: options.onTopicReplaced ?? 'error',
      fetchBytesMax: options.fetchBytesMax ?? fetchBytesMaxDefault,
      partitionBytesMax: options.partitionBytesMax ?? partitionBytesMaxDefault,
      minBytes: options.minBytes ?? 1,
      maxWaitMs: options.maxWaitMs ?? maxWaitMsDefault,
      lane: `consumer-${nextLane++}`,
      onNews: () => this.#waiter?.resolve(),
    })
  }

  /** Reads these partitions and no others; what stopped one of those before is not told any more. */
  assign(partitions: readonly StartOffset[]): void {
    this.#fetcher.takeFailure()
    this.#fetcher.positions.clear()
    for (const start of partitions) this.add(start)
  }

  /** Reads one more partition, or this one from another offset. */
  add(start: StartOffset): void {
    const name = partitionName(start.topic, start.partition)
    this.#fetcher.positions.set(name, new FetchPosition(start))
    this.#fetcher.pump()
  }

  remove(topic: string, partition: number): void {
    this.#fetcher.positions.delete(partitionName(topic, partition))
  }

  /** Goes on from `offset`; what was fetched ahead is dropped. */
  seek(topic: string, partition: number, offset: number): void {
    this.#position(topic, partition).moveTo(offset)
    this.#fetcher.pump()
  }

  /** Holds a partition back: `poll` does not return it until `resume`. */
  pause(topic: string, partition: number): void {
    const position = this.#position(topic, partition)
    position.isPaused = true
    // Nobody asks for it meanwhile, so nothing hinders it.
    position.hindered = undefined
  }

  resume(topic: string, partition: number): void {
    const position = this.#position(topic, partition)
    position.isPaused = false
    if (position.bufferedBytes > 0) this.#waiter?.resolve()
    this.#fetcher.pump()
  }

  /** The next offset `poll` will return of each partition. */
  positions(): readonly PartitionOffset[] {
    const positions = [...this.#fetcher.positions.values()]
    return positions.map(({ topic, partition, position: offset }) => ({ topic, partition, offset }))
  }

  /** The high watermark as the last answer told it; undefined before the first one, or when not assigned. */
  highWatermark(topic: string, partition: number): number | undefined {
    return this.#fetcher.positions.get(partitionName(topic, partition))?.highWatermark
  }

  /** How far readers of committed records may go, known and not known as the high watermark is. */
  lastStableOffset(topic: string, partition: number): number | undefined {
    return this.#fetcher.positions.get(partitionName(topic, partition))?.lastStableOffset
  }

  /**
   * The partition that has been tried in vain for longest, with what it last failed with. A broker that is
   * away, damaged or without a leader is asked again for as long as it takes: who waits may say so.
   */
  get hindrance(): Hindrance | undefined {
    return this.#fetcher.hindrance
  }

  /**
   * What has been fetched, at once if there is any; else what comes first within `maxWaitMs`; else
   * nothing. Rejects with what stops a partition (an offset out of range, a damaged batch, a topic that
   * is gone or was replaced); the others go on at the next call.
   */
  async poll(maxWaitMs: number): Promise<readonly FetchedBatches[]> {
    assert(this.#waiter === undefined, 'poll is called by one caller at a time')
    assert(!this.#isClosed, 'poll after close')
    const fetched = this.#collect()
    if (fetched.length > 0) return fetched
    await this.#wait(maxWaitMs)
    return this.#isClosed ? [] : this.#collect()
  }

  /** The end of each partition: the last stable offset under `read_committed`, else the high watermark. */
  async endOffsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]> {
    return listOffsets(this.#cluster, partitions, latestTimestamp, this.#isolation)
  }

  async beginningOffsets(
    partitions: readonly TopicPartition[],
  ): Promise<readonly PartitionOffset[]> {
    return listOffsets(this.#cluster, partitions, earliestTimestamp, this.#isolation)
  }

  /** Ends a `poll` that waits, which then returns nothing. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#fetcher.close()
    this.#waiter?.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #collect(): FetchedBatches[] {
    const failure = this.#fetcher.takeFailure()
    if (failure !== undefined) throw failure
    const collected: FetchedBatches[] = []
    for (const at of this.#fetcher.positions.values()) {
      if (at.isPaused) continue
      for (let next = at.take(); next !== undefined; next = at.take()) collected.push(next)
    }
    this.#fetcher.pump()
    return collected
  }

  async #wait(maxWaitMs: number): Promise<void> {
    const waiter = Promise.withResolvers<void>()
    this.#waiter = waiter
    const { clock } = this.#cluster
    // Even a poll that waits for nothing gives sockets their turn.
    const timer =
      maxWaitMs > 0 ? clock.after(maxWaitMs, waiter.resolve) : clock.soon(waiter.resolve)
    try {
      await waiter.promise
    } finally {
      this.#waiter = undefined
      timer?.cancel()
    }
  }

  #position(topic: string, partition: number): FetchPosition {
    const position = this.#fetcher.positions.get(partitionName(topic, partition))
    assert(position !== undefined, `${partitionName(topic, partition)} is not assigned`)
    return position
  }
}
