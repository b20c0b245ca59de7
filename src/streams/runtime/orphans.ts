/**
 * Transactions that instances left open when they died, and who ends them: whoever takes over.
 *
 * Until a transaction ends, nobody reads what was committed behind it, and offsets in it are unstable. Its
 * timeout would end it a minute later; and an instance that is only asleep could open another when it
 * wakes up. So all members of a generation are told each other's names, and whoever opens tasks first
 * fences the producers of all other instances of the service, whatever they are doing, by asking for
 * their producer ids (KIP-98). Transactional ids say whose they are:
 *
 *     <service>/<instance>-<hash>                  of an instance, from process to process
 *     <service>/<instance>-<hash>/<incarnation>    of one that lost the first to something it cannot know
 *
 * An instance asks for its first id only when the group has given it something: by then whoever had that
 * id has lost its place in the group. It never asks for the same id twice, so one that was replaced
 * fences nobody who came after it.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import { planted } from '../../base/planted.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import { listTransactions } from '../../client/producer/list-transactions.ts'
import { Producer } from '../../client/producer/producer.ts'
import type { Random } from '../../io/ports.ts'
import { newIncarnation } from './instance.ts'

/** What a group said longer ago may be out of date: then it is asked again, so many times at most. */
const freshMs = 1_000
const asksMax = 3
/** A broker that has died is in the metadata for a while, and its transactions then at another. */
const listTimeoutMs = 2_000

/** The first transactional id of an instance, by its name. */
export function transactionalIdOf(service: string, name: string): string {
  return `${encodeURIComponent(service)}/${encodeURIComponent(name)}`
}

/** Another id of the same instance, which nobody has had. */
export function nextTransactionalId(id: string, random: Random): string {
  if (planted.has('fence-successor')) return id
  return `${ownerOf(id)}/${newIncarnation(random)}`
}

/** The first id of the instance that an id belongs to. */
function ownerOf(id: string): string {
  return id.split('/').slice(0, 2).join('/')
}

/** Those of `known` that belong to instances of the service of `own` that are none of its peers, or to none. */
function orphansAmong(
  known: readonly string[],
  own: string,
  peers: readonly string[],
): readonly string[] {
  const [service] = own.split('/')
  const living = new Set(peers)
  return known.filter((id) => {
    if (id === own || !id.startsWith(`${service}/`)) return false
    return ownerOf(id) === ownerOf(own) || !living.has(ownerOf(id))
  })
}

/** Who takes over, and from whom it does not. */
export interface Takeover {
  /** This process' id at the moment. */
  readonly own: string
  /** The first ids of all members. */
  readonly peers: readonly string[]
  /** Throws when they are members no more: then nobody is fenced. */
  readonly assertWanted: () => void
  /** Asks the group whether this process is a member still; throws when it does not say. */
  readonly confirm: () => Promise<void>
}

/** Fences those who left, once each. */
export class Orphans {
  readonly #cluster: Cluster
  readonly #transactionTimeoutMs: number
  /** Fenced already, and not heard of since. */
  readonly #fenced = new Set<string>()

  /** @param transactionTimeoutMs of this service's transactions: brokers may not take longer ones */
  constructor(cluster: Cluster, transactionTimeoutMs: number) {
    this.#cluster = cluster
    this.#transactionTimeoutMs = transactionTimeoutMs
  }

  /**
   * Fences the producers of instances that left, and ends their transactions. A broker too old to list them
   * leaves them to their timeouts.
   * @returns the ids whose transactions were open
   */
  async end({ own, peers, assertWanted, confirm }: Takeover): Promise<readonly string[]> {
    if (planted.has('wait-for-transaction-timeout')) return []
    const isFencingLate =
      planted.has('commit-without-generation') || planted.has('keep-state-of-another')
    const known = await this.#known()
    assertWanted()
    const living = new Set(peers)
    for (const id of this.#fenced) if (living.has(ownerOf(id))) this.#fenced.delete(id)
    const orphans = orphansAmong([...known.keys()], own, peers).filter((id) => {
      if (isFencingLate) return known.get(id) === 'Ongoing'
      return known.get(id) === 'Ongoing' || !this.#fenced.has(id)
    })
    if (orphans.length > 0) await this.#assertMember(confirm, assertWanted)
    await Promise.all(orphans.map((id) => this.#fence(id)))
    return orphans.filter((id) => known.get(id) === 'Ongoing')
  }

  /**
   * Whoever was asleep since it was told its peers knows neither that others have joined nor that another has
   * its place, and would fence them: so ask, not only look, and again when the answer took long.
   */
  async #assertMember(confirm: () => Promise<void>, assertWanted: () => void): Promise<void> {
    const { clock } = this.#cluster
    for (let asks = 1; ; asks++) {
      const askedAt = clock.monotonic()
      await confirm()
      assertWanted()
      if (asks === asksMax || clock.monotonic() - askedAt < freshMs) return
    }
  }

  /** States of all transactional ids there are. */
  async #known(): Promise<ReadonlyMap<string, string>> {
    try {
      const listed = await listTransactions(this.#cluster, { retryTimeoutMs: listTimeoutMs })
      return new Map(listed.map(({ transactionalId, state }) => [transactionalId, state]))
    } catch (error) {
      if (isHeadwaterError(error, 'unsupported-version')) return new Map()
      throw error
    }
  }

  /** Resolves once its transaction, if there is one, is aborted wherever the coordinator knows it. */
  async #fence(transactionalId: string): Promise<void> {
    const transactionTimeoutMs = this.#transactionTimeoutMs
    const successor = new Producer(this.#cluster, { transactionalId, transactionTimeoutMs })
    try {
      await successor.init()
      this.#fenced.add(transactionalId)
    } finally {
      await successor.close()
    }
  }
}
