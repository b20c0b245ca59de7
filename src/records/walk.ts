/**
 * Walking the records of a batch without believing its header: each record is read from its length to its
 * last header, and all of them together must be what the header says.
 *
 * At fault as a whole: lengths that do not fit, offset deltas other than 0, 1, 2 and so on, more or fewer
 * records than the header counts. At fault one by one: a missing key where keys are needed, a time out of
 * bounds. The largest time is what the walk finds, not what the header says.
 *
 * One pass over the bytes where they lie. Nothing is allocated for a record, and nothing by what a length
 * claims. Records may come in pieces, which are never put together: what crosses two is read byte by byte.
 */
import type { BatchHeader } from './batch.ts'
import { readVarint, readVarlong, varintEnd } from './varint.ts'

/** What each record is held to. */
export interface RecordRules {
  readonly keyed: boolean
  /** The bounds of timestamps (ms), both allowed; -1 means no time, and always is. */
  readonly oldest: number
  readonly newest: number
  /** Bytes of a record, without its length. */
  readonly recordBytesMax: number
}

export class RecordWalk {
  readonly #rules: RecordRules
  readonly #unfitMax: number
  readonly #onUnfit: ((place: number, timestamp: number) => void) | undefined
  readonly #expected: number
  readonly #baseTimestamp: number
  #count = 0
  #largestDelta = -Infinity
  #fault: string | undefined
  readonly #unfit: number[] = []
  #untimely = false
  readonly #piece: Piece = { bytes: noBytes, at: 0, taken: 0 }
  /** Reads the record that began in an earlier piece. */
  #crossing: Generator<undefined, void, undefined> | undefined

  /**
   * @param o.unfitMax records at fault by themselves that are remembered
   * @param o.onUnfit hears of each of them, with its place in the batch and its time (ms)
   */
  constructor(
    header: BatchHeader,
    rules: RecordRules,
    o: { unfitMax?: number; onUnfit?: (place: number, timestamp: number) => void },
  ) {
    this.#rules = rules
    this.#unfitMax = o.unfitMax ?? 0
    this.#onUnfit = o.onUnfit
    this.#expected = header.recordCount
    this.#baseTimestamp = header.baseTimestamp
  }

  /** Records walked so far. */
  get count(): number {
    return this.#count
  }

