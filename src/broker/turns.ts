/**
 * Who has the one thread there is, and for how long: work of many items is done in turns, so that everybody
 * else waits for a part of it only.
 *
 * What takes no more than one turn is done at once, without a promise. Of everything that takes longer one
 * part is done each time the event loop comes round, first come first served, however many clients ask for
 * it; what is done at once in between is counted, too. Items are counted, not time: the same requests take
 * the same turns.
 */
import { HeadwaterError } from '../base/errors.ts'
import type { Steps } from '../base/steps.ts'
import type { Clock } from '../io/ports.ts'

/** Work of fewer items than this share of a turn is not counted: it must not cost more than it is. */
const countedShare = 1 / 16

interface Party {
  onGone(callback: () => void): () => void
}

/** Work that was left in the middle; it goes on by itself. */
export class Unfinished<T> {
  readonly end: Promise<{ readonly value: T }>

  constructor(end: Promise<{ readonly value: T }>) {
    this.end = end
  }
}

export class Turns {
  readonly itemsMax: number
  readonly #clock: Clock
  readonly #waiting: (() => void)[] = []
  /** Items that may still be done before the event loop comes round. */
  #left: number
  #isRefilling = false
  #isCalling = false

  constructor(clock: Clock, itemsMax: number) {
    this.#clock = clock
    this.itemsMax = itemsMax
    this.#left = itemsMax
  }

  /** Whether so many items are done at once, whatever else is: then nothing is written in steps for them. */
  isShort(items: number): boolean {
    return items <= this.itemsMax * countedShare
  }

  /** Runs `steps` to the end, or until `party` is gone: then it rejects with `connection-lost`. */
  run<T>(steps: Steps<T>, party?: Party): T | Promise<T> {
    const begun = this.begin(steps, party)
    return begun instanceof Unfinished ? begun.end.then(({ value }) => value) : begun
  }

  /** The same for steps whose value may be a promise: their end is told from its. */
  begin<T>(steps: Steps<T>, party?: Party): T | Unfinished<T> {
    let items = 0
    for (;;) {
      const step = steps.next()
      if (step.done === true) {
        if (!this.isShort(items)) this.#count(items)
        return step.value
      }
      items += step.value
      if (!this.isShort(items) && items >= this.#left) break
    }
    this.#count(items)
    return new Unfinished(this.#takeTurns(steps, party))
  }

  /** Counts `items` that were done; what to wait for when they were the last of this turn. */
  spend(items: number, party?: Party): Promise<void> | undefined {
    const left = this.run(once(items), party)
    return left instanceof Promise ? left : undefined
  }

  async #takeTurns<T>(steps: Steps<T>, party: Party | undefined): Promise<{ readonly value: T }> {
    let isGone = false
    const forget = party?.onGone(() => (isGone = true))
    try {
      for (;;) {
        await this.#turn()
        if (isGone) throw clientGone()
        for (let items = 0; items < this.itemsMax;) {
          const step = steps.next()
          if (step.done === true) return { value: step.value }
          items += step.value
        }
      }
    } finally {
      forget?.()
    }
  }

  #count(items: number): void {
    this.#left -= items
    if (this.#isRefilling) return
    this.#isRefilling = true
    this.#clock.soon(() => {
      this.#isRefilling = false
      this.#left = this.itemsMax
    })
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#call()
    })
  }

  /** Calls the next one, once a round. */
  #call(): void {
    if (this.#isCalling || this.#waiting.length === 0) return
    this.#isCalling = true
    this.#clock.soon(() => {
      this.#isCalling = false
      this.#waiting.shift()!()
      this.#call()
    })
  }
}

function* once(items: number): Steps<void> {
  yield items
}

export function clientGone(): HeadwaterError {
  return new HeadwaterError(
    'connection-lost',
    'the client left while its request was being worked on: what was not begun is left undone',
  )
}
