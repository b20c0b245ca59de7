/**
 * Where transactions begin and end in a log: what holds the last stable offset back, and which aborted
 * ones a reader of a range must skip (KIP-98).
 *
 * A transaction holds readers back from its first batch until its marker is *durable*, not merely
 * appended: no one acts on an end that a power cut could take back. First offsets only rise, so the
 * map below is sorted by insertion, and so is the list of aborted ones by the offset of their marker.
 */
import type { Reader, Writer } from '../../base/bytes.ts'

interface UnstableTransaction {
  readonly producerId: number
  readonly firstOffset: number
  /** Offset of the marker that is appended but not yet durable; -1 while the transaction is open. */
  markerOffset: number
}

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

interface StoredAbort extends AbortedTransaction {
  readonly markerOffset: number
  /** Transactions aborted later than this one begin here or after. */
  readonly stableOffset: number
}

export class TransactionIndex {
  readonly #unstable = new Map<number, UnstableTransaction>()
  #aborted: StoredAbort[] = []

  begin(producerId: number, firstOffset: number): void {
    this.#unstable.set(firstOffset, { producerId, firstOffset, markerOffset: -1 })
  }

  /** Notes the marker at `markerOffset` that ends the transaction begun at `firstOffset`. */
  end(firstOffset: number, markerOffset: number, aborted: boolean): void {
    const transaction = this.#unstable.get(firstOffset)
    if (transaction === undefined) return
    transaction.markerOffset = markerOffset
    if (!aborted) return
    this.#aborted.push({
      producerId: transaction.producerId,
      firstOffset,
      markerOffset,
      stableOffset: this.#firstOpen(markerOffset + 1),
    })
  }

  /** Drops transactions whose markers are durable; true when the first unstable offset may have moved. */
  settle(highWatermark: number): boolean {
    let moved = false
    for (const [firstOffset, transaction] of this.#unstable) {
      if (transaction.markerOffset === -1 || transaction.markerOffset >= highWatermark) continue
      this.#unstable.delete(firstOffset)
      moved = true
    }
    return moved
  }

  get isEmpty(): boolean {
    return this.#unstable.size === 0
  }

  /** The first offset of a transaction without a durable end, or `otherwise` when there is none. */
  firstUnstable(otherwise: number): number {
    for (const firstOffset of this.#unstable.keys()) return firstOffset
    return otherwise
  }

  /** Aborted transactions that reach into `[from, to)`, in the order of their markers. */
  abortedBetween(from: number, to: number): AbortedTransaction[] {
    const found: AbortedTransaction[] = []
    for (let at = this.#firstAbortAt(from); at < this.#aborted.length; at++) {
      const abort = this.#aborted[at]!
      if (abort.firstOffset < to) {
        found.push({ producerId: abort.producerId, firstOffset: abort.firstOffset })
      }
      if (abort.stableOffset >= to) break
    }
    return found
  }

  /** Forgets aborted transactions that end before the log starts. */
  forgetBefore(startOffset: number): void {
    const first = this.#firstAbortAt(startOffset)
    if (first > 0) this.#aborted = this.#aborted.slice(first)
  }

  encode(writer: Writer): void {
    writer.int32(this.#unstable.size)
    for (const transaction of this.#unstable.values()) {
      writer.int64(transaction.producerId)
      writer.int64(transaction.firstOffset)
      writer.int64(transaction.markerOffset)
    }
    writer.int32(this.#aborted.length)
    for (const abort of this.#aborted) {
      writer.int64(abort.producerId)
      writer.int64(abort.firstOffset)
      writer.int64(abort.markerOffset)
      writer.int64(abort.stableOffset)
    }
  }

  static decode(reader: Reader): TransactionIndex {
    const index = new TransactionIndex()
    for (let left = reader.int32(); left > 0; left--) {
      const producerId = reader.int64()
      const firstOffset = reader.int64()
      index.#unstable.set(firstOffset, { producerId, firstOffset, markerOffset: reader.int64() })
    }
    for (let left = reader.int32(); left > 0; left--) {
      index.#aborted.push({
        producerId: reader.int64(),
        firstOffset: reader.int64(),
        markerOffset: reader.int64(),
        stableOffset: reader.int64(),
      })
    }
    return index
  }

  #firstOpen(otherwise: number): number {
    for (const transaction of this.#unstable.values()) {
      if (transaction.markerOffset === -1) return transaction.firstOffset
    }
    return otherwise
  }

  #firstAbortAt(offset: number): number {
    let low = 0
    let high = this.#aborted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#aborted[middle]!.markerOffset < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
