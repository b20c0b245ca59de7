/**
 * Keeps the open files of all segments of a store within a number, whatever is read or written: who wants
 * one more takes the place of the segment that was used longest ago and that no one is inside. One with
 * bytes that wait for a sync is synced first, since what a failed write-back says is told to open files
 * only. When all are in use, it waits until one is not.
 *
 * A segment has one file open at a time, its own or its index. Only one that a checkpoint syncs may have two.
 *
 * The system serves a process's file calls with few threads (Node: four), and the journal's write and sync
 * are among them. So readers of segments leave room: those who write wait for no one who reads.
 */
import { Gate } from '../../base/gate.ts'

/** Descriptors of a segment's index and its directory, beside those of the segments. */
const besideSegments = 2

/** What a pool needs of a segment. */
export interface PooledSegment {
  /** Nobody is inside. */
  readonly isIdle: boolean
  /** Syncs what waits for it and closes the file. Never rejects: who failed remembers it. */
  giveUp(): Promise<void>
  /** Closes the file, whoever is inside. */
  abandon(): Promise<void>
}

/** Pieces of segments that are read at a time. */
const readsAtOnceMax = 1

export class SegmentPool {
  readonly reads = new Gate(readsAtOnceMax)
  readonly #openMax: number
  /** In the order of their last use. */
  readonly #holders = new Set<PooledSegment>()
  /** Those of the holders, and of those that are about to open or to close. */
  #taken = 0
  readonly #waiting: (() => void)[] = []

  /** @param descriptorsMax all that segments, their indexes and directories may hold */
  constructor(descriptorsMax: number) {
    this.#openMax = descriptorsMax - besideSegments
  }

  /** Resolves when `segment` may open its file. It owes a `giveBack`. */
  async take(segment: PooledSegment): Promise<void> {
    while (this.#taken >= this.#openMax) {
      const oldest = this.#oldestIdle()
      if (oldest === undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve))
      else await this.#evict(oldest)
    }
    this.#taken++
    this.#holders.add(segment)
  }

  /** The segment's file is closed. */
  giveBack(segment: PooledSegment): void {
    this.#holders.delete(segment)
    this.#taken--
    this.#waiting.shift()?.()
  }

  touch(segment: PooledSegment): void {
    if (this.#holders.delete(segment)) this.#holders.add(segment)
  }

  /** The last one inside `segment` has left. */
  rested(): void {
    this.#waiting.shift()?.()
  }

  /** Begins to close the files of all that no one is inside: the process has no descriptors left. */
  shed(): void {
    for (const segment of this.#holders) if (segment.isIdle) void this.#evict(segment)
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#holders].map((segment) => segment.abandon()))
  }

  #oldestIdle(): PooledSegment | undefined {
    for (const segment of this.#holders) if (segment.isIdle) return segment
    return undefined
  }

  async #evict(segment: PooledSegment): Promise<void> {
    this.#holders.delete(segment)
    await segment.giveUp()
  }
}
