/**
 * What a reader under `read_committed` may see of a fetched run of batches (KIP-98).
 *
 * The answer of a fetch lists the aborted transactions that overlap what it returns, each with its
 * producer and first offset. Walking the batches in order, a producer is aborted from that first offset
 * to its abort marker. One answer is enough: a transaction that began before the first batch, or whose
 * marker lies after the last, is in the list of every answer it overlaps, and two of one producer are
 * told apart by the marker between them.
 */
import type { BatchHeader } from '../../records/batch.ts'
import { isControl, isTransactional } from '../../records/batch.ts'
import { controlKind } from '../../records/record.ts'

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export class AbortFilter {
  /** By first offset, the next one to begin last. */
  readonly #upcoming: AbortedTransaction[]
  readonly #open = new Set<number>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#upcoming = aborted.toSorted((a, b) => b.firstOffset - a.firstOffset)
  }

  /** Whether a batch is data that was not aborted. Each batch of the answer is shown once, in order. */
  admits(batch: Uint8Array, header: BatchHeader): boolean {
    const lastOffset = header.baseOffset + header.lastOffsetDelta
    while (this.#upcoming.length > 0 && this.#upcoming.at(-1)!.firstOffset <= lastOffset) {
      this.#open.add(this.#upcoming.pop()!.producerId)
    }
    if (isControl(header.attributes)) {
      if (controlKind(batch) === 'abort') this.#open.delete(header.producerId)
      return false
    }
    return !(isTransactional(header.attributes) && this.#open.has(header.producerId))
  }
}
