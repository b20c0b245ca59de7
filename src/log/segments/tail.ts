/**
 * The newest batches of a log, in memory: those not yet in its segment files, and before them those
 * written lately, kept so that consumers who keep up never touch the disk.
 *
 * Batches stand in the order of their offsets without holes between the first and the last. The bytes
 * are views of what came from the network and are never copied or changed once here.
 */

/** Forgotten batches at the front of the arrays before the arrays are moved up. */
const slackMax = 1024

export interface TailBatch {
  readonly bytes: Uint8Array
  readonly baseOffset: number
  readonly nextOffset: number
  readonly maxTimestamp: number
  /** Bytes of all batches that came here so far, this one with them. */
  readonly bytesSoFar: number
}

export class Tail {
  #batches: TailBatch[] = []
  #head = 0
  #endOffset: number
  #sizeBytes = 0
  #bytesSoFar = 0

  constructor(endOffset: number) {
    this.#endOffset = endOffset
  }

  /** The base offset of the first batch here; the log's end when there is none. */
  get startOffset(): number {
    return this.#head < this.#batches.length
      ? this.#batches[this.#head]!.baseOffset
      : this.#endOffset
  }

  get endOffset(): number {
    return this.#endOffset
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  push(bytes: Uint8Array, baseOffset: number, nextOffset: number, maxTimestamp: number): void {
    this.#bytesSoFar += bytes.length
    const bytesSoFar = this.#bytesSoFar
    this.#batches.push({ bytes, baseOffset, nextOffset, maxTimestamp, bytesSoFar })
    this.#endOffset = nextOffset
    this.#sizeBytes += bytes.length
  }

  /** Forgets batches that end at or before `offset`. */
  forgetBefore(offset: number): void {
    let head = this.#head
    while (head < this.#batches.length && this.#batches[head]!.nextOffset <= offset) {
      this.#sizeBytes -= this.#batches[head]!.bytes.length
      head++
    }
    this.#head = head
    if (head < slackMax && head < this.#batches.length) return
    this.#batches = this.#batches.slice(head)
    this.#head = 0
  }

  /** Whole batches from the one that holds `from`, begun before `upTo`, of at most `maxBytes` in all. */
  read(from: number, upTo: number, maxBytes: number, minOneBatch: boolean): Uint8Array[] {
    const found: Uint8Array[] = []
    let left = maxBytes
    for (let at = this.#find(from); at < this.#batches.length; at++) {
      const batch = this.#batches[at]!
      if (batch.baseOffset >= upTo) break
      left -= batch.bytes.length
      if (left < 0 && !(minOneBatch && found.length === 0)) break
      found.push(batch.bytes)
    }
    return found
  }

  /** Bytes of the batches that end in `(from, to]`. */
  bytesBetween(from: number, to: number): number {
    const first = this.#batches[this.#find(from)]
    const last = this.#batches[this.#find(to) - 1]
    if (first === undefined || last === undefined) return 0
    return Math.max(0, last.bytesSoFar - first.bytesSoFar + first.bytes.length)
  }

  /** Batches that end in `(from, to]`. */
  between(from: number, to: number): TailBatch[] {
    return this.#batches.slice(this.#find(from), this.#find(to))
  }

  /** The place of the batch that holds `offset`. */
  #find(offset: number): number {
    let low = this.#head
    let high = this.#batches.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#batches[middle]!.nextOffset <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
