/**
 * The join barrier: a rebalance starts, waits for every known member, forms the next generation, and
 * answers all who waited.
 *
 * The barrier lasts as long as the longest rebalance timeout of a member. Then dynamic members that did
 * not come count as gone; static ones stay (KIP-345), because they may be restarting. Forming the first
 * generation of an empty group does not wait at all: Kafka's `group.initial.rebalance.delay.ms` is 0.
 */
import type { ResponseInput } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { answer } from '../answer.ts'
import {
  isExcused,
  record,
  recordVolatile,
  sessionOf,
  setSession,
  setTimers,
  type GroupDraft,
} from './draft.ts'
import { emptyGroupMs } from './options.ts'
import { protocolNames, type Group, type Member, type Waiting } from './state.ts'

/** Sends everybody to the join barrier; those who wait for an assignment are told so. */
export function startRebalance(draft: GroupDraft): void {
  const { group, now } = draft
  const wasEmpty = group.state === 'Empty'
  for (const memberId of group.members.keys()) {
    const { sync, syncPending } = sessionOf(draft, memberId)
    if (sync !== undefined) {
      draft.replies.push(answer(sync, { errorCode: ErrorCode.REBALANCE_IN_PROGRESS }))
    }
    if (sync !== undefined || syncPending) {
      const deadlineMs = now + group.members.get(memberId)!.sessionTimeoutMs
      setSession(draft, memberId, { sync: undefined, syncPending: false, deadlineMs })
    }
  }
  record(draft, { type: 'rebalance-started', groupId: group.groupId })
  setTimers(draft, {
    joinDeadlineMs: now + rebalanceTimeoutMs(group),
    syncDeadlineMs: Infinity,
    emptyDeadlineMs: Infinity,
  })
  if (wasEmpty) completeJoin(draft)
  else tryCompleteJoin(draft)
}

/** Forms the generation once every known member, and everyone with an issued id, has joined; or nobody is
 * left to wait with. */
export function tryCompleteJoin(draft: GroupDraft): void {
  const { group, sessions } = draft
  if (group.state !== 'PreparingRebalance') return
  if (sessions.issuedIds.size > 0 && group.members.size > 0) return
  for (const memberId of group.members.keys()) {
    if (sessionOf(draft, memberId).join === undefined) return
  }
  completeJoin(draft)
}

/** Forms the generation from those who have joined. */
function completeJoin(draft: GroupDraft): void {
  const { group, now } = draft
  const { groupId } = group
  for (const member of group.members.values()) {
    const absent = sessionOf(draft, member.memberId).join === undefined
    if (absent && member.instanceId === null) {
      record(draft, { type: 'member-left', groupId, memberId: member.memberId })
    }
  }
  const generationId = group.generationId + 1
  if (group.members.size === 0) {
    const nobody = { protocolName: null, leaderId: null }
    record(draft, { type: 'generation-formed', groupId, generationId, ...nobody })
    const emptyDeadlineMs = now + emptyGroupMs
    setTimers(draft, { joinDeadlineMs: Infinity, syncDeadlineMs: Infinity, emptyDeadlineMs })
    return
  }
  const leaderId = electLeader(draft)
  if (leaderId === undefined) {
    // Only static members, and none of them here: the barrier stays up for another round.
    setTimers(draft, { joinDeadlineMs: now + rebalanceTimeoutMs(group) })
    return
  }
  const protocolName = voteProtocol(group)
  record(draft, { type: 'generation-formed', groupId, generationId, protocolName, leaderId })
  for (const member of group.members.values()) {
    const { join } = sessionOf(draft, member.memberId)
    if (join !== undefined) draft.replies.push(answer(join, joined(group, member, join.version)))
    setSession(draft, member.memberId, {
      deadlineMs: now + member.sessionTimeoutMs,
      isNew: false,
      join: undefined,
      syncPending: true,
    })
  }
  setTimers(draft, {
    joinDeadlineMs: Infinity,
    syncDeadlineMs: now + rebalanceTimeoutMs(group),
  })
}

/** Takes a member out, and answers what it waits for so that it joins again if it still lives. */
export function dropMember(draft: GroupDraft, member: Member): void {
  const { memberId } = member
  const { join, sync } = sessionOf(draft, memberId)
  const errorCode = ErrorCode.UNKNOWN_MEMBER_ID
  if (join !== undefined) {
    // The id is not repeated: the client is to ask for a new one.
    draft.replies.push(answer(join, joinRefusal(join.version, errorCode, '')))
  }
  if (sync !== undefined) draft.replies.push(answer(sync, { errorCode }))
  record(draft, { type: 'member-left', groupId: draft.group.groupId, memberId })
}

