/**
 * What the group asks of the loop, and waits for: partitions to be given up, in the order it asked.
 *
 * The loop serves requests between two turns, so that a rebalance finds records either committed or not
 * begun.
 */
import type { Ownership } from '../../client/group/group-member.ts'

export interface GroupRequest {
  readonly kind: 'revoked' | 'lost'
  readonly ownership: Ownership
  readonly served: PromiseWithResolvers<void>
}

export class GroupRequests {
  readonly #waiting: GroupRequest[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  get first(): GroupRequest | undefined {
    return this.#waiting[0]
  }

  /** Resolves when the request has been served, well or badly. */
  add(kind: GroupRequest['kind'], ownership: Ownership): Promise<void> {
    const served = Promise.withResolvers<void>()
    this.#waiting.push({ kind, ownership, served })
    return served.promise
  }

  /** Takes the first request off and lets the group go on. */
  done(): void {
    this.#waiting.shift()?.served.resolve()
  }

  /** Lets the group go on with everything it waits for. */
  release(): void {
    while (!this.isEmpty) this.done()
  }
}