  /** The largest time so far; -1, which is none, when there is none. */
  get maxTimestamp(): number {
    return Math.max(-1, this.#baseTimestamp + this.#largestDelta)
  }

  /** Places in the batch of the records at fault by themselves, the first few. */
  get unfit(): readonly number[] {
    return this.#unfit
  }

  /** Whether a time is at fault somewhere. */
  get untimely(): boolean {
    return this.#untimely
  }

  /** Takes the bytes of the records from `at` on. False after a fault: the rest is of no use. */
  push(bytes: Uint8Array, at = 0): boolean {
    const piece = this.#piece
    piece.bytes = bytes
    piece.at = at
    while (this.#fault === undefined && piece.at < bytes.length) {
      if (this.#crossing === undefined) {
        this.#walkWhole(piece)
        if (this.#fault !== undefined || piece.at === bytes.length) break
        if (this.#count === this.#expected) {
          this.#fault = `bytes follow its ${this.#expected} records`
          break
        }
        this.#crossing = this.#readCrossing(piece)
      }
      if (this.#crossing.next().done === true) this.#crossing = undefined
    }
    piece.bytes = noBytes
    return this.#fault === undefined
  }

  /** What is wrong with the batch as a whole, in words, when there are no more bytes. */
  finish(): string | undefined {
    if (this.#fault !== undefined) return this.#fault
    if (this.#crossing !== undefined) return `record ${this.#count} is cut off`
    if (this.#count === this.#expected) return undefined
    return `it has ${this.#count} records, and its header says ${this.#expected}`
  }

  /**
   * Walks the records that lie whole in the piece, up to the first that does not. Reads past the end of
   * the bytes give nothing and move on, so a record is held to its own end once, when all of it is read.
   * Written out, because it runs for every record that is produced: a call for each varint doubles its time.
   */
  #walkWhole(piece: Piece): void {
    const { bytes } = piece
    const limit = bytes.length
    const expected = this.#expected
    let count = this.#count
    let largest = this.#largestDelta
    let { at } = piece
    const { keyed, recordBytesMax } = this.#rules
    const oldest = this.#rules.oldest - this.#baseTimestamp
    const newest = this.#rules.newest - this.#baseTimestamp
    while (at < limit && count < expected) {
      let raw = shortVarint(bytes, at)
      let position = at + (raw < 0x80 ? 1 : 2)
      let size = (raw >>> 1) ^ -(raw & 1)
      if (raw < 0) {
        size = readVarint(bytes, at)
        position = varintEnd()
      }
      const end = position + size
      if (end > limit && size >= 0) break
      position++
      raw = shortVarint(bytes, position)
      let delta = (raw >>> 1) ^ -(raw & 1)
      if (raw < 0) {
        delta = readVarlong(bytes, position)
        position = varintEnd()
      } else position += raw < 0x80 ? 1 : 2
      raw = shortVarint(bytes, position)
      let place = (raw >>> 1) ^ -(raw & 1)
      if (raw < 0) {
        place = readVarint(bytes, position)
        position = varintEnd()
      } else position += raw < 0x80 ? 1 : 2
      raw = shortVarint(bytes, position)
      let keySize = (raw >>> 1) ^ -(raw & 1)
      if (raw < 0) {
        keySize = readVarint(bytes, position)
        position = varintEnd()
      } else position += raw < 0x80 ? 1 : 2
      if (keySize > 0) position += keySize
      raw = shortVarint(bytes, position)
      let valueSize = (raw >>> 1) ^ -(raw & 1)
      if (raw < 0) {
        valueSize = readVarint(bytes, position)
        position = varintEnd()
      } else position += raw < 0x80 ? 1 : 2
      const valueEnd = valueSize > 0 ? position + valueSize : position
      const last = bytes[valueEnd] === 0 ? valueEnd + 1 : headersEnd(bytes, valueEnd, end)
      const fits = last === end && size >= 0
      if (!fits || place !== count || size > recordBytesMax) {
        this.#count = count
        this.#refuse(place, fits, size)
        return
      }
      if (delta > largest) largest = delta
      if ((keyed && keySize < 0) || delta < oldest || delta > newest) {
        this.#judge(count, keySize, delta)
      }
      count++
      at = end
    }
    piece.at = at
    this.#count = count
    this.#largestDelta = largest
  }

  /** Reads the record at the end of the piece, and on in those that follow. */
  *#readCrossing(piece: Piece): Generator<undefined, void, undefined> {
    const size = yield* crossVarint(piece, readVarint, varintBytesMax)
    // One that does not end says nothing: the record fits nowhere.
    if (piece.taken === Infinity) return this.#refuse(this.#count, false, size)
    piece.taken = 0
    yield* crossBytes(piece, 1)
    const delta = yield* crossVarint(piece, readVarlong, varlongBytesMax)
    const place = yield* crossVarint(piece, readVarint, varintBytesMax)
    const keySize = yield* crossSized(piece, size)
    yield* crossSized(piece, size)
    let headers = yield* crossVarint(piece, readVarint, varintBytesMax)
    for (; headers > 0 && piece.taken < size; headers--) {
      if ((yield* crossSized(piece, size)) < 0) break
      yield* crossSized(piece, size)
    }
    const fits = headers === 0 && piece.taken === size
    if (!fits || place !== this.#count || size > this.#rules.recordBytesMax) {
      return this.#refuse(place, fits, size)
    }
    if (delta > this.#largestDelta) this.#largestDelta = delta
    this.#judge(this.#count, keySize, delta)
    this.#count++
  }

  /** Notes a record that may be at fault by itself. As in Kafka a missing key comes before its time. */
  #judge(place: number, keySize: number, delta: number): void {
    const { keyed, oldest, newest } = this.#rules
    const timestamp = this.#baseTimestamp + delta
    const isKeyless = keyed && keySize < 0
    if (!isKeyless && ((timestamp >= oldest && timestamp <= newest) || timestamp === -1)) return
    this.#onUnfit?.(place, timestamp)
    if (!isKeyless) this.#untimely = true
    if (this.#unfit.length < this.#unfitMax) this.#unfit.push(place)
  }

  #refuse(place: number, fits: boolean, size: number): void {
    const { recordBytesMax } = this.#rules
    if (!fits) this.#fault = `record ${this.#count} does not fit its lengths`
    else if (size > recordBytesMax) {
      this.#fault = `record ${this.#count} has ${size} bytes, and ${recordBytesMax} are allowed`
    } else this.#fault = `record ${this.#count} says it is record ${place}`
  }
}

const noBytes = new Uint8Array(0)
const varintBytesMax = 5
const varlongBytesMax = 10

/** The raw bits of a varint of one or two bytes, of two only where it needs them; -1 for any other. */
function shortVarint(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) return first
  const second = bytes[at + 1]!
  return second > 0 && second < 0x80 ? (first & 0x7f) | (second << 7) : -1
}

/** Where the headers end that begin at `at` with their count; NaN when they do not by `end`. */
function headersEnd(bytes: Uint8Array, at: number, end: number): number {
  const count = readVarint(bytes, at)
  if (count < 0) return NaN
  let position = varintEnd()
  for (let left = count; left > 0; left--) {
    if (position >= end) return NaN
    const keySize = readVarint(bytes, position)
    if (keySize < 0) return NaN
    const valueSize = readVarint(bytes, varintEnd() + keySize)
    position = valueSize > 0 ? varintEnd() + valueSize : varintEnd()
  }
  return position
}

/** The bytes at hand. A generator that finds none left waits until others are put in their place. */
interface Piece {
  bytes: Uint8Array
  at: number
  /** Bytes read since somebody set it to 0; Infinity after a varint that does not end. */
  taken: number
}

const scratch = new Uint8Array(varlongBytesMax)

function* crossVarint(
  piece: Piece,
  read: (bytes: Uint8Array, at: number) => number,
  bytesMax: number,
): Generator<undefined, number, undefined> {
  const bytes: number[] = []
  do {
    while (piece.at === piece.bytes.length) yield
    bytes.push(piece.bytes[piece.at++]!)
  } while (bytes.at(-1)! >= 0x80 && bytes.length < bytesMax)
  scratch.set(bytes)
  const value = read(scratch, 0)
  piece.taken += varintEnd()
  return value
}

/** Passes over a size and as many bytes, but no more than `most`: then it reaches past its record anyway. */
function* crossSized(piece: Piece, most: number): Generator<undefined, number, undefined> {
  const size = yield* crossVarint(piece, readVarint, varintBytesMax)
  yield* crossBytes(piece, Math.min(size, most))
  return size
}

function* crossBytes(piece: Piece, count: number): Generator<undefined, void, undefined> {
  let left = count
  if (left > 0) piece.taken += left
  while (left > 0) {
    while (piece.at === piece.bytes.length) yield
    const step = Math.min(left, piece.bytes.length - piece.at)
    piece.at += step
    left -= step
  }
}
