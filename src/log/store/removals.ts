/**
 * Removes directories of deleted logs, one after the other and behind everything else: that they are gone is
 * in the journal, and what is still there when the store ends is removed after the next start.
 *
 * A log is not made under the name of another whose directory is still there: a start that found old
 * segments in it would take them for records that the journal lacks.
 */
import type { Disk } from '../../io/ports.ts'
import type { Segments } from '../segments/segments.ts'

export class Removals {
  readonly #disk: Disk
  readonly #onFailure: (error: unknown) => void
  /** Of all directories that will be removed. */
  readonly #leaving = new Map<string, PromiseWithResolvers<void>>()
  /** Those that can be, in the order of removal. */
  readonly #waiting = new Set<string>()
  #running: Promise<void> = Promise.resolve()
  #isRunning = false
  #stopped = false

  constructor(disk: Disk, onFailure: (error: unknown) => void) {
    this.#disk = disk
    this.#onFailure = onFailure
  }

  /** The log of `directory` was deleted, and something in it may still be used. */
  expect(directory: string): void {
    if (!this.#leaving.has(directory)) this.#leaving.set(directory, Promise.withResolvers<void>())
  }

  /** Nothing may be in `directory` any more that is used. */
  add(directory: string): void {
    this.expect(directory)
    this.#waiting.add(directory)
    if (this.#stopped) this.forget(directory)
    if (this.#isRunning || this.#stopped) return
    this.#isRunning = true
    this.#running = this.#run()
  }

  /** Closes what the deleted log has open, after which its directory can go. Only within the lane. */
  async retire(segments: Segments): Promise<void> {
    if (await segments.retire()) this.add(segments.directory)
    else this.forget(segments.directory)
  }

  /** There is nothing to remove, or no one who does. */
  forget(directory: string): void {
    this.#waiting.delete(directory)
    this.#leaving.get(directory)?.resolve()
    this.#leaving.delete(directory)
  }

  /** Settles when nothing of this name will be removed, or nothing at all; undefined when that is so now. */
  pending(directory: string): Promise<void> | undefined {
    return this.#leaving.get(directory)?.promise
  }

  /** Leaves the rest to the next start. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
    for (const directory of this.#leaving.keys()) this.forget(directory)
  }

  async #run(): Promise<void> {
    try {
      for (const directory of this.#waiting) {
        if (this.#stopped) break
        await this.#disk.remove(directory)
        this.forget(directory)
      }
    } catch (error) {
      this.#stopped = true
      this.#onFailure(error)
    }
    this.#isRunning = false
  }
}
