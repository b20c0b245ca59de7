/**
 * About what members hold in memory: what clients send to be kept while the group lives. Kafka's bound is
 * that a group fits into one record of its log; what was joined with counts there only when the work has
 * been shared out, here from the first request on.
 */
import type { StoredGroupsChange } from './changes.ts'
import type { GroupsOptions } from './options.ts'
import { offsetsOf } from './state.ts'
import type { CommittedOffset, Group, GroupsState, Member, PartitionOffsets } from './state.ts'

/** A protocol, an id given out: an object and its place in a list. */
const itemBytes = 64

/** A group that has offsets, a topic of it, and an offset: what each takes beside its texts. */
const groupBytes = 1_024
const topicBytes = 192
const offsetBytes = 128

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

export function offsetsBytes(offsets: PartitionOffsets | undefined): number {
  if (offsets === undefined) return 0
  let bytes = 0
  if (offsets.committed !== undefined) bytes += oneOffsetBytes(offsets.committed)
  for (const each of offsets.pending) bytes += oneOffsetBytes(each)
  return bytes
}

/** What a group takes that gets its first offset of this topic, or loses its last one. */
export function topicOffsetsBytes({ groupId, offsets }: Group, topic: string): number {
  if (offsets.has(topic)) return 0
  const ofGroup = offsets.size === 0 ? groupBytes + groupId.length : 0
  return ofGroup + topicBytes + topic.length
}

/**
 * About how many bytes more a commit takes at most: an offset that is pending, or that was not there, or
 * whose text is longer. Nothing that does not grow is refused.
 */
export function commitBytes(
  group: Group,
  topics: readonly {
    readonly name: string
    readonly partitions: readonly (CommittedOffset & { readonly partition: number })[]
  }[],
  isPending: boolean,
): number {
  let bytes = 0
  for (const { name, partitions } of topics) {
    bytes += topicOffsetsBytes(group, name)
    for (const each of partitions) {
      const before = isPending ? undefined : offsetsOf(group, name, each.partition)
      bytes += oneOffsetBytes(each) - offsetsBytes(before)
    }
  }
  return bytes
}

function oneOffsetBytes({ metadata }: CommittedOffset): number {
  return offsetBytes + metadata.length
}
