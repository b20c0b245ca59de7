/**
 * Brings batches from memory into segment files behind the journal, and keeps count of the memory.
 *
 * Backlog: accepted and not yet in a segment file, so held in memory; past its bound producers have to
 * wait. Cache: in a segment file and still in memory, for readers that keep up; the oldest stretch goes
 * first. Everything that touches segment files runs here, in one lane, one piece after the other, so a
 * segment is never removed under a write.
 *
 * While the disk is full nothing is brought over: the journal has it.
 */
import { isHeadwaterError, type HeadwaterError } from '../../base/errors.ts'
import type { Log } from '../log.ts'
import { Newcomers } from './newcomers.ts'

/** What a batch in memory costs beside its bytes, about: an array view and its place in the tail. */
const heldBytesPerBatch = 256

/** The part of a round (256 KiB of 8 MiB) below which a stretch is not worth a sync of its own. */
const syncedShareMin = 1 / 32

/** Logs that share a round; with more of them rounds are larger, so that each has enough for a write (8 KiB). */
const logsInRound = 1024

export interface WriteBehindLimits {
  readonly cacheBytes: number
  readonly backlogBytesMax: number
  readonly writeBehindBytes: number
  readonly checkpointWrites: number
}

export class WriteBehind {
  readonly #limits: WriteBehindLimits
  /** Bytes accepted that the journal does not hold yet. */
  readonly #queuedBytes: () => number
  readonly #onFailure: (error: unknown) => void
  readonly #onFull: (error: HeadwaterError) => void
  readonly #newcomers = new Newcomers()
  /** Logs with batches in the journal that are not in segment files. */
  #unwritten = new Set<Log>()
  #backlogBytes = 0
  #waiting: (() => void)[] = []
  /** Stretches of written batches still in memory, oldest first. */
  readonly #cached: { log: Log; nextOffset: number; heldBytes: number }[] = []
  #cachedBytes = 0
  #lane: Promise<void> = Promise.resolve()
  /** Pieces of work that are in the lane. */
  #inLane = 0
  #isOver = false
  #isPaused = false
  #writing = false
  /** What made a write or sync of segments fail. */
  #failure: unknown

  constructor(
    limits: WriteBehindLimits,
    o: {
      readonly queuedBytes: () => number
      readonly onFailure: (error: unknown) => void
      /** There was no room for a stretch. */
      readonly onFull: (error: HeadwaterError) => void
    },
  ) {
    this.#limits = limits
    this.#queuedBytes = o.queuedBytes
    this.#onFailure = o.onFailure
    this.#onFull = o.onFull
  }

  get backlogBytes(): number {
    return this.#backlogBytes
  }

  get congested(): boolean {
    return !this.#isPaused && this.#backlogBytes > this.#limits.backlogBytesMax
  }

