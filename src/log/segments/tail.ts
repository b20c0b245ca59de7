/**
 * The newest batches of a log, in memory: those not yet in its segment files, and before them those
 * written lately, kept so that consumers who keep up never touch the disk.
 *
 * Batches stand in the order of their offsets without holes between the first and the last. Their bytes
 * are never changed once here, and hold little memory beside their own (`newcomers.ts`).
 */
import { compactBytes } from '../../base/bytes.ts'

/** Places of forgotten batches at the front of the array before the array is moved up. */
const slackMax = 1024

export interface TailBatch {
  readonly bytes: Uint8Array
  readonly baseOffset: number
  readonly nextOffset: number
  readonly maxTimestamp: number
  /** Bytes of all batches that came here so far, this one with them. */
  readonly bytesSoFar: number
}

/** What stands where a batch was forgotten: the place may stay for a while, its bytes may not. */
const forgotten: TailBatch = {
  bytes: new Uint8Array(0),
  baseOffset: 0,
  nextOffset: 0,
  maxTimestamp: 0,
  bytesSoFar: 0,
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

  /** Copies the batch that begins at `baseOffset` out of the buffer it came in, unless it is most of it. */
  compact(baseOffset: number): void {
    const at = this.#find(baseOffset)
    const batch = this.#batches[at]
    if (batch?.baseOffset !== baseOffset) return
    this.#batches[at] = { ...batch, bytes: compactBytes(batch.bytes) }
  }

  /** Forgets batches that end at or before `offset`. */
  forgetBefore(offset: number): void {
    let head = this.#head
    while (head < this.#batches.length && this.#batches[head]!.nextOffset <= offset) {
      this.#sizeBytes -= this.#batches[head]!.bytes.length
      this.#batches[head++] = forgotten
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
