/**
 * One client connection: frames in, responses out.
 *
 * Requests are begun in the order they came and their responses leave in that order, whatever order the
 * handlers finish in (a parked fetch holds the answers behind it, as the protocol demands). At most
 * `requestsInFlightMax` requests and `requestBytesInFlightMax` bytes of requests and answers are held;
 * beyond that, while all connections together hold more than they may, or while the client does not read its
 * answers, nothing more is read from it. What is sent ahead is begun in rounds (`rounds.ts`).
 * A request larger than `gatherBytesFirst` is read on when there is
 * room for all of it. A client that is silent, stops in the middle of a request or leaves its answers unread
 * is given up after a while. A frame that cannot
 * be understood closes this connection with a reported reason, and touches nothing else.
 */
import type { Address } from '../../base/address.ts'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Clock, Duplex } from '../../io/ports.ts'
import { FrameSplitter, gatherBytesFirst } from '../../protocol/frame.ts'
import type { Peer } from '../peer.ts'
import type { Answer, Beginning, Ending, RequestMemory } from './answer.ts'
import { Outbox } from './outbox.ts'
import { Holdings, Pending, type Memory } from './pending.ts'
import type { Rounds } from './rounds.ts'
import type { Traffic } from './traffic.ts'
import { Watch } from './watch.ts'

export interface ConnectionOptions {
  readonly frameBytesMax: number
  readonly requestsInFlightMax: number
  readonly requestBytesInFlightMax: number
  /** How long a client may leave its answers unread. */
  readonly stallMsMax: number
  /** How long the next part of a request may take. */
  readonly requestStallMsMax: number
  /** How long a client may be silent; for ever when left out. */
  readonly connectionIdleMsMax?: number | undefined
  /** What all connections share: memory, and what is counted. */
  readonly memory: Memory
  readonly traffic: Traffic
  /** Who may begin what was sent ahead. */
  readonly rounds: Rounds
  readonly clock: Clock
  /** What the listener advertises; the address the client dialled when left out. */
  readonly advertised?: Address
  /** Begins one request. What it throws, at once or later, closes the connection. */
  readonly dispatch: (
    frame: Uint8Array,
    peer: Peer,
    memory: RequestMemory,
  ) => Answer | Promise<Answer> | Beginning
  /** Called once; `ending` when it was the broker that ended it, and still is there. */
  readonly onClosed: (connection: Connection, ending?: Ending) => void
}

/** A request of this size is begun whatever else is held, when it is the only one of its connection. */
const smallBytesMax = 4096

/** Bytes that a request has moved on by; those of an answer are a piece of the outbox. */
const paceBytes = 1024 * 1024

export class Connection implements Peer {
  readonly remote: string
  readonly advertised: Address
  readonly #duplex: Duplex
  readonly #options: ConnectionOptions
  readonly #splitter: FrameSplitter
  readonly #outbox: Outbox
  readonly #watch: Watch
  readonly #holdings: Holdings
  readonly #inFlight: Pending[] = []
  readonly #goneCallbacks = new Set<() => void>()
  /** A whole frame that waits for room to be begun. */
  #waiting: Uint8Array | undefined
  /** Taken from the memory for the request that waits or is being gathered. */
  #reservedBytes = 0
  #takeBack: (() => void) | undefined
  /** What had come of the request being gathered when it was last seen to move on. */
  #keptAtBytes = 0
  #heldBytes = 0
  #isBeginning = false
  /** Nothing of it was under way when this came. */
  #isFresh = false
  #waitsForRound = false
  #paused = false
  #pumpScheduled = false
  #closed = false

