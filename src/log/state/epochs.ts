/**
 * Which leader epochs a log has seen, and where each began (KIP-101, KIP-320).
 *
 * Entries rise in both epoch and offset. An epoch enters with its first batch, so an epoch in which
 * nothing was written leaves no trace. A client that asks where an epoch ended learns up to where its
 * own position still agrees with the log.
 */
import { readBatchHeader, stampBatch } from '../../records/batch.ts'

export interface EpochStart {
  readonly epoch: number
  readonly startOffset: number
}

export interface EpochEnd {
  readonly epoch: number
  readonly endOffset: number
}

/** The answer when the log does not know: Kafka's undefined epoch and offset. */
const unknownEnd: EpochEnd = { epoch: -1, endOffset: -1 }

export class Epochs {
  readonly #starts: EpochStart[]

  constructor(starts: readonly EpochStart[] = []) {
    this.#starts = [...starts]
  }

  get starts(): readonly EpochStart[] {
    return this.#starts
  }

  /** Puts right what stored batches say of their epoch: no checksum of theirs guards it. */
  restamp(batches: readonly Uint8Array[]): void {
    for (const batch of batches) {
      const { baseOffset, partitionLeaderEpoch } = readBatchHeader(batch)
      const start = this.#starts.findLast(({ startOffset }) => startOffset <= baseOffset)
      const epoch = start?.epoch ?? 0
      if (epoch !== partitionLeaderEpoch) stampBatch(batch, baseOffset, epoch)
    }
  }

  /** Notes a batch stored at `offset` under `epoch`. */
  note(epoch: number, offset: number): void {
    const last = this.#starts.at(-1)
    if (last === undefined || epoch > last.epoch) {
      this.#starts.push({ epoch, startOffset: offset })
    }
  }

  /**
   * Where `requested` ended: the start of the next epoch, or `logEnd` for the log's `current` one.
   * An epoch from the future is unknown.
   */
  endOf(requested: number, current: number, logEnd: number): EpochEnd {
    if (requested < 0 || requested > current) return unknownEnd
    let floor = -1
    for (const start of this.#starts) {
      if (start.epoch > requested) {
        return { epoch: floor === -1 ? requested : floor, endOffset: start.startOffset }
      }
      floor = start.epoch
    }
    return { epoch: requested === current || floor === -1 ? requested : floor, endOffset: logEnd }
  }
}
