/**
 * One segment of a log: a file of batches, one after the other, and the sparse index beside it.
 *
 * Only the bytes below `sizeBytes` count: behind them a crash may have left anything. The size is what
 * the store's checkpoint remembers, so opening a segment reads nothing; the file is opened on first use
 * (`segment-file.ts`).
 *
 * Bytes are checked when they are read: a batch that fails its checksum here lies below the synced
 * end, where no crash can reach, and is reported, never skipped.
 */
import { compactBytes } from '../../base/bytes.ts'
import { isHeadwaterError } from '../../base/errors.ts'
import type { DiskFile } from '../../io/ports.ts'
import {
  batchHeaderBytes,
  checkBatch,
  nextOffsetOf,
  type BatchHeader,
} from '../../records/batch.ts'
import { badBatch, damagedSegment, headerInChain } from './chain.ts'
import { OffsetIndex, type Place } from './offset-index.ts'
import {
  SegmentFile,
  type LoadedIndex,
  type OpenedSegment,
  type SegmentFiles,
} from './segment-file.ts'
import type { TailBatch } from './tail.ts'

/** Bytes read in one piece, unless a single batch is larger: checking them is one turn of the main thread. */
const pieceBytes = 256 * 1024
/** Bytes read at a time when a segment is walked to index it. */
const walkBytes = 1024 * 1024

export class Segment {
  readonly baseOffset: number
  readonly path: string
  /** Where the next segment begins, or this one's next batch. */
  nextOffset: number
  sizeBytes: number
  maxTimestamp: number
  /** What `largestSince` found out last, up to a position: for one start no byte is walked twice. */
  #later: { readonly from: number; readonly place: Place; readonly largest: number } | undefined
  readonly #files: SegmentFiles
  readonly #file: SegmentFile