  constructor(duplex: Duplex, options: ConnectionOptions) {
    this.remote = duplex.remote
    this.advertised = options.advertised ?? duplex.local
    this.#duplex = duplex
    this.#options = options
    this.#splitter = new FrameSplitter(options.frameBytesMax)
    this.#holdings = new Holdings(options.memory)
    this.#outbox = this.#openOutbox()
    this.#watch = this.#openWatch()
    duplex.onClose(() => this.#end())
    duplex.onBytes((chunk) => this.#receive(chunk))
  }

  onGone(callback: () => void): () => void {
    this.#goneCallbacks.add(callback)
    return () => this.#goneCallbacks.delete(callback)
  }

  /** How long its client has asked for nothing, with nothing under way; 0 while anything is. */
  get idleMs(): number {
    return this.#watch.idleMs
  }

  /** Closes after the answers already made; requests in flight go unanswered. */
  close(ending?: Ending): void {
    if (this.#closed) return
    this.#outbox.flush()
    this.#duplex.close()
    this.#end(ending)
  }

  /** While others wait for memory, a request that takes its time gives up its own. */
  giveUp(): void {
    this.#refuse(
      'it sent its request too slowly while others waited for memory: send it faster, or raise memoryBytesMax',
    )
  }

  #openOutbox(): Outbox {
    return new Outbox({
      ...this.#options,
      duplex: this.#duplex,
      memory: this.#options.memory.answers,
      onDrained: () => this.#pump(),
      onStalled: (reason) => this.#refuse(reason),
    })
  }

  #openWatch(): Watch {
    const { clock, connectionIdleMsMax, requestStallMsMax } = this.#options
    return new Watch({
      clock,
      connectionIdleMsMax,
      requestStallMsMax,
      isIdle: () => this.#isIdle(),
      onIdle: () => {
        const reason = `it asked for nothing in ${connectionIdleMsMax} ms (connectionIdleMsMax)`
        this.close({ type: 'idle', reason })
      },
      onStalled: () =>
        this.#refuse(
          `its request did not go on in ${requestStallMsMax} ms (requestStallMsMax): ` +
            `${this.#splitter.partialBytes} of its ${this.#splitter.partialSize} bytes have come`,
        ),
    })
  }

  #isIdle(): boolean {
    const { partialBytes } = this.#splitter
    const isGathering = partialBytes > 0 || this.#waiting !== undefined
    return this.#inFlight.length === 0 && !isGathering && !this.#outbox.isDraining
  }

  #receive(chunk: Uint8Array): void {
    if (this.#closed) return
    this.#splitter.take(chunk)
    this.#watch.active()
    this.#isFresh = this.#inFlight.length === 0
    this.#pump()
    this.#isFresh = false
  }

  #pump(): void {
    this.#pumpScheduled = false
    if (this.#closed) return
    let begun = 0
    do {
      try {
        begun += this.#beginWaiting()
      } catch (error) {
        return this.#fail(error)
      }
    } while (this.#flush() && this.#hasRoom())
    if (this.#closed) return
    if (this.#mayRead()) this.#resume(begun > 0)
    else this.#pause()
  }

  /** Begins what there is room for; how many that were. */
  #beginWaiting(): number {
    let begun = 0
    while (this.#hasRoom()) {
      const frame = this.#waiting ?? this.#splitter.next()
      this.#waiting = frame
      if (frame === undefined || !this.#hasTurn(frame) || !this.#admit(frame)) break
      this.#waiting = undefined
      this.#begin(frame)
      begun++
    }
    return begun
  }

  #hasRoom(): boolean {
    return (
      !this.#closed &&
      !this.#outbox.isDraining &&
      !this.#isBeginning &&
      !this.#waitsForRound &&
      this.#takeBack === undefined &&
      this.#inFlight.length < this.#options.requestsInFlightMax &&
      this.#heldBytes < this.#options.requestBytesInFlightMax
    )
  }

  /** Whether a frame may be begun in this round; the one request of who waits for its answer always is. */
  #hasTurn(frame: Uint8Array): boolean {
    const { rounds } = this.#options
    if (this.#isFresh) this.#isFresh = false
    else if (rounds.isOver) {
      this.#waitsForRound = true
      rounds.later(() => {
        this.#waitsForRound = false
        this.#pump()
      })
      return false
    } else rounds.count(frame)
    return true
  }

  /** Whether a whole frame may be begun: when what it holds is counted, or there is room for it. */
  #admit(frame: Uint8Array): boolean {
    if (this.#reservedBytes > 0) return true
    const { requests } = this.#options.memory
    const { length } = frame
    const isSmall = length <= smallBytesMax && !requests.isLarge(length)
    if (!isSmall || this.#inFlight.length > 0) return this.#reserve(length)
    requests.take(length)
    this.#reservedBytes = length
    return true
  }

  /** Takes memory for the next request, now or when it is its turn. */
  #reserve(bytes: number): boolean {
    const { requests } = this.#options.memory
    const granted = (): void => {
      this.#takeBack = undefined
      this.#reservedBytes = bytes
      // What is not whole yet waits for its sender.
      if (this.#waiting !== undefined) return
      this.#keptAtBytes = this.#splitter.partialBytes
      requests.keep(this)
    }
    const grantedLater = (): void => {
      granted()
      // Not here: it is somebody else who gives the memory back.
      this.#schedulePump()
    }
    this.#takeBack = requests.ask(bytes, grantedLater, requests.isLarge(bytes))
    if (this.#takeBack === undefined) granted()
    return this.#takeBack === undefined
  }

  /** Whether more may come: nothing waits to be begun, and there is room for what is being gathered. */
  #mayRead(): boolean {
    if (!this.#hasRoom() || this.#waiting !== undefined) return false
    const { partialSize } = this.#splitter
    if (partialSize <= gatherBytesFirst || this.#reservedBytes > 0) return true
    return this.#reserve(partialSize)
  }

  #begin(frame: Uint8Array): void {
    const { memory, dispatch } = this.#options
    const isFirst = this.#inFlight.length === 0
    const reserved = this.#reservedBytes
    const pending = new Pending(memory, this.#holdings, frame.length, reserved, isFirst)
    this.#reservedBytes = 0
    memory.requests.release(this)
    this.#inFlight.push(pending)
    this.#heldBytes += frame.length
    try {
      const answer = dispatch(frame, this, pending)
      if (answer instanceof Promise) this.#await(pending, answer)
      else if (answer !== undefined && 'begun' in answer) this.#awaitBeginning(pending, answer)
      else this.#take(pending, answer)
    } catch (error) {
      this.#fail(error)
    }
  }

  #await(pending: Pending, answer: Promise<Answer>): void {
    answer.then(
      (late) => this.#finish(pending, late),
      (error: unknown) => this.#fail(error),
    )
  }

  #awaitBeginning(pending: Pending, { begun }: Beginning): void {
    this.#isBeginning = true
    begun.then(
      ({ answer }) => {
        this.#isBeginning = false
        if (answer instanceof Promise) this.#await(pending, answer)
        else this.#finish(pending, answer)
        this.#schedulePump()
      },
      (error: unknown) => this.#fail(error),
    )
  }

  #take(pending: Pending, answer: Answer): void {
    pending.finish(answer)
    this.#heldBytes += pending.answerBytes
  }

  /** Answers that become ready in one turn (a group commit wakes many) leave in one write. */
  #finish(pending: Pending, answer: Answer): void {
    if (this.#closed) return
    this.#take(pending, answer)
    if (this.#inFlight[0]?.isDone === true) this.#schedulePump()
  }

  #schedulePump(): void {
    if (this.#pumpScheduled) return
    this.#pumpScheduled = true
    queueMicrotask(() => this.#pump())
  }

  /** Sends the answers whose turn it is; whether there were any. */
  #flush(): boolean {
    if (this.#closed) return false
    let count = 0
    let bytes = 0
    const chunks: Uint8Array[] = []
    for (const pending of this.#inFlight) {
      if (!pending.isDone) break
      count++
      bytes += pending.answerBytes
      this.#heldBytes -= pending.requestBytes + pending.answerBytes
      for (const chunk of pending.answer ?? []) chunks.push(chunk)
      pending.handOver()
    }
    if (count === 0) return false
    this.#inFlight.splice(0, count)
    this.#inFlight[0]?.becomeFirst()
    this.#watch.active()
    if (chunks.length > 0) this.#outbox.send(chunks, bytes)
    return true
  }

  #pause(): void {
    this.#watch.held()
    if (this.#paused) return
    this.#paused = true
    this.#duplex.pause()
  }

  #resume(hasBegun: boolean): void {
    const { partialBytes } = this.#splitter
    this.#watch.partial(partialBytes, hasBegun)
    if (partialBytes >= this.#keptAtBytes + paceBytes && this.#reservedBytes > 0) {
      this.#keptAtBytes = partialBytes
      this.#options.memory.requests.keep(this)
    }
    if (!this.#paused) return
    this.#paused = false
    this.#duplex.resume()
  }

  #refuse(reason: string): void {
    this.#fail(new HeadwaterError('connection-lost', reason))
  }

  #fail(error: unknown): void {
    if (this.#closed) return
    const text = error instanceof Error ? error.message : String(error)
    const reason = isHeadwaterError(error)
      ? text
      : `a bug in the broker: ${(error as Error)?.stack ?? text}`
    this.#duplex.destroy()
    this.#end({ type: 'refused', reason })
  }

  #end(ending?: Ending): void {
    if (this.#closed) return
    this.#closed = true
    this.#waiting = undefined
    this.#watch.close()
    this.#outbox.close()
    this.#releaseRequests()
    this.#options.onClosed(this, ending)
    for (const callback of this.#goneCallbacks) callback()
    this.#goneCallbacks.clear()
  }

  #releaseRequests(): void {
    const { requests } = this.#options.memory
    requests.release(this)
    this.#takeBack?.()
    requests.free(this.#reservedBytes, requests.isLarge(this.#reservedBytes))
    this.#reservedBytes = 0
    for (const pending of this.#inFlight) pending.end()
  }
}
