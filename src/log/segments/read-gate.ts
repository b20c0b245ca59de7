/**
 * Lets a few readers of old data at a time to the disk, in the order they came.
 *
 * The system serves a process's file calls with few threads (Node: four), and the journal's write and sync
 * are among them. So readers of segments leave room: those who write wait for no one who reads.
 */

/** Pieces of segments that are read at a time. */
const readsAtOnceMax = 2

export class ReadGate {
  #inside = 0
  readonly #queue: (() => void)[] = []

  /** Runs `work` when its turn has come. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside >= readsAtOnceMax) {
      // Who leaves hands over the place.
      await new Promise<void>((resolve) => this.#queue.push(resolve))
    } else this.#inside++
    try {
      return await work()
    } finally {
      const next = this.#queue.shift()
      if (next === undefined) this.#inside--
      else next()
    }
  }
}