  /** Resolves when no longer congested, or released. */
  drained(): Promise<void> {
    if (!this.congested) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Begins no more rounds: what the last checkpoint is to find in segment files, it brings there. */
  end(): void {
    this.#isOver = true
  }

  /** Begins no rounds until `resume`; nobody waits for one. */
  pause(): void {
    this.#isPaused = true
    this.release()
  }

  resume(): void {
    this.#isPaused = false
    this.poke()
  }

  /** Lets all who wait go on. */
  release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  accepted(bytes: number): void {
    this.#backlogBytes += bytes
  }

  /** Counts a batch that came in a request. */
  took(log: Log, batch: Uint8Array, baseOffset: number): void {
    this.accepted(batch.length)
    this.#newcomers.note(log, batch, baseOffset)
  }

  journaled(log: Log): void {
    this.#unwritten.add(log)
  }

  /** After a group: starts a round of writing when there is enough for large writes, and another while there is. */
  poke(): void {
    this.#newcomers.compact()
    if (this.#writing || this.#isOver || this.#isPaused) return
    if (this.#unwritten.size === 0) return
    if (this.#journaledBytes < this.#enoughBytes) return
    this.#writing = true
    void this.inLane(() => this.#unlessFailed(() => this.#writeLargest())).then(
      () => {
        this.#writing = false
        this.poke()
      },
      (error: unknown) => {
        if (!isFull(error)) return this.#onFailure(error)
        this.#writing = false
        this.#onFull(error)
      },
    )
  }

  /**
   * Brings the `checkpointWrites` logs with the most bytes into segment files. The checkpoint carries what
   * the others have, so it takes about as long whether a hundred logs have something or a hundred thousand.
   * Only within the lane. Rejects for good once a write or sync failed: a checkpoint behind it would call
   * written what is not, and give up the journal that has it.
   */
  writeForCheckpoint(): Promise<void> {
    return this.#unlessFailed(async () => {
      const largest = this.#byBytes().slice(0, this.#limits.checkpointWrites)
      for (const log of largest) await this.#write(log)
    })
  }

  /**
   * Writes out the logs with the most bytes until half is left or something else waits for the lane, and
   * syncs large stretches right away: a checkpoint that found all of them unsynced would hold the journal up
   * while the disk takes them.
   */
  async #writeLargest(): Promise<void> {
    const half = this.#enoughBytes / 2
    for (const log of this.#byBytes()) {
      if (this.#journaledBytes < half) return
      const bytes = log.unwrittenBytes
      await this.#write(log)
      if (bytes >= this.#limits.writeBehindBytes * syncedShareMin) await log.segments.syncContents()
      if (this.#inLane > 1 || this.#isOver) return
    }
  }

  /** Those with something to write, the largest first. */
  #byBytes(): Log[] {
    return [...this.#unwritten].sort((a, b) => b.unwrittenBytes - a.unwrittenBytes)
  }

  async #write(log: Log): Promise<void> {
    this.#unwritten.delete(log)
    try {
      await log.writeOut()
    } catch (error) {
      if (!log.isDeleted) this.#unwritten.add(log)
      throw error
    }
  }

  async #unlessFailed(write: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    try {
      await write()
    } catch (error) {
      if (!isFull(error)) this.#failure = error
      throw error
    }
  }

  /** Bytes that the journal holds and segment files do not. */
  get #journaledBytes(): number {
    return this.#backlogBytes - this.#queuedBytes()
  }

  get #enoughBytes(): number {
    const { writeBehindBytes, backlogBytesMax } = this.#limits
    const rounds = Math.max(1, this.#unwritten.size / logsInRound)
    return Math.min(rounds * writeBehindBytes, backlogBytesMax / 2)
  }

  /** A stretch of a log is in its segment file. */
  written(log: Log, nextOffset: number, batches: number, bytes: number): void {
    const heldBytes = bytes + batches * heldBytesPerBatch
    this.#cached.push({ log, nextOffset, heldBytes })
    this.#cachedBytes += heldBytes
    let dropped = 0
    while (this.#cachedBytes > this.#limits.cacheBytes) {
      const oldest = this.#cached[dropped++]!
      oldest.log.forgetBefore(oldest.nextOffset)
      this.#cachedBytes -= oldest.heldBytes
    }
    this.#cached.splice(0, dropped)
    if (!log.isDeleted) this.#lessen(bytes)
  }

  /** A deleted log's bytes will not be written. */
  forget(log: Log): void {
    this.#unwritten.delete(log)
    this.#lessen(log.unwrittenBytes)
  }

  /** Runs `work` after all that was put in the lane before; its failure is the caller's. */
  inLane(work: () => Promise<void>): Promise<void> {
    this.#inLane++
    const done = this.#lane.then(work).finally(() => this.#inLane--)
    this.#lane = done.catch(() => undefined)
    return done
  }

  /** Settles when the lane is empty. */
  idle(): Promise<void> {
    return this.#lane
  }

  #lessen(bytes: number): void {
    this.#backlogBytes -= bytes
    if (!this.congested) this.release()
  }
}

/** That passes, and then what was not written is written again at the same place. */
function isFull(error: unknown): error is HeadwaterError {
  return isHeadwaterError(error, 'disk-full')
}
