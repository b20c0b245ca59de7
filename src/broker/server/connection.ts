/**
 * One client connection: frames in, responses out.
 *
 * Requests are begun in the order they came and their responses leave in that order, whatever order the
 * handlers finish in (a parked fetch holds the answers behind it, as the protocol demands). At most
 * `requestsInFlightMax` requests and `requestBytesInFlightMax` bytes are begun and unanswered; beyond
 * that, or while the client does not read its answers, nothing more is read from it; one that reads nothing
 * for `stallMsMax` is given up. A frame that cannot
 * be understood closes this connection with a reported reason, and touches nothing else.
 */
import type { Address } from '../../base/address.ts'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Clock, Duplex } from '../../io/ports.ts'
import { FrameSplitter } from '../../protocol/frame.ts'
import type { Peer } from '../peer.ts'

/** The chunks of one response, or undefined when the request gets none (a produce with acks=0). */
export type Answer = Uint8Array[] | undefined

/** A request that has begun: nothing that comes after it can overtake it any more. */
export interface Begun {
  readonly answer: Answer | Promise<Answer>
}

/** A request so long that it takes turns to begin it; until then nothing that comes after it begins. */
export interface Beginning {
  readonly begun: Promise<Begun>
}

export interface ConnectionOptions {
  readonly frameBytesMax: number
  readonly requestsInFlightMax: number
  readonly requestBytesInFlightMax: number
  /** How long a client may leave its answers unread. */
  readonly stallMsMax: number
  readonly clock: Clock
  /** What the listener advertises; the address the client dialled when left out. */
  readonly advertised?: Address
  /** Begins one request. What it throws, at once or later, closes the connection. */
  readonly dispatch: (frame: Uint8Array, peer: Peer) => Answer | Promise<Answer> | Beginning
  /** Called once; `reason` when the broker closed it for a fault. */
  readonly onClosed: (connection: Connection, reason?: string) => void
}

const noFrame = new Uint8Array(0)

interface Slot {
  readonly requestBytes: number
  answer: Answer
  done: boolean
}

export class Connection implements Peer {
  readonly remote: string
  readonly advertised: Address
  readonly #duplex: Duplex
  readonly #options: ConnectionOptions
  readonly #splitter: FrameSplitter
  readonly #inFlight: Slot[] = []
  readonly #goneCallbacks = new Set<() => void>()
  /** Frames not begun yet: those from `#nextWaiting` on. */
  #waiting: Uint8Array[] = []
  #nextWaiting = 0
  #inFlightBytes = 0
  #isBeginning = false
  #draining = false
  #paused = false
  #pumpScheduled = false
  #closed = false

  constructor(duplex: Duplex, options: ConnectionOptions) {
    this.remote = duplex.remote
    this.advertised = options.advertised ?? duplex.local
    this.#duplex = duplex
    this.#options = options
    this.#splitter = new FrameSplitter(options.frameBytesMax)
    duplex.onClose(() => this.#end())
    duplex.onBytes((chunk) => this.#receive(chunk))
  }

  onGone(callback: () => void): () => void {
    this.#goneCallbacks.add(callback)
    return () => this.#goneCallbacks.delete(callback)
  }

  /** Closes after the answers already written; requests in flight go unanswered. */
  close(reason?: string): void {
    if (this.#closed) return
    this.#duplex.close()
    this.#end(reason)
  }

  #receive(chunk: Uint8Array): void {
    if (this.#closed) return
    try {
      for (const frame of this.#splitter.push(chunk)) this.#waiting.push(frame)
    } catch (error) {
      return this.#fail(error)
    }
    this.#pump()
  }

  #pump(): void {
    this.#pumpScheduled = false
    do {
      this.#beginWaiting()
      this.#flush()
    } while (this.#isWaiting() && this.#hasRoom())
    if (this.#closed) return
    if (this.#isWaiting() || this.#draining) this.#pause()
    else this.#resume()
  }

  #isWaiting(): boolean {
    return this.#nextWaiting < this.#waiting.length
  }

  #beginWaiting(): void {
    while (this.#isWaiting() && this.#hasRoom()) {
      const frame = this.#waiting[this.#nextWaiting]!
      // The bytes of what has begun are not held while others wait.
      this.#waiting[this.#nextWaiting++] = noFrame
      this.#begin(frame)
    }
    if (this.#isWaiting()) return
    this.#waiting = []
    this.#nextWaiting = 0
  }

  #hasRoom(): boolean {
    return (
      !this.#closed &&
      !this.#draining &&
      !this.#isBeginning &&
      this.#inFlight.length < this.#options.requestsInFlightMax &&
      this.#inFlightBytes < this.#options.requestBytesInFlightMax
    )
  }

  #begin(frame: Uint8Array): void {
    const slot: Slot = { requestBytes: frame.length, answer: undefined, done: false }
    this.#inFlight.push(slot)
    this.#inFlightBytes += frame.length
    try {
      const answer = this.#options.dispatch(frame, this)
      if (answer instanceof Promise) this.#await(slot, answer)
      else if (answer !== undefined && 'begun' in answer) this.#awaitBeginning(slot, answer)
      else {
        slot.answer = answer
        slot.done = true
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  #await(slot: Slot, answer: Promise<Answer>): void {
    answer.then(
      (late) => this.#finish(slot, late),
      (error: unknown) => this.#fail(error),
    )
  }

  #awaitBeginning(slot: Slot, { begun }: Beginning): void {
    this.#isBeginning = true
    begun.then(
      ({ answer }) => {
        this.#isBeginning = false
        if (answer instanceof Promise) this.#await(slot, answer)
        else this.#finish(slot, answer)
        this.#schedulePump()
      },
      (error: unknown) => this.#fail(error),
    )
  }

  /** Answers that become ready in one turn (a group commit wakes many) leave in one write. */
  #finish(slot: Slot, answer: Answer): void {
    slot.answer = answer
    slot.done = true
    if (this.#inFlight[0]?.done === true) this.#schedulePump()
  }

  #schedulePump(): void {
    if (this.#pumpScheduled) return
    this.#pumpScheduled = true
    queueMicrotask(() => this.#pump())
  }

  #flush(): void {
    if (this.#closed) return
    let count = 0
    const chunks: Uint8Array[] = []
    for (const slot of this.#inFlight) {
      if (!slot.done) break
      count++
      this.#inFlightBytes -= slot.requestBytes
      for (const chunk of slot.answer ?? []) chunks.push(chunk)
    }
    if (count > 0) this.#inFlight.splice(0, count)
    if (chunks.length === 0 || this.#duplex.write(chunks)) return
    this.#draining = true
    const { clock, stallMsMax } = this.#options
    const stalled = clock.after(stallMsMax, () => {
      this.#fail(
        new HeadwaterError(
          'connection-lost',
          `the client left its answers unread for ${stallMsMax} ms: let it read what it asks for`,
        ),
      )
    })
    void this.#duplex.drained().then(() => {
      stalled.cancel()
      this.#draining = false
      this.#pump()
    })
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#duplex.pause()
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#duplex.resume()
  }

  #fail(error: unknown): void {
    if (this.#closed) return
    const text = error instanceof Error ? error.message : String(error)
    const known = isHeadwaterError(error)
    this.#duplex.destroy()
    this.#end(known ? text : `a bug in the broker: ${(error as Error)?.stack ?? text}`)
  }

  #end(reason?: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#waiting = []
    this.#nextWaiting = 0
    this.#options.onClosed(this, reason)
    for (const callback of this.#goneCallbacks) callback()
    this.#goneCallbacks.clear()
  }
}
