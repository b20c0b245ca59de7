/**
 * A listing over all instances of a service: each is asked for the rows of the partitions it holds, and what they
 * give is merged.
 *
 * Each partition is in the listing once or not at all. Who holds what is taken from one moment of this instance;
 * an answer that covers anything else is of another moment, and is left out. A partition that is left out
 * although its holder's address is known, or that nobody holds, is `not-ready`, unless a part is enough.
 * Partitions of instances that have no address are not covered, and the listing says so.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { tooMany } from '../views/cursor.ts'
import { mergeParts } from '../views/merge.ts'
import type { Part, Ranked } from '../views/merge.ts'
import type { RowPlace } from '../views/rows.ts'
import { listLimitMax } from '../views/view-options.ts'
import { peerAt, unready } from './peer.ts'
import type { Peer, Viewed } from './peer.ts'

/** From where on, and how many rows at most. */
export interface Stretch {
  readonly place: RowPlace | undefined
  readonly limit: number
}

export interface Gathering<T extends Ranked> extends Stretch, Viewed {
  /** Whether the rows of some partitions are enough. */
  readonly partial: boolean
  /** The rows of this instance. */
  readonly own: (stretch: Stretch) => Part<T>
  /** Those of another one. Rejects with `not-ready`, or for good. */
  readonly ask: (peer: Peer, stretch: Stretch) => Promise<Covered<T>>
}

/** Rows, and the partitions that they are of. */
export type Covered<T extends Ranked> = Part<T> & { readonly covered: readonly number[] }

/** The first rows of all instances together. Rejects with `not-ready`, or as `ask` does. */
export async function gather<T extends Ranked>(o: Gathering<T>): Promise<Covered<T>> {
  const { place, limit } = o
  const { here, peers, nowhere } = holdersOf(o)
  if (nowhere.length > 0 && !o.partial) throw heldByNobody(o, nowhere)
  if (peers.length === 0) return { ...o.own({ place, limit }), covered: here }
  const skip = place?.skip ?? 0
  // Counted are rows of all instances together, so nobody can leave out any before they are merged.
  const stretch = { place: place && wholePlace(place), limit: Math.min(limit + skip, listLimitMax) }
  const own = { ...o.own(stretch), covered: here }
  const others = await Promise.all(peers.map((each) => partOf(o, each, stretch)))
  const [failure] = others.flatMap((each) => each.failure ?? [])
  if (failure !== undefined && !o.partial) throw failure
  const parts = [own, ...others.flatMap((each) => each.part ?? [])]
  const { rows, more } = mergeParts(parts, { skip, limit })
  if (rows.length === 0 && more) throw tooMany(skip)
  const covered = parts.flatMap((each) => each.covered).toSorted((a, b) => a - b)
  return { rows, more, covered }
}

/** Whether other instances are asked for a listing. Throws `not-ready` when it would lack what nobody holds. */
export function asksOthers(o: Viewed & { readonly partial: boolean }): boolean {
  const { peers, nowhere } = holdersOf(o)
  if (nowhere.length > 0 && !o.partial) throw heldByNobody(o, nowhere)
  return peers.length > 0
}

function wholePlace(place: RowPlace): RowPlace {
  return place.skip === undefined ? place : { ...place, skip: 0 }
}

interface PeerPart {
  readonly peer: Peer
  readonly partitions: readonly number[]
}

function holdersOf(o: Viewed) {
  const { reader } = o
  const here: number[] = []
  const nowhere: number[] = []
  const byAddress = new Map<string, number[]>()
  for (let partition = 0; partition < reader.partitions; partition++) {
    const where = reader.whereIs(partition)
    if (where === 'here') here.push(partition)
    else if (where === 'nowhere') nowhere.push(partition)
    else if (where !== 'unknown') {
      byAddress.set(where.address, [...(byAddress.get(where.address) ?? []), partition])
    }
  }
  const peers = [...byAddress].map(([address, partitions]): PeerPart => {
    return { peer: peerAt(address, o), partitions }
  })
  return { here, nowhere, peers }
}

interface Attempt<T extends Ranked> {
  readonly part?: Covered<T>
  /** Why there is none. */
  readonly failure?: HeadwaterError
}

/** What an instance gives, or why it does not. */
async function partOf<T extends Ranked>(
  { ask }: Gathering<T>,
  { peer, partitions }: PeerPart,
  stretch: Stretch,
): Promise<Attempt<T>> {
  try {
    const part = await ask(peer, stretch)
    const isWhole = part.covered.join() === partitions.join()
    if (!isWhole) return { failure: unready(peer, anotherMoment(partitions, part.covered)) }
    const isEmpty = part.more && part.rows.length === 0
    return isEmpty ? { failure: unready(peer, emptyPart()) } : { part }
  } catch (error) {
    if (isHeadwaterError(error, 'not-ready')) return { failure: error }
    throw error
  }
}

function anotherMoment(expected: readonly number[], covered: readonly number[]): HeadwaterError {
  return new HeadwaterError(
    'not-ready',
    `it holds partitions ${covered.join(', ') || 'none'}, and the group said ${expected.join(', ')}`,
  )
}

function emptyPart(): HeadwaterError {
  return new HeadwaterError('not-ready', 'it says that there are more rows, and gives none')
}

export function heldByNobody(
  { service, view }: { readonly service: string; readonly view: string },
  partitions: readonly number[],
): HeadwaterError {
  return new HeadwaterError(
    'not-ready',
    `no instance of service '${service}' holds partition ${partitions.join(', ')} of view '${view}' just ` +
      'now: ask again soon, or start an instance of the version that has it',
    { retriable: true },
  )
}
