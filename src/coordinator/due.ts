/**
 * What has run out, the longest ago first, and no more of it than fits into a turn: deadlines of very many
 * may be one, and whoever set them so is not to hold everybody else up.
 */
export class Due<T> {
  readonly #max: number
  #found: { readonly item: T; readonly deadlineMs: number }[] = []
  /** What ran out then or later has others before it. */
  #tooLateMs = Infinity
  #isMore = false

  /** @param max how many are wanted */
  constructor(max: number) {
    this.#max = max
  }

  /** Of those with the same deadline the first that is added comes first. */
  add(item: T, deadlineMs: number): void {
    if (deadlineMs >= this.#tooLateMs) {
      this.#isMore = true
      return
    }
    this.#found.push({ item, deadlineMs })
    // Seldom enough that finding them takes little more than one look at each.
    if (this.#found.length >= 2 * this.#max) this.#choose()
  }

  /** In order, and whether there are more. */
  first(): { readonly items: readonly T[]; readonly isMore: boolean } {
    this.#choose()
    return { items: this.#found.map(({ item }) => item), isMore: this.#isMore }
  }

  #choose(): void {
    this.#found.sort((one, other) => one.deadlineMs - other.deadlineMs)
    if (this.#found.length <= this.#max) return
    this.#found.length = this.#max
    this.#isMore = true
    this.#tooLateMs = this.#found.at(-1)!.deadlineMs
  }
}