/** What members that left, and issued ids that lapsed, mean for the others. */
export function afterDeparture(draft: GroupDraft): void {
  const { state } = draft.group
  const isSettled = state === 'Stable' || state === 'CompletingRebalance'
  const hasLeft = draft.changes.some(({ type }) => type === 'member-left')
  if (isSettled && hasLeft) startRebalance(draft)
  else tryCompleteJoin(draft)
}

/** Everything of this group that has run out. */
export function expireGroup(draft: GroupDraft): void {
  const { group, sessions, now } = draft
  const { groupId } = group
  for (const [memberId, deadlineMs] of sessions.issuedIds) {
    if (deadlineMs > now) continue
    recordVolatile(draft, { type: 'member-id-dropped', groupId, memberId })
  }
  const { syncDeadlineMs } = sessions.timers
  for (const member of group.members.values()) {
    const session = sessionOf(draft, member.memberId)
    const silent = !isExcused(session) && session.deadlineMs <= now
    if (!silent && !(session.syncPending && syncDeadlineMs <= now)) continue
    dropMember(draft, member)
  }
  if (syncDeadlineMs <= now) setTimers(draft, { syncDeadlineMs: Infinity })
  afterDeparture(draft)
  if (group.state === 'PreparingRebalance' && sessions.timers.joinDeadlineMs <= now) {
    completeJoin(draft)
  }
}

/** The answer to a member of the generation just formed, or still in force. */
export function joined(
  group: Group,
  member: Member,
  version: number,
  special: { readonly leader?: string; readonly skipAssignment?: boolean } = {},
): ResponseInput<'JoinGroup'> {
  const isLeader = group.leaderId === member.memberId
  const listsMembers = isLeader && (special.leader === undefined || special.skipAssignment === true)
  return {
    errorCode: ErrorCode.NONE,
    generationId: group.generationId,
    protocolType: group.protocolType,
    protocolName: protocolNameFor(version, group.protocolName),
    leader: special.leader ?? group.leaderId ?? '',
    skipAssignment: special.skipAssignment ?? false,
    memberId: member.memberId,
    members: listsMembers ? membersOf(group) : [],
  }
}

export function joinRefusal(
  version: number,
  errorCode: number,
  memberId: string,
): ResponseInput<'JoinGroup'> {
  return {
    errorCode,
    generationId: -1,
    protocolName: protocolNameFor(version, null),
    leader: '',
    memberId,
    members: [],
  }
}

/** A retry on another connection takes the place of a request that still waits. */
export function supersede(
  draft: GroupDraft,
  join: Waiting<'JoinGroup'> | undefined,
  member: Member,
): void {
  if (join === undefined) return
  const errorCode = ErrorCode.REBALANCE_IN_PROGRESS
  draft.replies.push(answer(join, joinRefusal(join.version, errorCode, member.memberId)))
}

/** The protocol most members prefer among those all of them know; the leader's order breaks ties. */
export function voteProtocol(group: Group): string {
  const members = [...group.members.values()]
  const leader = group.members.get(group.leaderId ?? '') ?? members[0]
  const known = leader === undefined ? [] : [...protocolNames(leader)]
  const candidates = known.filter((name) => isCommonProtocol(group, name))
  const votes = new Map(candidates.map((name) => [name, 0]))
  for (const { protocols } of members) {
    const choice = protocols.find(({ name }) => votes.has(name))
    if (choice !== undefined) votes.set(choice.name, votes.get(choice.name)! + 1)
  }
  let winner = candidates[0] ?? ''
  for (const name of candidates) if (votes.get(name)! > votes.get(winner)!) winner = name
  return winner
}

/** Whether every member knows the protocol. */
export function isCommonProtocol({ members, protocolCounts }: Group, name: string): boolean {
  return (protocolCounts.get(name) ?? 0) === members.size
}

/** Before version 7 the protocol's name cannot be null. */
function protocolNameFor(version: number, name: string | null): string | null {
  return version < 7 ? (name ?? '') : name
}

function membersOf(
  group: Group,
): { memberId: string; groupInstanceId: string | null; metadata: Uint8Array }[] {
  return [...group.members.values()].map(({ memberId, instanceId, protocols }) => ({
    memberId,
    groupInstanceId: instanceId,
    metadata:
      protocols.find(({ name }) => name === group.protocolName)?.metadata ?? new Uint8Array(0),
  }))
}

/** The leader if it has joined, else the first who has; nobody when nobody has. */
function electLeader(draft: GroupDraft): string | undefined {
  const { leaderId, members } = draft.group
  const hasJoined = (memberId: string) => sessionOf(draft, memberId).join !== undefined
  if (leaderId !== null && hasJoined(leaderId)) return leaderId
  return [...members.keys()].find(hasJoined)
}

export function rebalanceTimeoutMs(group: Group): number {
  let longest = 0
  for (const member of group.members.values()) {
    longest = Math.max(longest, member.rebalanceTimeoutMs)
  }
  return longest
}
