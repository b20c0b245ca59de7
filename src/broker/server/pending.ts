/**
 * One request at work, and what it holds of the memory until its answer has left.
 *
 * Only the first request of a connection gets room for a large answer: answers leave in order, so room
 * that a later one had could be held up by one before it that waits for room.
 */
import { shareOf, type AnswerRoom, type MemoryPool } from '../memory.ts'

export interface Memory {
  readonly requests: MemoryPool
  readonly answers: MemoryPool
}

export class Pending implements AnswerRoom {
  readonly requestBytes: number
  /** The chunks of its response; none when it gets none. */
  answer: Uint8Array[] | undefined
  isDone = false
  readonly #memory: Memory
  readonly #reservedBytes: number
  #heapBytes = 0
  #answerBytes = 0
  #isFirst: boolean
  #isOver = false
  #waitsForTurn: (() => void) | undefined
  #takeBack: (() => void) | undefined

  /** @param reservedBytes what was taken for its frame */
  constructor(memory: Memory, requestBytes: number, reservedBytes: number, isFirst: boolean) {
    this.#memory = memory
    this.requestBytes = requestBytes
    this.#reservedBytes = reservedBytes
    this.#isFirst = isFirst
  }

  get answerBytes(): number {
    return this.#answerBytes
  }

  /** Counts what the decoded request takes beside its frame. */
  decoded(heapBytes: number): void {
    if (this.#isOver) return
    this.#heapBytes += heapBytes
    this.#memory.requests.take(heapBytes)
  }

  whenFirst(): Promise<void> | undefined {
    if (this.#isFirst) return undefined
    return new Promise((resolve) => (this.#waitsForTurn = resolve))
  }

  reserve(bytesMax: number): number | Promise<number> {
    this.keep(0)
    if (this.#isOver) return 0
    const { answers } = this.#memory
    const bytes = shareOf(answers.bytesMax - answers.usedBytes, bytesMax)
    const { promise, resolve } = Promise.withResolvers<number>()
    this.#takeBack = answers.ask(bytes, () => {
      this.#takeBack = undefined
      this.#answerBytes = bytes
      resolve(bytes)
    })
    if (this.#takeBack !== undefined) return promise
    this.#answerBytes = bytes
    return bytes
  }

  keep(bytes: number): void {
    if (this.#isOver) return
    const freed = this.#answerBytes - bytes
    this.#answerBytes = bytes
    if (freed > 0) this.#memory.answers.free(freed)
    else this.#memory.answers.take(-freed)
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
    const { requests, answers } = this.#memory
    answers.free(this.#answerBytes)
    requests.free(this.#heapBytes)
    requests.free(this.#reservedBytes, requests.isLarge(this.#reservedBytes))
  }
}
