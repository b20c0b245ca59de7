/**
 * Hands the changes of seat maps on to all pages that are open, from one feed. What a page has not taken is
 * replaced by what came later, so one that never reads costs one map, and one that is slow sees the newest.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { HeadwaterError, isHeadwaterError } from '../../src/index.ts'
import type { ViewChange } from '../../src/index.ts'
import type { SeatMap } from './seating.ts'

export interface LiveOptions {
  /** Opens the feed: behind the place given, or from now on. */
  readonly changes: (from: string | undefined) => AsyncIterable<ViewChange<string, SeatMap>>
  /** Told, once, why the feed has broken off. */
  readonly onBroken: (error: unknown) => void
}

/** Pages that one instance keeps up to date. */
export const readersMax = 1_000
/** How soon a feed that has broken off is taken up again. */
const againAfterMs = 500

export class Live implements Disposable {
  readonly #o: LiveOptions
  readonly #readers = new Set<Reader>()
  readonly #over = new AbortController()
  /** The place behind what was told last. */
  #from: string | undefined
  #isBroken = false

  constructor(options: LiveOptions) {
    this.#o = options
    void this.#follow()
  }

  /** Throws `not-ready` when there are too many. */
  read(flight: string): Reader {
    if (this.#readers.size >= readersMax) {
      throw new HeadwaterError(
        'not-ready',
        `${readersMax} pages are kept up to date by this instance: close some, or use another one`,
        { retriable: true },
      )
    }
    const reader = new Reader(flight, () => this.#readers.delete(reader))
    this.#readers.add(reader)
    return reader
  }

  [Symbol.dispose](): void {
    this.#over.abort()
  }

  async #follow(): Promise<void> {
    const { signal } = this.#over
    while (!signal.aborted) {
      try {
        for await (const item of this.#o.changes(this.#from)) this.#take(item)
      } catch (error) {
        if (!signal.aborted) this.#break(error)
      }
      await delay(againAfterMs, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  #take(item: ViewChange<string, SeatMap>): void {
    // What a page read before the feed began may have changed since.
    const mayLack = item.type === 'resumed-late' || this.#from === undefined
    this.#from = item.id
    this.#isBroken = false
    if (mayLack) this.#endAll()
    if (item.type !== 'change' || item.value === undefined) return
    for (const reader of this.#readers) if (reader.flight === item.key) reader.offer(item.value)
  }

  #break(error: unknown): void {
    if (!this.#isBroken) this.#o.onBroken(error)
    this.#isBroken = true
    // The place is of a feed that is no more.
    if (!isHeadwaterError(error, 'input-invalid')) return
    this.#from = undefined
    this.#endAll()
  }

  /** Something may have been missed: who connects anew is told what is so. */
  #endAll(): void {
    for (const reader of this.#readers) reader.close()
  }
}

/** One page's view of one flight. */
export class Reader {
  readonly flight: string
  readonly #leave: () => void
  #newest: SeatMap | undefined
  #version = -1
  #wake: (() => void) | undefined
  #isOver = false

  constructor(flight: string, leave: () => void) {
    this.flight = flight
    this.#leave = leave
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Passes over what is no newer than what it has: what is read and what changes come by different ways. */
  offer(map: SeatMap): void {
    if (map.version <= this.#version) return
    this.#version = map.version
    this.#newest = map
    this.#wake?.()
  }

  /** The newest map that it has not had yet; undefined when none comes within `waitMs`, or when it is over. */
  async next(waitMs: number): Promise<SeatMap | undefined> {
    if (this.#newest === undefined && !this.#isOver) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      const timer = setTimeout(resolve, waitMs)
      await promise
      clearTimeout(timer)
    }
    const map = this.#newest
    this.#newest = undefined
    return map
  }

  close(): void {
    this.#isOver = true
    this.#leave()
    this.#wake?.()
  }
}
