/** Callers who wait until something about a running service becomes true. */
interface Waiter {
  readonly isDue: () => boolean
  readonly settled: PromiseWithResolvers<void>
}

export class Waiters {
  #waiting: Waiter[] = []
  #failure: { readonly error: unknown } | undefined

  get count(): number {
    return this.#waiting.length
  }

  /** Resolves once `isDue` holds when `check` is called; rejects when `fail` was or is called. */
  until(isDue: () => boolean): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error)
    if (isDue()) return Promise.resolve()
    const settled = Promise.withResolvers<void>()
    this.#waiting.push({ isDue, settled })
    return settled.promise
  }

  check(): void {
    if (this.#waiting.length === 0) return
    this.#waiting = this.#waiting.filter(({ isDue, settled }) => {
      if (!isDue()) return true
      settled.resolve()
      return false
    })
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
    for (const { settled } of this.#waiting.splice(0)) settled.reject(error)
  }
}