  constructor(
    files: SegmentFiles,
    directory: string,
    at: { baseOffset: number; nextOffset: number; sizeBytes: number; maxTimestamp: number },
  ) {
    this.#files = files
    this.baseOffset = at.baseOffset
    this.nextOffset = at.nextOffset
    this.sizeBytes = at.sizeBytes
    this.maxTimestamp = at.maxTimestamp
    this.path = `${directory}/${segmentFileName(at.baseOffset)}`
    this.#file = new SegmentFile(files, {
      directory,
      path: this.path,
      indexPath: indexPath(this.path),
      isNew: () => this.sizeBytes === 0,
      loadIndex: (file, stored) => this.#loadIndex(file, stored),
    })
  }

  /**
   * Writes batches that follow the last one here. One call at a time. `data-corrupt`, before anything is
   * written, when the stored end cannot be walked to index it.
   */
  async append(batches: readonly TailBatch[]): Promise<void> {
    await this.#use(async ({ file, index }) => {
      if (index.coveredBytes !== this.sizeBytes) {
        throw damagedSegment(this.path, index.coveredBytes, 'no batch of this log begins here')
      }
      this.#file.beginWrite()
      await file.write(
        batches.map((batch) => batch.bytes),
        this.sizeBytes,
      )
      for (const batch of batches) {
        index.note(batch.baseOffset, batch.bytes.length, batch.maxTimestamp)
        this.sizeBytes += batch.bytes.length
      }
      this.nextOffset = batches.at(-1)!.nextOffset
      this.maxTimestamp = Math.max(this.maxTimestamp, index.maxTimestamp)
    })
  }

  get isUnsynced(): boolean {
    return this.#file.isUnsynced
  }

  /** Returns when what was appended before, its name, and the index over it are on the device. */
  async sync(): Promise<void> {
    await this.#file.sync()
  }

  /** Returns when the batches appended before are on the device. Name and index wait for `sync`. */
  async syncContents(): Promise<void> {
    await this.#file.syncContents()
  }

  /** Whole checked batches from the one that holds `from`, begun before `upTo`: those of one piece. */
  async read(
    from: number,
    upTo: number,
    maxBytes: number,
    minOneBatch: boolean,
  ): Promise<Uint8Array[]> {
    return await this.#use(async ({ file, index }) => {
      const limit = this.sizeBytes
      const found: Uint8Array[] = []
      const windowBytes = Math.min(maxBytes, pieceBytes) + this.#files.indexIntervalBytes
      let left = maxBytes
      const place = index.placeOf(from)
      let at = place.position
      let expected: number | undefined = place.baseOffset
      let window = await file.read(at, Math.min(windowBytes, limit - at))
      let start = at
      while (at < limit) {
        if (window.length - (at - start) < batchHeaderBytes) {
          if (found.length > 0) break
          start = at
          window = await file.read(at, Math.min(windowBytes, limit - at))
        }
        const header = this.#headerUnless(found.length > 0, window, at - start, at, expected)
        if (header === undefined) break
        const next = nextOffsetOf(header)
        if (header.baseOffset >= upTo) break
        if (next > from) {
          if (header.sizeBytes > left && !(minOneBatch && found.length === 0)) break
          if (at - start + header.sizeBytes > window.length) {
            if (found.length > 0) break
            start = at
            window = await file.read(at, header.sizeBytes)
          }
          const fault = checkBatch(window, at - start)
          // Sound batches before a bad one are served; who comes for the bad one hears of it.
          if (fault !== undefined && found.length > 0) break
          if (fault !== undefined) throw badBatch(this.path, at, fault)
          found.push(window.subarray(at - start, at - start + header.sizeBytes))
          left -= header.sizeBytes
          expected = next
        } else {
          // Only a sound batch says where the next one begins; behind a bad one any may be it.
          expected = checkBatch(window, at - start) === undefined ? next : undefined
        }
        at += header.sizeBytes
      }
      const all = found.reduce((bytes, batch) => bytes + batch.length, 0)
      return all * 2 < window.length ? found.map(compactBytes) : found
    })
  }

  /** What `pick` first finds in a batch before `upTo` with a timestamp of at least `timestamp`. */
  async findSince<T>(
    timestamp: number,
    upTo: number,
    pick: (batch: Uint8Array) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    return await this.#use(async ({ file, index }) => {
      let found: T | undefined
      await this.#walk(file, index.placeOfTime(timestamp), (header, bytes, at, position) => {
        if (header.baseOffset >= upTo) return false
        if (header.maxTimestamp < timestamp) return true
        return pick(this.#checked(bytes, at, position, header.sizeBytes)).then((picked) => {
          found = picked
          return found === undefined
        })
      })
      return found
    })
  }

  /** The largest timestamp of the records from `from` on; see `Segments.largestSince`. */
  async largestSince(
    from: number,
    largestIn: (batch: Uint8Array) => Promise<number>,
  ): Promise<number> {
    return await this.#use(async ({ file, index }) => {
      const before = this.#later?.from === from ? this.#later : undefined
      let { place: next, largest } = before ?? { place: index.placeOf(from), largest: -1 }
      await this.#walk(file, next, (header, bytes, at, position) => {
        next = { position: position + header.sizeBytes, baseOffset: nextOffsetOf(header) }
        if (nextOffsetOf(header) <= from || header.maxTimestamp <= largest) return true
        if (header.baseOffset < from) {
          const cut = this.#checked(bytes, at, position, header.sizeBytes)
          return largestIn(cut).then((most) => {
            largest = Math.max(largest, most)
            return true
          })
        }
        largest = header.maxTimestamp
        return true
      })
      this.#later = { from, place: next, largest }
      return largest
    })
  }

  /** Reads every batch and checks it. */
  async verify(): Promise<void> {
    await this.#use(async ({ file }) => {
      const begin = { position: 0, baseOffset: this.baseOffset }
      await this.#walk(file, begin, (header, bytes, at, position) => {
        this.#checked(bytes, at, position, header.sizeBytes)
        return true
      })
    })
  }

  /** Removes the files once no reader is inside. */
  async remove(): Promise<void> {
    await this.#file.remove()
  }

  /** Closes the file once no reader is inside; nothing is read or written any more. */
  async retire(): Promise<void> {
    await this.#file.retire()
  }

  #use<T>(work: (opened: OpenedSegment) => Promise<T>): Promise<T> {
    return this.#file.use(work)
  }

  /**
   * The index as it was stored, and behind what it covers a walk over the batches themselves, as far as they
   * are sound: reads meet the damage where it is.
   */
  async #loadIndex(file: DiskFile, stored: Uint8Array): Promise<LoadedIndex> {
    const { indexIntervalBytes } = this.#files
    const empty = new OffsetIndex(this.baseOffset, indexIntervalBytes)
    if (this.sizeBytes === 0) return { index: empty, entriesStored: 0 }
    const there = Math.min(this.sizeBytes, await file.size())
    const decoded = OffsetIndex.decode(stored, this.baseOffset, indexIntervalBytes, there)
    const index = decoded ?? empty
    const isWhole = stored.length === (decoded === undefined ? 0 : index.encodedBytes)
    const entriesStored = isWhole ? index.entryCount : -1
    try {
      await this.#walk(file, index.lastPlace, (header) => {
        index.note(header.baseOffset, header.sizeBytes, header.maxTimestamp)
        return true
      })
    } catch (error) {
      if (!isHeadwaterError(error, 'data-corrupt')) throw error
    }
    return { index, entriesStored }
  }

  /** Visits the batches from a place to the end, until `visit` returns false. */
  async #walk(
    file: DiskFile,
    from: Place,
    visit: (
      header: BatchHeader,
      bytes: Uint8Array,
      at: number,
      position: number,
    ) => boolean | Promise<boolean>,
  ): Promise<void> {
    const limit = this.sizeBytes
    let window: Uint8Array = new Uint8Array(0)
    let start = from.position
    let at = from.position
    let expected = from.baseOffset
    while (at < limit) {
      let need = batchHeaderBytes
      if (window.length - (at - start) >= need) {
        need = headerInChain(this, window, at - start, at, expected).sizeBytes
      }
      if (window.length - (at - start) < need) {
        start = at
        window = await file.read(at, Math.min(Math.max(walkBytes, need), limit - at))
        if (window.length < Math.min(need, limit - at)) {
          throw damagedSegment(this.path, at, 'the file ends in the middle of a batch')
        }
      }
      const header = headerInChain(this, window, at - start, at, expected)
      if (at - start + header.sizeBytes > window.length) continue
      const goesOn = visit(header, window, at - start, at)
      if (!(typeof goesOn === 'boolean' ? goesOn : await goesOn)) return
      at += header.sizeBytes
      expected = nextOffsetOf(header)
    }
  }

  /** The header there; undefined when it is damaged and `isEnough` is read already. */
  #headerUnless(
    isEnough: boolean,
    window: Uint8Array,
    at: number,
    position: number,
    expected: number | undefined,
  ): BatchHeader | undefined {
    try {
      return headerInChain(this, window, at, position, expected)
    } catch (error) {
      if (isEnough && isHeadwaterError(error, 'data-corrupt')) return undefined
      throw error
    }
  }

  #checked(window: Uint8Array, at: number, position: number, sizeBytes: number): Uint8Array {
    const batch = window.subarray(at, at + sizeBytes)
    const fault = checkBatch(batch)
    if (fault !== undefined) throw badBatch(this.path, position, fault)
    return batch
  }
}

/** Twenty digits, so that names sort like offsets. */
export function segmentFileName(baseOffset: number): string {
  return `${String(baseOffset).padStart(20, '0')}.log`
}

/** The index that belongs to a segment file. */
export function indexPath(segmentPath: string): string {
  return segmentPath.replace(/\.log$/, '.index')
}
