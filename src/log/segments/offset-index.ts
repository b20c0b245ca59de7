/**
 * A sparse index of one segment: for every so many bytes, where a batch begins, its base offset and the
 * largest timestamp before it. It answers both questions a log is asked: where is this offset, and
 * where may the first record as late as this time be.
 *
 *   file:   at  size  field                      entry:  at  size  field
 *            0     4  'HWI1'                              0     4  base offset - segment's base offset
 *            4     4  CRC-32C of bytes 8 to end           4     4  position in the segment file
 *            8     8  segment's base offset               8     8  largest timestamp before position
 *           16     4  entry count
 *           20        entries
 *
 * The file is a cache: what it misses is found again by walking the segment. Numbers are kept in flat
 * typed arrays, 16 bytes an entry.
 */
import { Reader, Writer } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'

const magic = 0x48574931
const headerBytes = 20
const entryBytes = 16
const checkedFrom = 8
const noTimestamp = -1

/** Where a batch begins. */
export interface Place {
  readonly position: number
  readonly baseOffset: number
}

export class OffsetIndex {
  readonly baseOffset: number
  /** Bytes of the segment between two entries, at least. */
  readonly #intervalBytes: number
  /** Bytes of the segment that the entries and `maxTimestamp` speak for. */
  coveredBytes = 0
  /** Largest timestamp in the covered bytes; -1 when there is none. */
  maxTimestamp: number = noTimestamp
  #count = 0
  #offsets = new Uint32Array(16)
  #positions = new Uint32Array(16)
  #timestamps = new Float64Array(16)

  constructor(baseOffset: number, intervalBytes: number) {
    this.baseOffset = baseOffset
    this.#intervalBytes = intervalBytes
  }

  get entryCount(): number {
    return this.#count
  }

  /** Bytes of the file that `encode` makes. */
  get encodedBytes(): number {
    return headerBytes + this.#count * entryBytes
  }

  /** Notes the batch that begins where the covered bytes end. */
  note(baseOffset: number, sizeBytes: number, maxTimestamp: number): void {
    const last = this.#count === 0 ? 0 : this.#positions[this.#count - 1]!
    if (this.coveredBytes - last >= this.#intervalBytes) {
      this.#push(baseOffset - this.baseOffset, this.coveredBytes, this.maxTimestamp)
    }
    this.coveredBytes += sizeBytes
    if (maxTimestamp > this.maxTimestamp) this.maxTimestamp = maxTimestamp
  }

  /** A batch at or before the one that holds `offset`. */
  placeOf(offset: number): Place {
    const relative = offset - this.baseOffset
    return this.#placeAt(this.#lastWhere((entry) => this.#offsets[entry]! <= relative))
  }

  /** A batch at or before the first one with a timestamp of at least `timestamp`. */
  placeOfTime(timestamp: number): Place {
    return this.#placeAt(this.#lastWhere((entry) => this.#timestamps[entry]! < timestamp))
  }

  /** The last batch that has an entry. */
  get lastPlace(): Place {
    return this.#placeAt(this.#count - 1)
  }

  encode(): Uint8Array {
    const writer = new Writer(this.encodedBytes)
    writer.int32(magic)
    writer.int32(0)
    writer.int64(this.baseOffset)
    writer.int32(this.#count)
    for (let entry = 0; entry < this.#count; entry++) {
      writer.int32(this.#offsets[entry]! | 0)
      writer.int32(this.#positions[entry]! | 0)
      writer.int64(this.#timestamps[entry]!)
    }
    const bytes = writer.finish()
    writer.setInt32(4, crc32c(bytes, checkedFrom) | 0)
    return bytes
  }

  /**
   * The index in `bytes`, without entries at or past `sizeBytes` of the segment: those spoke of batches
   * that a crash took back. Undefined when the bytes are not a whole index of this segment. The last
   * stretch is left uncovered for the caller to walk, which also finds the largest timestamp again.
   */
  static decode(
    bytes: Uint8Array,
    baseOffset: number,
    intervalBytes: number,
    sizeBytes: number,
  ): OffsetIndex | undefined {
    if (bytes.length < headerBytes) return undefined
    const reader = new Reader(bytes)
    const fileMagic = reader.int32()
    const checksum = reader.uint32()
    const fileBaseOffset = reader.int64()
    const count = reader.uint32()
    const end = headerBytes + count * entryBytes
    if (fileMagic !== magic || fileBaseOffset !== baseOffset || end > bytes.length) return undefined
    if (checksum !== crc32c(bytes, checkedFrom, end)) return undefined
    const index = new OffsetIndex(baseOffset, intervalBytes)
    for (let left = count; left > 0; left--) {
      const relative = reader.uint32()
      const position = reader.uint32()
      const timestamp = reader.int64()
      if (position >= sizeBytes) break
      index.#push(relative, position, timestamp)
      index.coveredBytes = position
      index.maxTimestamp = timestamp
    }
    return index
  }

  #placeAt(entry: number): Place {
    if (entry === -1) return { position: 0, baseOffset: this.baseOffset }
    const baseOffset = this.baseOffset + this.#offsets[entry]!
    return { position: this.#positions[entry]!, baseOffset }
  }

  #push(relative: number, position: number, timestamp: number): void {
    if (this.#count === this.#offsets.length) this.#grow()
    this.#offsets[this.#count] = relative
    this.#positions[this.#count] = position
    this.#timestamps[this.#count] = timestamp
    this.#count++
  }

  #grow(): void {
    const offsets = new Uint32Array(this.#count * 2)
    const positions = new Uint32Array(this.#count * 2)
    const timestamps = new Float64Array(this.#count * 2)
    offsets.set(this.#offsets)
    positions.set(this.#positions)
    timestamps.set(this.#timestamps)
    this.#offsets = offsets
    this.#positions = positions
    this.#timestamps = timestamps
  }

  /** The last entry for which `holds` is true, where it is true for a prefix of the entries; or -1. */
  #lastWhere(holds: (entry: number) => boolean): number {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >> 1
      if (holds(middle)) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}
