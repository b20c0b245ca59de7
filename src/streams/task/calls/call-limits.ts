/** How many calls of a service go out at once, all tasks of an instance together, and what is counted of them. */

/** Calls of one operator. */
export interface CallStats {
  /** Out at the moment. */
  readonly running: number
  /** Waiting for one with the same key, for their turn, or for their next attempt. */
  readonly waiting: number
  /** Attempts beyond the first since the instance started. */
  readonly retried: number
}

/** The slots of one operator: each call takes one, and gives it back. */
export class CallSlots {
  waiting = 0
  retried = 0
  #running = 0
  readonly #most: number
  /** Who found no slot, in the order they came; each is told once. */
  readonly #next: Set<() => void> = new Set()

  constructor(most: number) {
    this.#most = most
  }

  get running(): number {
    return this.#running
  }

  /** @param onFree called when there may be one, if there is none now */
  take(onFree: () => void): boolean {
    if (this.#running >= this.#most) {
      this.#next.add(onFree)
      return false
    }
    this.#running++
    return true
  }

  /** Who is told may not want it any more: its calls were given up. */
  give(): void {
    this.#running--
    while (this.#running < this.#most) {
      const [first] = this.#next
      if (first === undefined) return
      this.#next.delete(first)
      first()
    }
  }
}

export class CallLimits {
  readonly #slots = new Map<string, CallSlots>()

  of(name: string, most: number): CallSlots {
    let slots = this.#slots.get(name)
    if (slots === undefined) this.#slots.set(name, (slots = new CallSlots(most)))
    return slots
  }

  stats(): Readonly<Record<string, CallStats>> {
    const named = [...this.#slots].map(([name, { running, waiting, retried }]) => {
      return [name, { running, waiting, retried }] as const
    })
    return Object.fromEntries(named)
  }
}
