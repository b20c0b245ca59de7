/**
 * Room that is kept for when there is none: a file of a store that is given up when the disk is full.
 *
 * What was taken on must reach the journal, and room can only be made by what is written there: that a topic
 * or records are deleted. So a write of the journal that finds no room has the reserve removed and is made
 * again; when that is used up, too, it waits. From then on the store is full: its owner takes nothing new, and
 * nothing is brought into segment files. It is full until the reserve can be made again, which is tried every
 * second and whenever something was removed.
 */
import { isHeadwaterError, type HeadwaterError } from '../../base/errors.ts'
import type { Clock, Disk, Timer } from '../../io/ports.ts'

/** How long after a start the reserve is made, when there is none, and how often a full store looks for room. */
const pauseMs = 1_000
const pieceBytesMax = 1024 * 1024

export interface ReserveOptions {
  readonly disk: Disk
  readonly clock: Clock
  /** The directory of the store. */
  readonly directory: string
  /** 0 for none: then a full disk is a failure like any other. */
  readonly bytes: number
  /** The disk is full, or, without an error, has room again. */
  readonly changed: (error?: HeadwaterError) => void
  /** It could not be made, and not for want of room; or there is to be none, and no room was found. */
  readonly onFailure: (error: unknown) => void
}

export class Reserve {
  readonly #o: ReserveOptions
  readonly #path: string
  #isThere = false
  #isOpening = true
  #isClosed = false
  #full: HeadwaterError | undefined
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  #waiting: PromiseWithResolvers<void>[] = []

  constructor(options: ReserveOptions) {
    this.#o = options
    this.#path = `${options.directory}/reserve`
  }

  /** Looks for one that an earlier start has left; the directory must be locked. */
  async find(): Promise<void> {
    const { disk, bytes } = this.#o
    if (bytes === 0) return
    // What was being made when a process ended only takes room.
    await disk.remove(nextOf(this.#path))
    this.#isThere = (await disk.fileSize(this.#path)) === bytes
  }

  /** Why the store is full, while it is. */
  get full(): HeadwaterError | undefined {
    return this.#full
  }

  /** From now on whoever finds no room waits for some. */
  opened(): void {
    this.#isOpening = false
    if (this.#o.bytes === 0) return
    if (this.#full !== undefined || !this.#isThere) this.#later()
  }

  /** Says that no room was found. */
  tell(error: HeadwaterError): void {
    if (this.#full !== undefined) return
    if (this.#o.bytes === 0) return this.#o.onFailure(error)
    this.#full = error
    this.#o.changed(error)
    if (!this.#isOpening) this.#later()
  }

  /** Resolves when there may be room; throws `error` when nobody will make any. */
  async room(error: HeadwaterError): Promise<void> {
    this.tell(error)
    if (this.#isThere) {
      this.#isThere = false
      await this.#o.disk.remove(this.#path)
      return
    }
    if (this.#isOpening || this.#isClosed) throw error
    const waiter = Promise.withResolvers<void>()
    this.#waiting.push(waiter)
    await waiter.promise
    if (this.#isClosed) throw error
  }

  /** Something was removed. */
  poke(): void {
    if (this.#full !== undefined) this.#look()
  }

  /** Whoever waits hears that there will be no room. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#wake()
    await this.#looking
  }

  #later(): void {
    if (this.#isClosed) return
    this.#timer?.cancel()
    this.#timer = this.#o.clock.after(pauseMs, () => this.#look())
  }

  #look(): void {
    if (this.#isClosed) return
    this.#looking ??= this.#makeAgain()
      .catch((error: unknown) => this.#o.onFailure(error))
      .finally(() => (this.#looking = undefined))
  }

  async #makeAgain(): Promise<void> {
    const error = await this.#make()
    if (this.#isClosed) return
    if (error !== undefined) {
      this.tell(error)
      this.#later()
    } else if (this.#full !== undefined) {
      this.#full = undefined
      this.#o.changed()
    }
    this.#wake()
  }

  /** Why there is no room for it; a store that still has its own only tries. */
  async #make(): Promise<HeadwaterError | undefined> {
    const { disk, directory } = this.#o
    const next = nextOf(this.#path)
    try {
      await this.#write(next)
      if (this.#isThere || this.#isClosed) {
        await disk.remove(next)
        return undefined
      }
      await disk.rename(next, this.#path)
      this.#isThere = true
      await disk.syncDirectory(directory)
      return undefined
    } catch (error) {
      if (!isHeadwaterError(error, 'disk-full')) throw error
      await disk.remove(next)
      return error
    }
  }

  async #write(path: string): Promise<void> {
    const { disk, bytes } = this.#o
    const filler = noise(Math.min(pieceBytesMax, bytes))
    const file = await disk.open(path, 'create')
    try {
      for (let at = 0; at < bytes && !this.#isClosed; at += filler.length) {
        await file.write([filler.subarray(0, Math.min(filler.length, bytes - at))], at)
      }
      await file.sync()
    } finally {
      await file.close()
    }
  }

  #wake(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve()
  }
}

function nextOf(path: string): string {
  return `${path}.next`
}

/** Bytes that no file system makes smaller (Marsaglia's xorshift). */
function noise(count: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(count / 4))
  let word = 0x9e3779b9
  for (let at = 0; at < words.length; at++) {
    word ^= word << 13
    word ^= word >>> 17
    word ^= word << 5
    words[at] = word
  }
  return new Uint8Array(words.buffer).subarray(0, count)
}
