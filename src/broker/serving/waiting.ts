/**
 * Requests that wait for logs to advance (long-polling fetches), without polling.
 *
 * A wait listens on its own logs only, so an append wakes the consumers of its partition and nobody else;
 * that a log is deleted is heard in the same way.
 * A group commit advances many logs in one turn: the wait looks again once, after all of them. It ends
 * when its condition holds, its time is over, its client is gone, others need what it holds, or the broker
 * closes.
 */
import type { Clock } from '../../io/ports.ts'
import type { Log } from '../../log/log.ts'
import type { Peer } from '../peer.ts'

export interface Wait {
  readonly logs: Iterable<Log>
  readonly maxWaitMs: number
  readonly peer: Peer
  /** Looked at after an advance; must be cheap. */
  readonly satisfied: () => boolean
  /** Called when there is a wait, with what ends it before its time. */
  readonly onBegun?: (end: () => void) => void
}

export class WaitingRoom {
  readonly #clock: Clock
  readonly #waits = new Set<() => void>()
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#waits.size
  }

  /** Resolves when the wait ends, for whatever reason. */
  wait(wait: Wait): Promise<void> {
    if (this.#closed || wait.maxWaitMs <= 0 || wait.satisfied()) return Promise.resolve()
    return new Promise((resolve) => {
      const undo: (() => void)[] = []
      let looking = false
      const end = (): void => {
        if (!this.#waits.delete(end)) return
        for (const step of undo) step()
        resolve()
      }
      const look = (): void => {
        looking = false
        if (this.#waits.has(end) && wait.satisfied()) end()
      }
      const advanced = (): void => {
        if (looking) return
        looking = true
        queueMicrotask(look)
      }
      this.#waits.add(end)
      for (const log of wait.logs) undo.push(log.onAdvance(advanced))
      undo.push(wait.peer.onGone(end))
      const timer = this.#clock.after(wait.maxWaitMs, end)
      undo.push(() => timer.cancel())
      wait.onBegun?.(end)
    })
  }

  /** Ends every wait now, and every later one at once. */
  close(): void {
    this.#closed = true
    for (const end of this.#waits) end()
  }
}
