/**
 * Removes directories of deleted logs, one after the other and behind everything else: that they are gone is
 * in the journal, and what is still there when the store ends is removed after the next start.
 */
import type { Disk } from '../../io/ports.ts'

export class Removals {
  readonly #disk: Disk
  readonly #onFailure: (error: unknown) => void
  /** By directory, in the order of removal. */
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>()
  #running: Promise<void> = Promise.resolve()
  #isRunning = false
  #stopped = false

  constructor(disk: Disk, onFailure: (error: unknown) => void) {
    this.#disk = disk
    this.#onFailure = onFailure
  }

  /** Nothing may be in `directory` any more that is used. */
  add(directory: string): void {
    if (this.#waiting.has(directory)) return
    this.#waiting.set(directory, Promise.withResolvers<void>())
    if (this.#isRunning || this.#stopped) return
    this.#isRunning = true
    this.#running = this.#run()
  }

  /** Resolves when nothing of this name will be removed: a log may be made anew under the name of another. */
  async done(directory: string): Promise<void> {
    await this.#waiting.get(directory)?.promise
  }

  /** Leaves the rest to the next start. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    try {
      for (const [directory, { resolve }] of this.#waiting) {
        if (this.#stopped) break
        await this.#disk.remove(directory)
        this.#waiting.delete(directory)
        resolve()
      }
    } catch (error) {
      this.#stopped = true
      this.#onFailure(error)
    }
    this.#isRunning = false
  }
}
