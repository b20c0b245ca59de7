/** Frames on their way in one direction, in order: each leaves when it is due and nothing holds it back. */
import type { Socket } from 'node:net'

export class Lane {
  readonly #to: Socket
  readonly #isHeld: () => boolean
  readonly #waiting: { readonly chunks: readonly Uint8Array[]; readonly dueAt: number }[] = []
  #timer: NodeJS.Timeout | undefined
  #lastDueAt = 0

  constructor(to: Socket, isHeld: () => boolean) {
    this.#to = to
    this.#isHeld = isHeld
  }

  /** How long it takes until what waits now has left, if nothing holds it back. */
  get waitsMs(): number {
    return this.#waiting.length === 0 ? 0 : Math.max(0, this.#lastDueAt - performance.now())
  }

  push(chunks: readonly Uint8Array[], delayMs: number): void {
    this.#lastDueAt = Math.max(this.#lastDueAt, performance.now() + delayMs)
    this.#waiting.push({ chunks, dueAt: this.#lastDueAt })
    this.pump()
  }

  pump(): void {
    clearTimeout(this.#timer)
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#isHeld()) return
      const waitMs = next.dueAt - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pump(), Math.ceil(waitMs))
        return
      }
      this.#waiting.shift()
      for (const chunk of next.chunks) this.#to.write(chunk)
    }
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#waiting.length = 0
  }
}
