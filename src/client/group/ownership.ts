/**
 * What a member of a group holds in one generation, as a frozen value.
 *
 * It travels with the records that are processed under it: a commit names the ownership it was handed,
 * never whichever is current at the moment, so that work begun in one generation cannot be committed in
 * the name of another (KIP-447).
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { TopicPartition } from '../cluster/topic-partition.ts'

export interface Ownership {
  readonly groupId: string
  readonly memberId: string
  /** Counted by the coordinator, from 0; what a commit under this ownership is checked against. */
  readonly generation: number
  /** Set for a static member (KIP-345). */
  readonly instanceId: string | null
  readonly partitions: readonly TopicPartition[]
  /** What the leader's assignor wants this member to know; null: nothing. */
  readonly userData: Uint8Array | null
}

/** Whom a commit is made for, as the wire names it. */
export interface Committer {
  readonly groupId: string
  readonly memberId: string
  /** -1 outside any generation. */
  readonly generation: number
  readonly instanceId: string | null
}

/**
 * A committer that is no member, for offsets of a group that has none: an administrator, or a reader that
 * chose its partitions itself. A group with members refuses it.
 */
export function nonMember(groupId: string): Committer {
  return Object.freeze({ groupId, memberId: '', generation: -1, instanceId: null })
}

/**
 * Whether nobody else can have held, between the two, what one member held in `before` and holds in `now`:
 * the same member, in the generation directly after, or still in the same one.
 */
export function followsDirectly(before: Ownership, now: Ownership): boolean {
  if (before.groupId !== now.groupId || before.memberId !== now.memberId) return false
  return now.generation === before.generation || now.generation === before.generation + 1
}

/** Why what hangs on an ownership cannot go on: nobody says whether it stands. */
export function unconfirmed({ groupId, generation }: Ownership): HeadwaterError {
  return new HeadwaterError(
    'timeout',
    `the coordinator of group '${groupId}' does not say whether generation ${generation} stands: check that it is running`,
    { retriable: true },
  )
}

/** Why nothing may be done in the name of an ownership any more. */
export function ownershipOver({ groupId, generation }: Ownership): HeadwaterError {
  return new HeadwaterError(
    'stale-member',
    `generation ${generation} of group '${groupId}' is over for this member: its partitions may be another's; rejoin and go on from the committed offsets`,
  )
}
