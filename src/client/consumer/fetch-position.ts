/**
 * Where a consumer is in one partition, and what has been fetched for it but not handed out.
 *
 *   position        the next offset the caller gets
 *   fetchOffset     the next offset to ask for; ahead of position by what is buffered
 *   generation      rises when the caller moves the position, so that answers to older questions are known
 */
import type { HeadwaterError } from '../../base/errors.ts'
import type { PartitionOffset, TopicPartition } from '../cluster/topic-partition.ts'

/** A partition that cannot be read, and is tried again. */
export interface Hindrance extends TopicPartition {
  /** What it last failed with. */
  readonly error: HeadwaterError
  /** How long it has gone on without an answer. */
  readonly ms: number
}

export interface FetchedBatches {
  readonly topic: string
  readonly partition: number
  /** Whole batches of data; under `read_committed` without those of aborted transactions. */
  readonly batches: readonly Uint8Array[]
  /** Records below this offset, in the first batch, were handed out before or are not wanted. */
  readonly fromOffset: number
  /** Where to go on: after these batches, and after control batches and aborted ones behind them. */
  readonly nextOffset: number
  readonly highWatermark: number
  readonly lastStableOffset: number
}

/** Where to begin reading. */
export interface StartOffset extends PartitionOffset {
  /** The epoch the offset was committed with, to notice a log that was cut back. */
  readonly leaderEpoch?: number
  /** The id of the topic the offset is from; when left out, the topic that has the name now. */
  readonly topicId?: string
}

export class FetchPosition {
  readonly topic: string
  readonly partition: number
  /** The id of the topic the position belongs to; undefined until it is known. */
  topicId: string | undefined
  position: number
  fetchOffset: number
  generation = 0
  /** Paused by the caller. */
  isPaused = false
  /** A question about this partition is on its way, or a pause after a failure. */
  isBusy = false
  /** It failed for good and was reported; only the caller can move it on. */
  isBroken = false
  /** What the cluster said about the leader turned out wrong, or may be older than the position. */
  isPlaceStale = true
  /** A leader does not know the topic's id: the topic was replaced, or the leader has yet to hear of it. */
  isIdUnknown = false
  /** The place to move to (as ListOffsets names it) when the position is not in the log. */
  resetTo: number | undefined
  attempt = 0
  /** As the last answer told it. */
  highWatermark: number | undefined
  /** As the last answer told it: how far readers of committed records may go. */
  lastStableOffset: number | undefined
  /** Since when it cannot be read, and why it last could not; undefined while it can. */
  hindered: { readonly since: number; readonly error: HeadwaterError } | undefined
  /** The leader epoch of the last batch read; -1 when unknown (KIP-320). */
  lastEpoch: number
  /** The leader epoch under which `fetchOffset` is known to be good; -1 for none. */
  validEpoch = -1
  readonly #buffered: FetchedBatches[] = []
  #bufferedBytes = 0

  constructor({ topic, partition, offset, leaderEpoch, topicId }: StartOffset) {
    this.topic = topic
    this.partition = partition
    this.topicId = topicId
    this.position = this.fetchOffset = offset
    this.lastEpoch = leaderEpoch ?? -1
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** Moves on to `offset`; what was fetched before is forgotten. */
  moveTo(offset: number): void {
    this.generation++
    this.position = this.fetchOffset = offset
    this.lastEpoch = this.validEpoch = -1
    this.isBroken = this.isIdUnknown = false
    this.resetTo = this.hindered = undefined
    this.#buffered.length = 0
    this.#bufferedBytes = 0
  }

  /** What to ask the leader next, when its epoch is `leaderEpoch`. */
  nextStep(leaderEpoch: number): 'reset' | 'validate' | 'fetch' {
    if (this.resetTo !== undefined) return 'reset'
    return this.lastEpoch >= 0 && this.validEpoch !== leaderEpoch ? 'validate' : 'fetch'
  }

  keep(fetched: FetchedBatches): void {
    this.#buffered.push(fetched)
    this.#bufferedBytes += fetchedBytes(fetched)
    this.fetchOffset = fetched.nextOffset
  }

  /** Hands out the oldest of what is buffered. */
  take(): FetchedBatches | undefined {
    const fetched = this.#buffered.shift()
    if (fetched === undefined) return undefined
    this.#bufferedBytes -= fetchedBytes(fetched)
    this.position = fetched.nextOffset
    return fetched
  }
}

function fetchedBytes({ batches }: FetchedBatches): number {
  let sizeBytes = 0
  for (const batch of batches) sizeBytes += batch.length
  return sizeBytes
}
