/**
 * About what members hold in memory: what clients send to be kept while the group lives. Kafka's bound is
 * that a group fits into one record of its log; what was joined with counts there only when the work has
 * been shared out, here from the first request on.
 */
import type { StoredGroupsChange } from './changes.ts'
import type { GroupsOptions } from './options.ts'
import type { Group, GroupsState, Member } from './state.ts'

/** A protocol, an id given out: an object and its place in a list. */
const itemBytes = 64

type Weighed = Pick<Member, 'memberId' | 'instanceId' | 'clientId' | 'clientHost' | 'protocols'> & {
  readonly assignment?: Uint8Array
}

export function memberBytes(groupId: string, member: Weighed | undefined): number {
  if (member === undefined) return 0
  const { memberId, instanceId, clientId, clientHost, protocols, assignment } = member
  const ids = groupId.length + memberId.length + (instanceId ?? '').length
  let bytes = ids + clientId.length + clientHost.length + (assignment?.length ?? 0)
  for (const { name, metadata } of protocols) bytes += itemBytes + name.length + metadata.length
  return bytes
}

/** An id that a newcomer was told to come back with. */
export function issuedIdBytes(groupId: string, memberId: string): number {
  return itemBytes + groupId.length + memberId.length
}

/** Bytes of the members that a change is about; before and after it, they say what it weighs. */
export function touchedBytes({ groupId, members }: Group, change: StoredGroupsChange): number {
  switch (change.type) {
    case 'member-joined':
    case 'member-left':
      return memberBytes(groupId, members.get(change.memberId))
    case 'member-replaced':
      return (
        memberBytes(groupId, members.get(change.oldMemberId)) +
        memberBytes(groupId, members.get(change.memberId))
      )
    case 'rebalance-started':
    case 'assigned':
    case 'group-restored': {
      let bytes = 0
      for (const member of members.values()) bytes += memberBytes(groupId, member)
      return bytes
    }
    case 'generation-formed':
    case 'group-deleted':
    case 'offsets-committed':
    case 'offsets-deleted':
    case 'offsets-pending':
    case 'transaction-completed':
      return 0
  }
}

/**
 * Why a group may not hold `bytes` more: it has its share, which is no fault that passes, or all groups
 * together have theirs, which may. Nothing that does not grow is refused.
 */
export function growthFault(
  options: GroupsOptions,
  state: GroupsState,
  { membersBytes }: Group,
  bytes: number,
): 'of its group' | 'of all groups' | undefined {
  if (bytes <= 0) return undefined
  if (membersBytes + bytes > options.groupBytesMax) return 'of its group'
  if (state.membersBytes + bytes > options.groupsBytesMax) return 'of all groups'
  return undefined
}
