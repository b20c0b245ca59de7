/** Callers who wait until something about a running service becomes true. */
import type { Clock } from '../../io/ports.ts'

interface Waiter {
  readonly isDue: () => boolean
  readonly settled: PromiseWithResolvers<void>
}

export class Waiters {
  readonly #waiting = new Set<Waiter>()
  #failure: { readonly error: unknown } | undefined

  get count(): number {
    return this.#waiting.size
  }

  /** Resolves once `isDue` holds when `check` is called; rejects when `fail` was or is called. */
  until(isDue: () => boolean): Promise<void> {
    return this.#wait(isDue).settled.promise
  }

  /** As `until`, and resolves with whether it is due when `waitMs` are over. */
  async within(clock: Clock, waitMs: number, isDue: () => boolean): Promise<boolean> {
    const waiter = this.#wait(isDue)
    let isLate = false
    const timer = clock.after(waitMs, () => {
      isLate = true
      // The loop may hang for as long as its broker does.
      this.#waiting.delete(waiter)
      waiter.settled.resolve()
    })
    try {
      await waiter.settled.promise
    } finally {
      timer.cancel()
    }
    return !isLate
  }

  #wait(isDue: () => boolean): Waiter {
    const waiter = { isDue, settled: Promise.withResolvers<void>() }
    if (this.#failure !== undefined) waiter.settled.reject(this.#failure.error)
    else if (isDue()) waiter.settled.resolve()
    else this.#waiting.add(waiter)
    return waiter
  }

  check(): void {
    for (const waiter of this.#waiting) {
      if (!waiter.isDue()) continue
      this.#waiting.delete(waiter)
      waiter.settled.resolve()
    }
  }

  /** Throws what `fail` was called with, else says what `state` does. */
  gate<S>(state: () => S): () => S {
    return () => {
      if (this.#failure !== undefined) throw this.#failure.error
      return state()
    }
  }

  fail(error: unknown): void {
    this.#failure ??= { error }
    for (const { settled } of this.#waiting) settled.reject(error)
    this.#waiting.clear()
  }
}
