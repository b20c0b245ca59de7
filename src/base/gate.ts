/** Lets so many pieces of work through at a time, in the order they came. */
export class Gate {
  readonly #atOnceMax: number
  #inside = 0
  readonly #queue: (() => void)[] = []

  constructor(atOnceMax: number) {
    this.#atOnceMax = atOnceMax
  }

  /** Runs `work` when its turn has come. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.#atOnceMax) {
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
