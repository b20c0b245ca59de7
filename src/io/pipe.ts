/**
 * A byte stream inside the process: two ends of a `Duplex`, as a TCP connection would be.
 *
 * Chunks are handed over by reference, in order, and never inside the writer's own call: the reader runs
 * in a later turn, so neither end can re-enter the other. An end that holds more than `bufferBytesMax`
 * unread makes the other end's `write` return false until it has been read, which is the same promise a
 * full socket makes. A close arrives after everything written before it; a destroy overtakes.
 */
import type { Duplex } from './ports.ts'

/** What an end holds unread before its writer is told to wait. */
const bufferBytesMaxDefault = 1024 * 1024

export interface PipeOptions {
  /** What each end calls the other. */
  readonly names?: readonly [string, string]
  /** The address that was dialled, as both ends report it. */
  readonly address?: { readonly host: string; readonly port: number }
  readonly bufferBytesMax?: number
  /** Runs the hand-over later: `Clock.soon` lets sockets and timers have their turn in between. */
  readonly soon?: (callback: () => void) => void
}

/** Two ends; what is written to one is read from the other. */
export function pipe(options: PipeOptions = {}): [Duplex, Duplex] {
  const [nameA, nameB] = options.names ?? ['in-process', 'in-process']
  const a = new PipeEnd(nameB, options)
  const b = new PipeEnd(nameA, options)
  a.join(b)
  b.join(a)
  return [a, b]
}

class PipeEnd implements Duplex {
  readonly remote: string
  readonly local: { readonly host: string; readonly port: number }
  readonly #bufferBytesMax: number
  readonly #soon: (callback: () => void) => void
  #other: PipeEnd = this
  #inbox: Uint8Array[] = []
  #inboxBytes = 0
  #endOfInput = false
  #reader: ((chunk: Uint8Array) => void) | undefined
  #closeCallback: ((error?: Error) => void) | undefined
  #paused = false
  #scheduled = false
  #closed = false
  #closeError: Error | undefined
  #drainWaiters: (() => void)[] = []

  constructor(remote: string, options: PipeOptions) {
    this.remote = remote
    this.local = options.address ?? { host: 'in-process', port: 0 }
    this.#bufferBytesMax = options.bufferBytesMax ?? bufferBytesMaxDefault
    this.#soon = options.soon ?? queueMicrotask
  }

  join(other: PipeEnd): void {
    this.#other = other
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#closed) return true
    const other = this.#other
    return other.#take(chunks)
  }

  drained(): Promise<void> {
    if (this.#closed || !this.#other.#isFull()) return Promise.resolve()
    return new Promise((resolve) => this.#drainWaiters.push(resolve))
  }

  onBytes(reader: (chunk: Uint8Array) => void): void {
    this.#reader = reader
    this.#schedule()
  }

  onClose(callback: (error?: Error) => void): void {
    this.#closeCallback = callback
    if (this.#closed) this.#soon(() => callback(this.#closeError))
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#schedule()
  }

  close(): void {
    this.#shut()
  }

  destroy(): void {
    this.#inbox = []
    this.#shut()
    this.#other.#inbox = []
    this.#other.#shut(new Error('the other end of the pipe was destroyed'))
  }

  #take(chunks: readonly Uint8Array[]): boolean {
    if (this.#closed) return true
    for (const chunk of chunks) {
      if (chunk.length === 0) continue
      this.#inbox.push(chunk)
      this.#inboxBytes += chunk.length
    }
    this.#schedule()
    return !this.#isFull()
  }

  #isFull(): boolean {
    return !this.#closed && this.#inboxBytes > this.#bufferBytesMax
  }

  #schedule(): void {
    if (this.#scheduled || this.#paused || this.#closed || this.#reader === undefined) return
    if (this.#inbox.length === 0 && !this.#endOfInput) return
    this.#scheduled = true
    this.#soon(() => this.#deliver())
  }

  #deliver(): void {
    this.#scheduled = false
    if (this.#closed || this.#paused) return
    const inbox = this.#inbox
    this.#inbox = []
    let at = 0
    while (at < inbox.length && !this.#paused && !this.#closed) {
      const chunk = inbox[at++]!
      this.#inboxBytes -= chunk.length
      this.#reader!(chunk)
    }
    if (this.#closed) return
    if (at < inbox.length) this.#inbox = inbox.slice(at).concat(this.#inbox)
    if (!this.#isFull()) this.#other.#releaseWriters()
    if (this.#inbox.length > 0) this.#schedule()
    else if (this.#endOfInput && !this.#paused) this.#shut()
  }

  #releaseWriters(): void {
    const waiters = this.#drainWaiters
    this.#drainWaiters = []
    for (const resolve of waiters) resolve()
  }

  #shut(error?: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#closeError = error
    this.#inboxBytes = 0
    this.#releaseWriters()
    this.#other.#releaseWriters()
    const callback = this.#closeCallback
    if (callback !== undefined) this.#soon(() => callback(error))
    if (!this.#other.#endOfInput) {
      this.#other.#endOfInput = true
      this.#other.#schedule()
    }
  }
}
