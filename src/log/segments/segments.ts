/**
 * All segments of one log, oldest first, and the rules for moving from one to the next.
 *
 * The last segment is the one that is written to. A new one begins when a batch would push it past
 * `segmentBytes`; a batch larger than that gets a segment of its own. The directory is made with the
 * first segment, so a log that was never written to costs nothing.
 */
import { assert, isHeadwaterError } from '../../base/errors.ts'
import { nextOffsetOf, readBatchHeader } from '../../records/batch.ts'
import type { SegmentFiles } from './segment-file.ts'
import { Segment } from './segment.ts'
import type { TailBatch } from './tail.ts'

/** Bytes that one read brings into memory, at most, unless a single batch is larger. */
const readBytesMax = 8 * 1024 * 1024
/** Bytes handed to the disk in one write. */
const writeBytesMax = 4 * 1024 * 1024
/** Positions in the index are 32 bits wide, and Kafka's own tools read 31. */
const segmentBytesMax = 0x7fff_ffff
/** Offsets in the index are 32 bits wide, relative to the segment's first. */
const relativeOffsetMax = 0xffff_ffff

export interface SegmentExtent {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly sizeBytes: number
  readonly maxTimestamp: number
}

export class Segments {
  readonly directory: string
  readonly #files: SegmentFiles
  readonly #segmentBytes: number
  #list: Segment[]
  #directoryMade: boolean

  constructor(
    files: SegmentFiles,
    directory: string,
    segmentBytes: number,
    extents: readonly SegmentExtent[],
  ) {
    assert(segmentBytes <= segmentBytesMax, 'a segment is larger than its index can say')
    this.#files = files
    this.directory = directory
    this.#segmentBytes = segmentBytes
    this.#list = extents.map((extent) => new Segment(files, directory, extent))
    this.#directoryMade = extents.length > 0
  }

  get sizeBytes(): number {
    return this.#list.reduce((total, segment) => total + segment.sizeBytes, 0)
  }

  get extents(): SegmentExtent[] {
    // The last one has nothing in it when there was no room for its first batch.
    const written = this.#list.filter(({ sizeBytes }) => sizeBytes > 0)
    return written.map(({ baseOffset, nextOffset, sizeBytes, maxTimestamp }) => ({
      baseOffset,
      nextOffset,
      sizeBytes,
      maxTimestamp,
    }))
  }

  /** Writes batches behind the last one, a run at a time; `written` hears of each run. */
  async append(
    batches: readonly TailBatch[],
    written: (nextOffset: number, batches: number, bytes: number) => void,
  ): Promise<void> {
    let run: TailBatch[] = []
    let runBytes = 0
    let segment = this.#list.at(-1)
    const flush = async (): Promise<void> => {
      if (segment === undefined || run.length === 0) return
      segment = await this.#appendRun(segment, run)
      written(segment.nextOffset, run.length, runBytes)
      run = []
      runBytes = 0
    }
    for (const batch of batches) {
      if (segment === undefined || !this.#fits(segment, runBytes, batch)) {
        await flush()
        segment = await this.#roll(batch.baseOffset)
      }
      run.push(batch)
      runBytes += batch.bytes.length
      if (runBytes >= writeBytesMax) await flush()
    }
    await flush()
  }

  /** Something waits for `sync`. */
  get isUnsynced(): boolean {
    return this.#list.some((segment) => segment.isUnsynced)
  }

