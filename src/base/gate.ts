/**
 * Lets so many pieces of work through at a time: those of one party in the order they came, and parties by
 * turns, so that whoever asks for much waits behind himself.
 */
export class Gate {
  readonly #atOnceMax: number
  #inside = 0
  /** Who waits, by party; the party whose turn is next comes first. */
  readonly #queues = new Map<object, (() => void)[]>()

  constructor(atOnceMax: number) {
    this.#atOnceMax = atOnceMax
  }

  /** Runs `work` when its turn has come. @param party who asks; all that name none are one party */
  async pass<T>(work: () => Promise<T>, party: object = this): Promise<T> {
    if (this.#inside >= this.#atOnceMax) {
      // Who leaves hands over the place.
      await new Promise<void>((resolve) => this.#wait(resolve, party))
    } else this.#inside++
    try {
      return await work()
    } finally {
      const next = this.#next()
      if (next === undefined) this.#inside--
      else next()
    }
  }

  #wait(resolve: () => void, party: object): void {
    const queue = this.#queues.get(party)
    if (queue === undefined) this.#queues.set(party, [resolve])
    else queue.push(resolve)
  }

  #next(): (() => void) | undefined {
    for (const [party, queue] of this.#queues) {
      const next = queue.shift()
      this.#queues.delete(party)
      if (queue.length > 0) this.#queues.set(party, queue)
      return next
    }
    return undefined
  }
}
