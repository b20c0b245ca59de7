/**
 * Keeps the number of open segment files of a store bounded: the one used longest ago gives its
 * descriptor and index back first. Segments in use, or with bytes that wait for a sync, stay open.
 *
 * The system serves a process's file calls with few threads (Node: four), and the journal's write and sync
 * are among them. So readers of segments leave room: those who write wait for no one who reads.
 */
import { Gate } from '../../base/gate.ts'

/** What a pool needs of a segment. */
interface PooledSegment {
  /** Bytes wait for a sync, so it must stay open. */
  readonly dirty: boolean
  /** Gives the descriptor back unless someone is inside; whether it did. */
  release(): Promise<boolean>
  /** Gives the descriptor back as soon as no one is inside. */
  abandon(): Promise<void>
}

/** Open segment files of a store, but for those that cannot be closed yet. */
const openSegmentsMax = 256
/** Pieces of segments that are read at a time. */
const readsAtOnceMax = 1

export class SegmentPool {
  readonly reads = new Gate(readsAtOnceMax)
  /** In the order of their last use. */
  readonly #open = new Set<PooledSegment>()

  touch(segment: PooledSegment): void {
    this.#open.delete(segment)
    this.#open.add(segment)
    if (this.#open.size > openSegmentsMax) void this.#releaseOne(segment)
  }

  forget(segment: PooledSegment): void {
    this.#open.delete(segment)
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#open].map((segment) => segment.abandon()))
    this.#open.clear()
  }

  async #releaseOne(except: PooledSegment): Promise<void> {
    for (const segment of this.#open) {
      if (segment === except || segment.dirty) continue
      this.#open.delete(segment)
      if (await segment.release()) return
      this.#open.add(segment)
      return
    }
  }
}
