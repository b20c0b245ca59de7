/**
 * What the leader of a service's group tells every member of the others: the transactional ids of all, and
 * who holds which partitions at which address.
 *
 * It is JSON whose fields are only ever added. A leader of an older version says nothing of holders: then
 * nobody is known, and nobody is asked. A member of an older version does not look at what it does not know.
 *
 * Everyone is told the same, so what is told grows with the square of the members, and brokers bound the record
 * a group is kept in (1 MB as Kafka ships). So topics that are shared out alike are named together, as runs of
 * partitions; and holders are left out when all that is told of them would be more than `holdersBytesMax`.
 */
import { parseAddress } from '../../base/address.ts'
import { utf8Bytes, utf8String } from '../../base/bytes.ts'
import type { TopicPartition } from '../../client/cluster/topic-partition.ts'

/** Bytes of holders that a leader tells, all members together. */
export const holdersBytesMax = 256 * 1024

/** What a member was told. */
export interface Peers {
  /** Of all members of the generation. */
  readonly transactionalIds: readonly string[]
  readonly holders: Holders
}

/** Who holds which partitions, as far as it was told. */
export type Holders =
  | { readonly isTold: true; of(place: TopicPartition): Holder | undefined }
  | { readonly isTold: false; readonly why: 'old-leader' | 'no-addresses' | 'too-long' }

/** Who holds a partition. */
interface Holder {
  /** Where its query server is reached, `host:port`; undefined when it has none. */
  readonly address: string | undefined
}

/** A member and what it was given. */
export interface Given {
  readonly transactionalId: string | null
  readonly queryAddress: string | undefined
  readonly partitions: readonly TopicPartition[]
}

/** The words of `Peers` on the wire. */
interface Told {
  readonly transactionalIds: readonly string[]
  /** `host:port` of members, or null; empty when none has one. */
  readonly addresses?: readonly (string | null)[]
  readonly held?: readonly HeldAlike[]
  /** Holders were too long to be told. */
  readonly tooLong?: true
}

interface HeldAlike {
  readonly topics: readonly string[]
  /** Who holds the next so many partitions, from 0 on: the index of an address, -1 for nobody. */
  readonly runs: readonly (readonly [who: number, count: number])[]
}

/** What each of these members is told. */
export function writePeers(members: readonly Given[]): Uint8Array {
  const transactionalIds = members.flatMap(({ transactionalId }) => transactionalId ?? [])
  const hasAddress = members.some(({ queryAddress }) => queryAddress !== undefined)
  if (!hasAddress) return jsonBytes({ transactionalIds, addresses: [] })
  const addresses = members.map(({ queryAddress }) => queryAddress ?? null)
  const holders = { addresses, held: heldAlike(members) }
  const isTooLong = jsonBytes(holders).length * members.length > holdersBytesMax
  return jsonBytes({ transactionalIds, ...(isTooLong ? { tooLong: true } : holders) })
}

/** What who did not come was told: it holds nothing, nor knows of anybody, until it has come again. */
const nobodyHolds: Holders = { isTold: true, of: () => undefined }

/** What a member was told. */
export function readPeers(userData: Uint8Array | null): Peers {
  if (userData === null) return { transactionalIds: [], holders: nobodyHolds }
  const told = JSON.parse(utf8String(userData)) as Partial<Told>
  return { transactionalIds: told.transactionalIds ?? [], holders: holdersIn(told) }
}

function holdersIn({ addresses, held, tooLong }: Partial<Told>): Holders {
  if (tooLong === true) return { isTold: false, why: 'too-long' }
  if (!Array.isArray(addresses)) return { isTold: false, why: 'old-leader' }
  return Array.isArray(held) ? tableOf(addresses, held) : { isTold: false, why: 'no-addresses' }
}

function jsonBytes(told: object): Uint8Array {
  return utf8Bytes(JSON.stringify(told))
}

/** Topics with their holders, those that are shared out alike together. */
function heldAlike(members: readonly Given[]): HeldAlike[] {
  const holdersOf = new Map<string, number[]>()
  for (const [who, { partitions }] of members.entries()) {
    for (const { topic, partition } of partitions) {
      const holders = holdersOf.get(topic) ?? []
      holders[partition] = who
      holdersOf.set(topic, holders)
    }
  }
  const alike = new Map<string, HeldAlike & { topics: string[] }>()
  for (const [topic, holders] of [...holdersOf].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const runs = runsOf(holders)
    const known = alike.get(JSON.stringify(runs))
    if (known === undefined) alike.set(JSON.stringify(runs), { topics: [topic], runs })
    else known.topics.push(topic)
  }
  return [...alike.values()]
}

function runsOf(holders: readonly number[]): [who: number, count: number][] {
  const runs: [who: number, count: number][] = []
  for (let partition = 0; partition < holders.length; partition++) {
    const who = holders[partition] ?? -1
    const last = runs.at(-1)
    if (last?.[0] === who) last[1]++
    else runs.push([who, 1])
  }
  return runs
}

function tableOf(
  addresses: readonly (string | null)[],
  held: readonly HeldAlike[],
): Holders & { isTold: true } {
  const runsOfTopic = new Map(
    held.flatMap(({ topics, runs }) => topics.map((topic) => [topic, runs] as const)),
  )
  return {
    isTold: true,
    of: ({ topic, partition }) => {
      let end = 0
      for (const [who, count] of runsOfTopic.get(topic) ?? []) {
        end += count
        if (partition < end) return who < 0 ? undefined : { address: addressIn(addresses[who]) }
      }
      return undefined
    },
  }
}

/**
 * An address as it was told. Who may be in the group says what it likes there: what is more than a host and a port
 * would have this instance ask for other things than views.
 */
function addressIn(told: unknown): string | undefined {
  if (typeof told !== 'string' || /[?#@\\%]/.test(told)) return undefined
  return (parseAddress(told)?.port ?? 0) > 0 ? told : undefined
}
