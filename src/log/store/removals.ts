/**
 * Removes directories of deleted logs, one after the other and behind everything else: that they are gone is
 * in the journal, and what is still there when the store ends is removed after the next start.
 *
 * A log is not made under the name of another whose directory is still there, or may be there again after a
 * crash: a start that found old segments in it would take them for records that the journal lacks.
 */
import type { Disk } from '../../io/ports.ts'
import { forGood } from '../for-good.ts'
import type { Segments } from '../segments/segments.ts'

export class Removals {
  readonly #disk: Disk
  readonly #logsPath: string
  readonly #onFailure: (error: unknown) => void
  /** Of all directories that will be removed. */
  readonly #leaving = new Map<string, PromiseWithResolvers<void>>()
  /** Those that can be, in the order of removal. */
  readonly #waiting = new Set<string>()
  #running: Promise<void> = Promise.resolve()
  #isRunning = false
  #stopped = false
  /** How many were removed, and how many of them for good. */
  #removed = 0
  #durable = 0
  #syncing: Promise<void> | undefined

  constructor(disk: Disk, logsPath: string, onFailure: (error: unknown) => void) {
    this.#disk = disk
    this.#logsPath = logsPath
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

  /** Settles when a log may be made in `directory`; undefined when that is so now. */
  vacated(directory: string): Promise<void> | undefined {
    const pending = this.pending(directory)
    if (pending === undefined && this.#durable === this.#removed) return undefined
    return this.durable(pending)
  }

  /** Settles when what is removed, or will be by `pending`, is so for good. */
  async durable(pending?: Promise<void>): Promise<void> {
    await pending
    const removed = this.#removed
    while (this.#durable < removed) {
      this.#syncing ??= this.#sync().finally(() => (this.#syncing = undefined))
      await this.#syncing
    }
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
        this.#removed++
        this.forget(directory)
      }
    } catch (error) {
      this.#stopped = true
      this.#onFailure(error)
    }
    this.#isRunning = false
  }

  async #sync(): Promise<void> {
    const removed = this.#removed
    try {
      await forGood(this.#logsPath, () => this.#disk.syncDirectory(this.#logsPath))
      this.#durable = removed
    } catch (error) {
      this.#onFailure(error)
      throw error
    }
  }
}
