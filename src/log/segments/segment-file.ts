/**
 * The file of a segment, open while it is used and until others need its descriptor, with its index in memory.
 *
 * What was written is synced before the file is closed, by whoever closes it: a checkpoint must not speak
 * of bytes that nobody has synced, and the system tells only those who have a file open that writing it
 * back failed. After a sync that failed no later one may succeed in its place, for want of room, too: some
 * file systems find out only then that there is none, and what they had taken is gone.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import type { Disk, DiskFile } from '../../io/ports.ts'
import { forGood } from '../for-good.ts'
import { damagedSegment } from './chain.ts'
import type { OffsetIndex } from './offset-index.ts'
import type { SegmentPool } from './pool.ts'

/** Where the segments of a store live, and what they share. */
export interface SegmentFiles {
  readonly disk: Disk
  readonly pool: SegmentPool
  /** Told that a segment could not be synced while its file was given up. */
  readonly onFailure: (error: unknown) => void
  /** Bytes of a segment between two entries of its index, at least. */
  readonly indexIntervalBytes: number
}

export interface OpenedSegment {
  readonly file: DiskFile
  readonly index: OffsetIndex
}

export interface LoadedIndex {
  readonly index: OffsetIndex
  /** Entries of it that the index file has; -1 when that holds something else. */
  readonly entriesStored: number
}

export interface SegmentFileOptions {
  readonly directory: string
  readonly path: string
  readonly indexPath: string
  /** Nothing was ever written to it. */
  readonly isNew: () => boolean
  /** @param stored the bytes of the index file */
  readonly loadIndex: (file: DiskFile, stored: Uint8Array) => Promise<LoadedIndex>
}

export class SegmentFile {
  readonly #files: SegmentFiles
  readonly #options: SegmentFileOptions
  #opened: Promise<OpenedSegment> | undefined
  #closing: Promise<void> | undefined
  #settling: Promise<void> | undefined
  #users = 0
  #removed = false
  /** Written to since the last `sync`. */
  #dirty = false
  /** Written to since the last `syncContents`. */
  #unsynced = false
  /** The name may not be on the device. */
  #nameUnsynced: boolean
  #indexEntriesStored = 0
  /** What made a sync fail while the file was given up. */
  #failure: unknown

  constructor(files: SegmentFiles, options: SegmentFileOptions) {
    this.#files = files
    this.#options = options
    this.#nameUnsynced = options.isNew()
  }

  get isIdle(): boolean {
    return this.#users === 0 && this.#closing === undefined
  }

  /** Something waits for `sync`, or can never be synced. */
  get isUnsynced(): boolean {
    return this.#dirty || this.#failure !== undefined
  }

