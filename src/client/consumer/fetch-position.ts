/**
 * Where a consumer is in one partition, and what has been fetched for it but not handed out.
 *
 *   position        the next offset the caller gets
 *   fetchOffset     the next offset to ask for; ahead of position by what is buffered
 *   generation      rises when the caller moves the position, so that answers to older questions are known
 */
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

export class FetchPosition {
  readonly topic: string
  readonly partition: number
  position: number
  fetchOffset: number
  generation = 0
  /** Paused by the caller. */
  isPaused = false
  /** A question about this partition is on its way, or a pause after a failure. */
  isBusy = false
  /** It failed for good and was reported; only the caller can move it on. */
  isBroken = false
  /** What the cluster said about the leader turned out wrong. */
  isPlaceStale = false
  attempt = 0
  /** As the last answer told it. */
  highWatermark: number | undefined
  /** The leader epoch of the last batch read; -1 when unknown (KIP-320). */
  lastEpoch: number
  /** The leader epoch under which `fetchOffset` is known to be good; -1 for none. */
  validEpoch = -1
  readonly #buffered: FetchedBatches[] = []
  #bufferedBytes = 0

  constructor(topic: string, partition: number, offset: number, leaderEpoch: number) {
    this.topic = topic
    this.partition = partition
    this.position = this.fetchOffset = offset
    this.lastEpoch = leaderEpoch
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** Moves on to `offset`; what was fetched before is forgotten. */
  moveTo(offset: number): void {
    this.generation++
    this.position = this.fetchOffset = offset
    this.lastEpoch = this.validEpoch = -1
    this.isBroken = false
    this.#buffered.length = 0
    this.#bufferedBytes = 0
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
