/**
 * One request at work, and what it holds of the memory until its answer has left.
 *
 * Only the first request of a connection gets room for a large answer: answers leave in order, so room
 * that a later one had could be held up by one before it that waits for room.
 */
import { HeadwaterError } from '../../base/errors.ts'
import { Outgrown, shareOf, type AnswerRoom, type Loan, type MemoryPool } from '../memory.ts'

export interface Memory {
  readonly requests: MemoryPool
  readonly answers: MemoryPool
}

interface Held {
  readonly heapBytes: number
  readonly reservedBytes: number
}

/** What holds less is not ended before its time: others get on without asking for so little. */
const loanBytesMin = 4096

/**
 * What the requests of one connection hold together. While the first of them only waits, it holds up all of
 * them, and all of it can be had by ending that wait.
 */
export class Holdings implements Loan {
  readonly #requests: MemoryPool
  #bytes = 0
  #end: (() => void) | undefined
  #isLent = false

  constructor({ requests }: Memory) {
    this.#requests = requests
  }

  get bytes(): number {
    return this.#bytes
  }

  add(bytes: number): void {
    this.#bytes += bytes
    if (this.#end !== undefined) this.#lend()
  }

  /** The first one waits, until `over`. */
  parked(end: () => void): void {
    this.#end = end
    this.#lend()
  }

  over(): void {
    if (this.#isLent) this.#requests.settle(this)
    this.#isLent = false
    this.#end = undefined
  }

  callIn(): void {
    this.#end?.()
  }

  #lend(): void {
    if (this.#isLent || this.#bytes <= loanBytesMin) return
    this.#isLent = true
    this.#requests.lend(this)
  }
}

/** An answer that is made again has so many times the room. Made often, it would cost more than it is. */
const growth = 4

export class Pending implements AnswerRoom {
  readonly requestBytes: number
  /** The chunks of its response; none when it gets none. */
  answer: Uint8Array[] | undefined
  isDone = false
  readonly #memory: Memory
  readonly #holdings: Holdings
  #reservedBytes: number
  #heapBytes = 0
  #answerBytes = 0
  /** Whether these were asked for as large. */
  #isLarge = false
  /** What an answer that is being made takes of them. */
  #madeBytes = 0
  #isFirst: boolean
  #isOver = false
  #isParked = false
  #waitsForTurn: (() => void) | undefined
  #takeBack: (() => void) | undefined

  /** @param reservedBytes what was taken for its frame */
  constructor(
    memory: Memory,
    holdings: Holdings,
    requestBytes: number,
    reservedBytes: number,
    isFirst: boolean,
  ) {
    this.#memory = memory
    this.#holdings = holdings
    this.requestBytes = requestBytes
    this.#reservedBytes = reservedBytes
    this.#isFirst = isFirst
    holdings.add(reservedBytes)
  }

  get answerBytes(): number {
    return this.#answerBytes
  }

  /** Counts what the decoded request takes beside its frame. */
  decoded(heapBytes: number): void {
    if (this.#isOver) return
    this.#heapBytes += heapBytes
    this.#memory.requests.take(heapBytes)
    this.#holdings.add(heapBytes)
  }

  shrink(heapBytes: number): void {
    if (this.#isOver) return
    const before = this.#takeOver()
    this.decoded(heapBytes)
    this.#giveBack(before)
  }

  parked(end: () => void): void {
    if (this.#isOver) return
    this.#isParked = true
    this.#holdings.parked(end)
  }

  whenFirst(): Promise<void> | undefined {
    if (this.#isFirst) return undefined
    return new Promise((resolve) => (this.#waitsForTurn = resolve))
  }

  reserve(bytesMax: number): number | Promise<number> {
    this.keep(0)
    if (this.#isOver) return 0
    const { answers } = this.#memory
    return this.#ask(shareOf(answers.bytesMax - answers.usedBytes, bytesMax), false)
  }

  more(bytesMax: number): Promise<number> | number {
    const hadBytes = this.#answerBytes
    if (hadBytes >= bytesMax) throw tooLarge(bytesMax)
    this.keep(0)
    // Its client has left: whatever it waits for does not come.
    if (this.#isOver) return new Promise(() => {})
    const bytes = Math.min(bytesMax, growth * hadBytes)
    return this.#ask(bytes, this.#memory.answers.isLarge(bytes))
  }

  grow(bytes: number): void {
    this.#madeBytes += bytes
    if (this.#madeBytes > this.#answerBytes) throw new Outgrown()
  }

  #ask(bytes: number, isLarge: boolean): number | Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>()
    const granted = (): void => {
      this.#takeBack = undefined
      this.#answerBytes = bytes
      this.#isLarge = isLarge
    }
    const grantedLater = (): void => {
      granted()
      resolve(bytes)
    }
    this.#takeBack = this.#memory.answers.ask(bytes, grantedLater, isLarge)
    if (this.#takeBack !== undefined) return promise
    granted()
    return bytes
  }

  keep(bytes: number): void {
    if (this.#isOver) return
    const { answers } = this.#memory
    const heldBytes = this.#answerBytes
    this.#answerBytes = bytes
    this.#madeBytes = 0
    answers.take(bytes)
    answers.free(heldBytes, this.#isLarge)
    this.#isLarge = false
  }

  /** It has become the first of its connection. */
  becomeFirst(): void {
    this.#isFirst = true
    this.#waitsForTurn?.()
  }

  finish(answer: Uint8Array[] | undefined): void {
    this.answer = answer
    this.isDone = true
    let bytes = 0
    for (const { length } of answer ?? []) bytes += length
    this.keep(bytes)
  }

  /** Gives back what the request held; what the answer holds is the outbox's from now on. */
  handOver(): void {
    this.#answerBytes = 0
    this.end()
  }

  /** Gives everything back: the answer has left, or will not. Whatever it waited for does not come. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#takeBack?.()
    if (this.#isParked) this.#holdings.over()
    this.#memory.answers.free(this.#answerBytes, this.#isLarge)
    this.#giveBack(this.#takeOver())
  }

  /** What the request holds, which is the caller's from now on. */
  #takeOver(): Held {
    const held = { heapBytes: this.#heapBytes, reservedBytes: this.#reservedBytes }
    this.#heapBytes = 0
    this.#reservedBytes = 0
    this.#holdings.add(-held.heapBytes - held.reservedBytes)
    return held
  }

  #giveBack({ heapBytes, reservedBytes }: Held): void {
    const { requests } = this.#memory
    requests.free(heapBytes)
    requests.free(reservedBytes, requests.isLarge(reservedBytes))
  }
}

function tooLarge(bytesMax: number): HeadwaterError {
  return new HeadwaterError(
    'frame-too-large',
    `the answer to its request takes more than the ${bytesMax} bytes that are allowed: ` +
      'ask for less in one request, or raise answerBytesMax',
  )
}