  async use<T>(work: (opened: OpenedSegment) => Promise<T>): Promise<T> {
    this.#users++
    try {
      this.#opened ??= this.#open()
      this.#files.pool.touch(this)
      return await work(await this.#opened)
    } finally {
      this.#users--
      if (this.#users === 0) await this.#rest()
    }
  }

  /** To be called by a user before it writes. */
  beginWrite(): void {
    if (this.#failure !== undefined) throw this.#failure
    this.#dirty = true
    this.#unsynced = true
  }

  /** Returns when what was written before, the name and the index are on the device. */
  async sync(): Promise<void> {
    await this.#closing
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#dirty) return
    const { index } = await this.use(async (opened) => {
      await this.#syncContents(opened.file)
      return opened
    })
    // Nobody is inside, so that whoever finds no descriptor for an index can have this one's.
    await this.#settle(index)
  }

  /** Returns when what was written before is on the device. */
  async syncContents(): Promise<void> {
    if (this.#unsynced) await this.use(({ file }) => this.#syncContents(file))
  }

  /** Removes file and index once no one is inside. */
  async remove(): Promise<void> {
    await this.retire()
    await this.#files.disk.remove(this.#options.path)
    await this.#files.disk.remove(this.#options.indexPath)
  }

  /** Closes once no one is inside, without a sync: what was written is not wanted any more. */
  async retire(): Promise<void> {
    this.#removed = true
    await this.#closing
    if (this.#users === 0) await this.abandon()
  }

  /** Syncs what waits for it and gives the descriptor back. The next use opens the file again. */
  giveUp(): Promise<void> {
    this.#closing ??= this.#giveUp().finally(() => (this.#closing = undefined))
    return this.#closing
  }

  /** Closes at the end of the segment's or the store's life, whoever is inside. */
  async abandon(): Promise<void> {
    const opening = this.#opened
    this.#opened = undefined
    const opened = await opening?.catch(() => undefined)
    if (opened === undefined) return
    try {
      await opened.file.close()
    } finally {
      this.#files.pool.giveBack(this)
    }
  }

  async #giveUp(): Promise<void> {
    const opening = this.#opened
    this.#opened = undefined
    const opened = await opening?.catch(() => undefined)
    if (opened === undefined) return
    try {
      try {
        if (this.#unsynced) await this.#syncContents(opened.file)
      } finally {
        await opened.file.close()
      }
      await this.#settle(opened.index)
    } catch (error) {
      if (!this.#removed) this.#fail(error)
    } finally {
      this.#files.pool.giveBack(this)
    }
  }

  #fail(error: unknown): void {
    this.#failure = error
    this.#files.onFailure(error)
  }

  async #syncContents(file: DiskFile): Promise<void> {
    await forGood(this.#options.path, () => file.sync())
    this.#unsynced = false
  }

  /** Has the device take the name and the index, after the contents: once, whoever asks meanwhile. */
  #settle(index: OffsetIndex): Promise<void> {
    this.#settling ??= this.#settleNow(index).finally(() => (this.#settling = undefined))
    return this.#settling
  }

  /** An index without news is left alone, and so small segments have none: what it misses is walked. */
  async #settleNow(index: OffsetIndex): Promise<void> {
    if (!this.#dirty) return
    if (index.entryCount !== this.#indexEntriesStored) await this.#storeIndex(index)
    const { directory } = this.#options
    if (this.#nameUnsynced) {
      await forGood(directory, () => this.#files.disk.syncDirectory(directory))
    }
    this.#nameUnsynced = false
    this.#dirty = false
  }

  /**
   * Without room it stays as it is: it can be made from the segment, and what it lacks is walked. But one that
   * speaks of bytes that are gone would count again when the segment has grown as far.
   */
  async #storeIndex(index: OffsetIndex): Promise<void> {
    try {
      const file = await this.#files.disk.open(this.#options.indexPath, 'create')
      try {
        await file.write([index.encode()], 0)
        await file.sync()
      } finally {
        await file.close()
      }
      this.#indexEntriesStored = index.entryCount
    } catch (error) {
      if (!isHeadwaterError(error, 'disk-full')) throw error
      if (this.#indexEntriesStored !== -1) return
      await this.#files.disk.remove(this.#options.indexPath)
      this.#nameUnsynced = true
      this.#indexEntriesStored = 0
    }
  }

  async #rest(): Promise<void> {
    if (this.#removed) await this.abandon()
    else this.#files.pool.rested()
  }

  async #open(): Promise<OpenedSegment> {
    try {
      await this.#closing
      await this.#files.pool.take(this)
      try {
        return await this.#openNow()
      } catch (error) {
        this.#files.pool.giveBack(this)
        throw error
      }
    } catch (error) {
      // The next use tries again: the file may be out of reach for a moment only.
      this.#opened = undefined
      if (isHeadwaterError(error, 'not-found') && !this.#removed) {
        throw damagedSegment(this.#options.path, 0, 'the file is missing')
      }
      throw error
    }
  }

  /** The index is read and closed first, so that one file is open at a time. */
  async #openNow(): Promise<OpenedSegment> {
    const isNew = this.#options.isNew()
    const stored = isNew ? new Uint8Array(0) : await this.#readIndexFile()
    const file = await this.#files.disk.open(this.#options.path, isNew ? 'create' : 'write')
    try {
      const { index, entriesStored } = await this.#options.loadIndex(file, stored)
      this.#indexEntriesStored = entriesStored
      return { file, index }
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async #readIndexFile(): Promise<Uint8Array> {
    const { disk } = this.#files
    const { indexPath } = this.#options
    if (!(await disk.exists(indexPath))) return new Uint8Array(0)
    const file = await disk.open(indexPath, 'read')
    try {
      return await file.read(0, await file.size())
    } finally {
      await file.close()
    }
  }
}