  /** Syncs what was written since the last call, names included. */
  async sync(): Promise<void> {
    for (const segment of this.#list.slice()) await segment.sync()
  }

  /** Syncs the batches written since the last call, and neither names nor indexes. */
  async syncContents(): Promise<void> {
    for (const segment of this.#list) await segment.syncContents()
  }

  /** Whole checked batches from the one that holds `from`, begun before `upTo`, piece by piece. */
  async read(
    from: number,
    upTo: number,
    maxBytes: number,
    minOneBatch: boolean,
  ): Promise<Uint8Array[]> {
    const found: Uint8Array[] = []
    let next = from
    let left = Math.min(maxBytes, readBytesMax)
    for (;;) {
      const segment = this.#list[this.#indexOf(next)]
      if (segment === undefined || segment.baseOffset >= upTo) return found
      const piece = await this.#readPiece(segment, next, upTo, left, minOneBatch, found.length > 0)
      if (piece.length === 0) return found
      for (const batch of piece) {
        found.push(batch)
        left -= batch.length
      }
      next = nextOffsetOf(readBatchHeader(piece.at(-1)!))
      if (left <= 0) return found
    }
  }

  /** Damage behind what was found is told to the read that begins there. */
  async #readPiece(
    segment: Segment,
    from: number,
    upTo: number,
    maxBytes: number,
    minOneBatch: boolean,
    isLater: boolean,
  ): Promise<Uint8Array[]> {
    try {
      return await this.#files.pool.reads.pass(() =>
        segment.read(from, upTo, maxBytes, minOneBatch && !isLater),
      )
    } catch (error) {
      if (isLater && isHeadwaterError(error)) return []
      throw error
    }
  }

  /** What `pick` first finds in a batch of `[from, upTo)` with a timestamp of at least `timestamp`. */
  async findSince<T>(
    timestamp: number,
    from: number,
    upTo: number,
    pick: (batch: Uint8Array) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    for (const segment of this.#list.slice()) {
      if (segment.nextOffset <= from || segment.maxTimestamp < timestamp) continue
      if (segment.baseOffset >= upTo) break
      const found = await segment.findSince(timestamp, upTo, pick)
      if (found !== undefined) return found
    }
    return undefined
  }

  /**
   * The largest timestamp of the records from `from` on; -1 when there are none.
   * @param largestIn the same for the batch that `from` lies in the middle of
   */
  async largestSince(
    from: number,
    largestIn: (batch: Uint8Array) => Promise<number>,
  ): Promise<number> {
    const [cut, ...whole] = this.#list.slice(this.#indexOf(from))
    const largest = whole.reduce((most, segment) => Math.max(most, segment.maxTimestamp), -1)
    if (cut === undefined || cut.maxTimestamp <= largest) return largest
    if (cut.baseOffset >= from) return cut.maxTimestamp
    return Math.max(largest, await cut.largestSince(from, largestIn))
  }

  /** Removes segments that end at or before `offset`, the last one too. */
  async dropBefore(offset: number): Promise<void> {
    const keep = this.#list.findIndex((segment) => segment.nextOffset > offset)
    const dropped = this.#list.splice(0, keep === -1 ? this.#list.length : keep)
    if (dropped.length === 0) return
    for (const segment of dropped) await segment.remove()
    await this.#files.disk.syncDirectory(this.directory)
  }

  async verify(): Promise<void> {
    for (const segment of this.#list.slice()) await segment.verify()
  }

  /** Closes everything; whether there is a directory, which may now be removed. */
  async retire(): Promise<boolean> {
    for (const segment of this.#list.splice(0)) await segment.retire()
    return this.#directoryMade
  }

  /** Appends to the segment, or to a new one when it is damaged: its records wait for a backup, not ours. */
  async #appendRun(segment: Segment, run: readonly TailBatch[]): Promise<Segment> {
    try {
      await segment.append(run)
      return segment
    } catch (error) {
      if (!isHeadwaterError(error, 'data-corrupt')) throw error
      const next = await this.#roll(run[0]!.baseOffset)
      await next.append(run)
      return next
    }
  }

  #fits(segment: Segment, pendingBytes: number, batch: TailBatch): boolean {
    const size = segment.sizeBytes + pendingBytes
    if (size === 0) return true
    if (batch.nextOffset - segment.baseOffset > relativeOffsetMax) return false
    return size + batch.bytes.length <= this.#segmentBytes
  }

  async #roll(baseOffset: number): Promise<Segment> {
    if (!this.#directoryMade) {
      await this.#files.disk.makeDirectory(this.directory)
      this.#directoryMade = true
    }
    const segment = new Segment(this.#files, this.directory, {
      baseOffset,
      nextOffset: baseOffset,
      sizeBytes: 0,
      maxTimestamp: -1,
    })
    this.#list.push(segment)
    return segment
  }

  /** The segment that holds `offset`. */
  #indexOf(offset: number): number {
    let low = 0
    let high = this.#list.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#list[middle]!.nextOffset <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
