/**
 * Values in their places, of which some come later: for lists too long to wait for with `Promise.all`, which
 * looks at all of them in one turn.
 */
export class Gathering {
  readonly #complete = Promise.withResolvers<void>()
  #missing = 0
  #isWhole = false

  constructor() {
    // A failure may come before anybody waits.
    this.#complete.promise.catch(() => {})
  }

  /** Puts `value` at the end of `list`, now or when it comes. */
  add<T>(list: T[], value: T | Promise<T>): void {
    if (!(value instanceof Promise)) return void list.push(value)
    const at = list.length
    list.length++
    this.#missing++
    value.then((late) => {
      list[at] = late
      this.#missing--
      this.#settle()
    }, this.#complete.reject)
  }

  /** When everything that was added is in its place; undefined when it is. */
  whole(): Promise<void> | undefined {
    if (this.#missing === 0) return undefined
    this.#isWhole = true
    return this.#complete.promise
  }

  #settle(): void {
    if (this.#isWhole && this.#missing === 0) this.#complete.resolve()
  }
}
