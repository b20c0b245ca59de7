/**
 * What each change does to the groups. Nothing is refused here: whoever decided the change knew better,
 * and a replay must come out as the original did.
 */
import type { GroupsChange, StoredGroupsChange } from './changes.ts'
import { assertGroup } from './invariants.ts'
import {
  blankGroup,
  blankSessions,
  offsetsOf,
  protocolNames,
  type CommittedOffset,
  type Group,
  type GroupPhase,
  type GroupSessions,
  type GroupsState,
  type Member,
  type PartitionOffsets,
} from './state.ts'
import { issuedIdBytes, offsetsBytes, topicOffsetsBytes, touchedBytes } from './weight.ts'

const noBytes = new Uint8Array(0)

/** How many producers' marker epochs are kept. */
const markerEpochsMax = 10_000

export function applyToGroups(state: GroupsState, change: GroupsChange): void {
  if (isSessionChange(change)) return applyToSessions(state, change)
  if (change.type === 'group-deleted') {
    state.membersBytes -= heldBytes(state, change.groupId)
    state.offsetsBytes -= state.groups.get(change.groupId)?.offsetsBytes ?? 0
    state.groups.delete(change.groupId)
    state.sessions.delete(change.groupId)
    return
  }
  if (change.type === 'transaction-completed') {
    rememberEpoch(state, change.producerId, change.producerEpoch)
    for (const groupId of change.groups) {
      const group = state.groups.get(groupId)
      if (group === undefined) continue
      const before = group.offsetsBytes
      completePending(group, change)
      state.offsetsBytes += group.offsetsBytes - before
    }
    return
  }
  const group = ensure(state.groups, change.groupId, blankGroup)
  const { membersBytes, offsetsBytes: offsetsBefore } = group
  applyToGroup(group, change)
  state.membersBytes += group.membersBytes - membersBytes
  state.offsetsBytes += group.offsetsBytes - offsetsBefore
  forgetSession(state.sessions.get(change.groupId), change)
}

type GroupChange = Exclude<
  StoredGroupsChange,
  { readonly type: 'group-deleted' | 'transaction-completed' }
>
type SessionChange = Exclude<GroupsChange, StoredGroupsChange>

/** Applies what concerns one group and stays. */
export function applyToGroup(group: Group, change: GroupChange): void {
  const { generationId } = group
  const before = touchedBytes(group, change)
  alter(group, change)
  group.membersBytes += touchedBytes(group, change) - before
  assertGroup(group, generationId, change)
}

function alter(group: Group, change: GroupChange): void {
  const { members } = group
  switch (change.type) {
    case 'member-joined': {
      const { groupId: _groupId, type: _type, protocolType, ...member } = change
      const assignment = members.get(member.memberId)?.assignment ?? noBytes
      setMember(group, { ...member, assignment })
      group.protocolType = protocolType
      group.leaderId ??= member.memberId
      return
    }
    case 'member-replaced': {
      const member = members.get(change.oldMemberId)
      if (member === undefined) return
      dropMember(group, change.oldMemberId)
      setMember(group, { ...member, memberId: change.memberId })
      if (group.leaderId === change.oldMemberId) group.leaderId = change.memberId
      return
    }
    case 'member-left':
      dropMember(group, change.memberId)
      if (group.leaderId === change.memberId) group.leaderId = firstOf(members.keys())
      return
    case 'rebalance-started':
      if (group.state === 'CompletingRebalance') {
        for (const [id, member] of members) members.set(id, { ...member, assignment: noBytes })
      }
      group.state = 'PreparingRebalance'
      return
    case 'generation-formed':
      group.generationId = change.generationId
      group.protocolName = change.protocolName
      group.leaderId = change.leaderId
      group.state = members.size === 0 ? 'Empty' : 'CompletingRebalance'
      return
    case 'assigned':
      assign(group, change.assignments)
      group.state = 'Stable'
      return
    case 'group-restored':
      group.state = change.state as GroupPhase
      group.protocolType = change.protocolType
      group.protocolName = change.protocolName
      group.leaderId = change.leaderId
      group.generationId = change.generationId
      return assign(group, change.assignments)
    case 'offsets-committed':
      return eachOffset(change.topics, (topic, partition, committed) =>
        // A plain commit is newer than what was pending, whatever becomes of those transactions.
        setOffsets(group, topic, partition, { committed, pending: [] }),
      )
    case 'offsets-pending': {
      const { producerId, producerEpoch } = change
      return eachOffset(change.topics, (topic, partition, offset) => {
        const before = offsetsOf(group, topic, partition)
        const others = before?.pending.filter((each) => each.producerId !== producerId) ?? []
        const pending = [...others, { ...offset, producerId, producerEpoch }]
        setOffsets(group, topic, partition, { committed: before?.committed, pending })
      })
    }
    case 'offsets-deleted':
      for (const { name, partitions } of change.topics) {
        for (const partition of partitions) dropOffsets(group, name, partition)
      }
  }
}

function setMember(group: Group, member: Member): void {
  const { members, instances, protocolCounts } = group
  const before = members.get(member.memberId)
  if (before !== undefined) unlist(group, before)
  members.set(member.memberId, member)
  if (member.instanceId !== null) instances.set(member.instanceId, member.memberId)
  for (const name of protocolNames(member)) {
    protocolCounts.set(name, (protocolCounts.get(name) ?? 0) + 1)
  }
}

