/**
 * Who of a group reads what. The leader of the group runs the assignor that all members have.
 *
 * Range gives each member a run of neighbouring partitions of each topic, members being ordered by
 * their ids. Topics with as many partitions are cut in the same places, so that partition 3 of one and
 * partition 3 of the other are read by the same member: what a join needs (co-partitioning). It agrees
 * with the range assignor of other clients, which may be in the same group.
 */
import type { TopicPartition } from '../cluster/topic-partition.ts'
import type { Assignment } from './group-protocol.ts'

export interface AssignorMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly topics: readonly string[]
  readonly userData: Uint8Array | null
}

export interface Assignor {
  /** The name under which members agree on it. */
  readonly name: string
  /** What this member's subscription carries for the leader; asked for at each attempt to join. */
  readonly userData?: () => Uint8Array | null
  /** Whether a subscription with this user data was this member's; left out when it cannot be known. */
  readonly isOwn?: (userData: Uint8Array | null) => boolean
  /** What each member id gets. Topics that do not exist have no count. */
  readonly assign: (
    members: readonly AssignorMember[],
    partitionCounts: ReadonlyMap<string, number>,
  ) => ReadonlyMap<string, Assignment>
}

export const rangeAssignor: Assignor = { name: 'range', assign: assignRanges }

function assignRanges(
  members: readonly AssignorMember[],
  partitionCounts: ReadonlyMap<string, number>,
): ReadonlyMap<string, Assignment> {
  const assigned = new Map<string, { partitions: TopicPartition[]; userData: null }>()
  for (const { memberId } of members) assigned.set(memberId, { partitions: [], userData: null })
  const ordered = members.toSorted(inOrder)
  for (const [topic, count] of [...partitionCounts].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const readers = ordered.filter(({ topics }) => topics.includes(topic))
    const least = Math.floor(count / readers.length)
    const withOneMore = count % readers.length
    let next = 0
    readers.forEach(({ memberId }, i) => {
      const end = next + least + (i < withOneMore ? 1 : 0)
      for (; next < end; next++) assigned.get(memberId)!.partitions.push({ topic, partition: next })
    })
  }
  return assigned
}

/** Static members first, by instance id, so that a restart under a new member id changes nothing. */
export function inOrder(a: AssignorMember, b: AssignorMember): number {
  if (a.groupInstanceId !== null && b.groupInstanceId !== null) {
    return a.groupInstanceId < b.groupInstanceId ? -1 : 1
  }
  if (a.groupInstanceId !== null) return -1
  if (b.groupInstanceId !== null) return 1
  return a.memberId < b.memberId ? -1 : 1
}
