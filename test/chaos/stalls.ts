/**
 * How long output stood still although there was something to do, somebody healthy to do it, and a broker
 * to do it with.
 */

export interface Stall {
  readonly ms: number
  /** The partition, as `copies-2`. */
  readonly place: string
  /** Milliseconds since the run began. */
  readonly from: number
  /** The faults that had to do with it: those that were on at the time or over for less than a session. */
  readonly under: readonly string[]
}

export interface FaultSpan {
  readonly name: string
  readonly from: number
  to: number
}

interface Place {
  pending: number
  since: number
}

export class StallMeter {
  readonly #sessionMs: number
  readonly #faults: readonly FaultSpan[]
  readonly #places = new Map<string, Place>()
  longest: Stall | undefined
  /** The longest with no more than one fault behind it: takeover has a bound then. */
  longestAlone: Stall | undefined

  constructor(sessionMs: number, faults: readonly FaultSpan[]) {
    this.#sessionMs = sessionMs
    this.#faults = faults
  }

  /** An input came whose output is due in this place. */
  due(name: string, at: number): void {
    const place = this.#places.get(name) ?? { pending: 0, since: at }
    if (place.pending <= 0) place.since = at
    place.pending++
    this.#places.set(name, place)
  }

  /** An output came. */
  came(name: string, at: number): void {
    const place = this.#places.get(name)
    if (place === undefined) return
    this.#note(name, place, at)
    place.pending--
    place.since = at
  }

  /** Nobody could work until now: what stands still is measured anew. */
  excuse(at: number): void {
    for (const [name, place] of this.#places) {
      this.#note(name, place, at)
      place.since = at
    }
  }

  #note(name: string, { pending, since }: Place, at: number): void {
    const ms = at - since
    if (pending <= 0 || ms <= (this.longestAlone?.ms ?? 0)) return
    const under = this.#faults
      .filter(({ from, to }) => from < at && to + this.#sessionMs > since)
      .map((fault) => fault.name)
    const stall = { ms, place: name, from: since, under }
    if (ms > (this.longest?.ms ?? 0)) this.longest = stall
    if (under.length <= 1) this.longestAlone = stall
  }
}

export function stallText({ ms, place, from, under }: Stall): string {
  const why = under.length === 0 ? 'no fault' : under.join(', ')
  return `${(ms / 1_000).toFixed(1)} s in ${place} from ${(from / 1_000).toFixed(1)} s (${why})`
}