function dropMember(group: Group, memberId: string): void {
  const member = group.members.get(memberId)
  if (member === undefined) return
  group.members.delete(memberId)
  unlist(group, member)
}

/** Takes a member out of what members are found by. */
function unlist({ instances, protocolCounts }: Group, member: Member): void {
  const { instanceId, memberId } = member
  if (instanceId !== null && instances.get(instanceId) === memberId) instances.delete(instanceId)
  for (const name of protocolNames(member)) {
    const count = protocolCounts.get(name) ?? 0
    if (count > 1) protocolCounts.set(name, count - 1)
    else protocolCounts.delete(name)
  }
}

export function applyToSessionsOf(sessions: GroupSessions, change: SessionChange): void {
  switch (change.type) {
    case 'session-set':
      sessions.members.set(change.memberId, change.session)
      return
    case 'timers-set':
      sessions.timers = change.timers
      return
    case 'member-id-issued':
      sessions.issuedIds.set(change.memberId, change.deadlineMs)
      return
    case 'member-id-dropped':
      sessions.issuedIds.delete(change.memberId)
  }
}

/** Sessions end with the member. */
export function forgetSession(sessions: GroupSessions | undefined, change: GroupsChange): void {
  if (change.type === 'member-left') sessions?.members.delete(change.memberId)
  else if (change.type === 'member-replaced') sessions?.members.delete(change.oldMemberId)
}

function isSessionChange(change: GroupsChange): change is SessionChange {
  const { type } = change
  return (
    type === 'session-set' ||
    type === 'timers-set' ||
    type === 'member-id-issued' ||
    type === 'member-id-dropped'
  )
}

function applyToSessions(state: GroupsState, change: SessionChange): void {
  const sessions = ensure(state.sessions, change.groupId, blankSessions)
  const before = sessions.issuedIds.size
  applyToSessionsOf(sessions, change)
  if (sessions.issuedIds.size !== before && 'memberId' in change) {
    const count = sessions.issuedIds.size - before
    state.membersBytes += count * issuedIdBytes(change.groupId, change.memberId)
  }
  const unused = sessions.issuedIds.size === 0 && sessions.members.size === 0
  if (unused && !state.groups.has(change.groupId)) state.sessions.delete(change.groupId)
}

/** What goes with a group. */
function heldBytes({ groups, sessions }: GroupsState, groupId: string): number {
  let bytes = groups.get(groupId)?.membersBytes ?? 0
  for (const memberId of sessions.get(groupId)?.issuedIds.keys() ?? []) {
    bytes += issuedIdBytes(groupId, memberId)
  }
  return bytes
}

function assign(
  group: Group,
  assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[],
): void {
  for (const { memberId, assignment } of assignments) {
    const member = group.members.get(memberId)
    if (member !== undefined) group.members.set(memberId, { ...member, assignment })
  }
}

/** A producer's pending offsets count, or vanish. Older ones of others lose to them either way. */
function completePending(
  group: Group,
  { producerId, commit }: { readonly producerId: number; readonly commit: boolean },
): void {
  for (const [topic, partitions] of group.offsets) {
    for (const [partition, { committed, pending }] of partitions) {
      const at = pending.findIndex((each) => each.producerId === producerId)
      if (at < 0) continue
      const { offset, leaderEpoch, metadata } = pending[at]!
      const after: PartitionOffsets = commit
        ? { committed: { offset, leaderEpoch, metadata }, pending: pending.slice(at + 1) }
        : { committed, pending: pending.toSpliced(at, 1) }
      if (after.committed === undefined && after.pending.length === 0) {
        dropOffsets(group, topic, partition)
      } else setOffsets(group, topic, partition, after)
    }
  }
}

function rememberEpoch(state: GroupsState, producerId: number, producerEpoch: number): void {
  const { markerEpochs } = state
  markerEpochs.delete(producerId)
  markerEpochs.set(producerId, producerEpoch)
  if (markerEpochs.size > markerEpochsMax) markerEpochs.delete(markerEpochs.keys().next().value!)
}

interface StoredOffsets {
  readonly name: string
  readonly partitions: readonly (CommittedOffset & { readonly partition: number })[]
}

function eachOffset(
  topics: readonly StoredOffsets[],
  visit: (topic: string, partition: number, offset: CommittedOffset) => void,
): void {
  for (const { name, partitions } of topics) {
    for (const { partition, offset, leaderEpoch, metadata } of partitions) {
      visit(name, partition, { offset, leaderEpoch, metadata })
    }
  }
}

function setOffsets(group: Group, topic: string, partition: number, to: PartitionOffsets): void {
  const before = offsetsBytes(offsetsOf(group, topic, partition))
  group.offsetsBytes += topicOffsetsBytes(group, topic) + offsetsBytes(to) - before
  ensure(group.offsets, topic, () => new Map<number, PartitionOffsets>()).set(partition, to)
}

function dropOffsets(group: Group, topic: string, partition: number): void {
  const partitions = group.offsets.get(topic)
  if (partitions === undefined) return
  group.offsetsBytes -= offsetsBytes(partitions.get(partition))
  partitions.delete(partition)
  if (partitions.size > 0) return
  group.offsets.delete(topic)
  group.offsetsBytes -= topicOffsetsBytes(group, topic)
}

function firstOf<T>(items: Iterable<T>): T | null {
  for (const item of items) return item
  return null
}

function ensure<K, V>(map: Map<K, V>, key: K, make: (key: K) => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make(key)
    map.set(key, value)
  }
  return value
}
