/** How often an instance has asked the others of its service, and what came of it. */

export interface PeerStats {
  /** Questions that were begun. */
  readonly asked: number
  /** Of those, the ones that were answered; that a key holds nothing is an answer. */
  readonly answered: number
  /** Those that were not: refused, late, or nobody was there. */
  readonly refused: number
}

/** Instances that are remembered: those that were asked last. Addresses may come and go for years. */
const countedPeersMax = 100

const none: PeerStats = { asked: 0, answered: 0, refused: 0 }

export class PeerCounts {
  readonly #byAddress = new Map<string, PeerStats>()

  count(address: string, what: keyof PeerStats): void {
    const known = this.#byAddress.get(address) ?? none
    // Behind all others: the first is the one that was asked longest ago.
    this.#byAddress.delete(address)
    this.#byAddress.set(address, { ...known, [what]: known[what] + 1 })
    const [oldest] = this.#byAddress.keys()
    if (this.#byAddress.size > countedPeersMax) this.#byAddress.delete(oldest!)
  }

  /** By address. */
  stats(): Readonly<Record<string, PeerStats>> {
    return Object.fromEntries(this.#byAddress)
  }
}
