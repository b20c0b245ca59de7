/**
 * JoinGroup: newcomers, members coming back, and static members under a new id.
 *
 * From version 4 on a newcomer is first only told its id (KIP-394), so that a client that retries does not
 * leave ghosts behind. A member that joins again with nothing new in a settled group is told the current
 * generation; its leader, and anyone with something new, starts a rebalance.
 */
import { equalBytes } from '../../base/bytes.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { answer, onlyAnswer } from '../answer.ts'
import type { JoinGroupCall } from '../commands.ts'
import type { GroupsDecision } from './changes.ts'
import {
  openDraft,
  record,
  recordVolatile,
  sessionOf,
  setSession,
  settle,
  touch,
  type GroupDraft,
} from './draft.ts'
import type { GroupsOptions } from './options.ts'
import {
  isCommonProtocol,
  joined,
  joinRefusal,
  startRebalance,
  supersede,
  tryCompleteJoin,
  voteProtocol,
} from './rebalance.ts'
import { growthFault, memberBytes } from './weight.ts'
import { waiting, type Group, type GroupsState, type Member } from './state.ts'

/** How long a newcomer may wait at the barrier, where it cannot send heartbeats. */
const newMemberJoinTimeoutMs = 300_000
/** Characters of a client's name in the ids it is given. */
const memberIdPrefixMax = 255
const noBytes = new Uint8Array(0)

export function joinGroup(
  options: GroupsOptions,
  state: GroupsState,
  command: JoinGroupCall,
  now: number,
): GroupsDecision {
  const { request, version } = command
  const draft = openDraft(options, state, request.groupId, now)
  const errorCode = joinFault(options, draft, command) ?? sizeFault(state, draft, command)
  if (errorCode !== undefined) {
    return onlyAnswer(command, joinRefusal(version, errorCode, request.memberId))
  }
  if (request.memberId === '') joinAsUnknown(draft, command)
  else if (draft.sessions.issuedIds.has(request.memberId)) {
    const { groupId, memberId } = request
    recordVolatile(draft, { type: 'member-id-dropped', groupId, memberId })
    addMember(draft, command, memberId)
  } else joinAgain(draft, command, draft.group.members.get(request.memberId)!)
  return settle(draft)
}

/** Why a member's request cannot be for it: it is unknown, or another took its place. */
export function memberFault(
  group: Group,
  memberId: string,
  instanceId: string | null,
): number | undefined {
  if (instanceId !== null) {
    const holder = staticMember(group, instanceId)
    if (holder === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
    return holder.memberId === memberId ? undefined : ErrorCode.FENCED_INSTANCE_ID
  }
  return group.members.has(memberId) ? undefined : ErrorCode.UNKNOWN_MEMBER_ID
}

export function staticMember(group: Group, instanceId: string): Member | undefined {
  const memberId = group.instances.get(instanceId)
  return memberId === undefined ? undefined : group.members.get(memberId)
}

function joinFault(
  options: GroupsOptions,
  { group, sessions }: GroupDraft,
  { request }: JoinGroupCall,
): number | undefined {
  const { groupId, memberId, sessionTimeoutMs } = request
  if (groupId === '') return ErrorCode.INVALID_GROUP_ID
  if (
    sessionTimeoutMs < options.sessionTimeoutMsMin ||
    sessionTimeoutMs > options.sessionTimeoutMsMax
  ) {
    return ErrorCode.INVALID_SESSION_TIMEOUT
  }
  const isIssued = sessions.issuedIds.has(memberId)
  const isNewcomer = memberId === '' && !isKnownInstance(group, request.groupInstanceId)
  if (isNewcomer && group.members.size + sessions.issuedIds.size >= options.membersMax) {
    return ErrorCode.GROUP_MAX_SIZE_REACHED
  }
  if (memberId !== '' && !isIssued && group.members.size === 0) return ErrorCode.UNKNOWN_MEMBER_ID
  if (!supportsProtocols(group, request.protocolType, request.protocols)) {
    return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
  }
  if (memberId === '') return undefined
  if (isIssued) return request.groupInstanceId === null ? undefined : ErrorCode.UNKNOWN_MEMBER_ID
  return memberFault(group, memberId, request.groupInstanceId)
}

/** Why what the request brings cannot be kept; it takes the place of what the member brought before. */
function sizeFault(
  state: GroupsState,
  { options, group }: GroupDraft,
  { request, clientId, clientHost, memberId }: JoinGroupCall,
): number | undefined {
  const { groupId, groupInstanceId: instanceId, protocols } = request
  if (protocols.length > options.protocolsMax) return ErrorCode.GROUP_MAX_SIZE_REACHED
  const known =
    group.members.get(request.memberId) ??
    (instanceId === null ? undefined : staticMember(group, instanceId))
  const brought = {
    memberId: known?.memberId ?? newMemberId(clientId, instanceId, memberId),
    instanceId,
    clientId: clientId ?? '',
    clientHost,
    protocols,
    assignment: known?.assignment ?? noBytes,
  }
  const growth = memberBytes(groupId, brought) - memberBytes(groupId, known)
  const fault = growthFault(options, state, group, growth)
  if (fault === undefined) return undefined
  return fault === 'of its group'
    ? ErrorCode.GROUP_MAX_SIZE_REACHED
    : ErrorCode.COORDINATOR_NOT_AVAILABLE
}

/** As in Kafka it begins with what the client calls itself, or with as much of that as people read. */
function newMemberId(clientId: string | null, instanceId: string | null, id: string): string {
  return `${(instanceId ?? clientId ?? '').slice(0, memberIdPrefixMax)}-${id}`
}

function isKnownInstance(group: Group, instanceId: string | null): boolean {
  return instanceId !== null && staticMember(group, instanceId) !== undefined
}

/** Whether a member of this protocol type shares a protocol with everyone in the group. */
function supportsProtocols(
  group: Group,
  protocolType: string,
  protocols: readonly { readonly name: string }[],
): boolean {
  if (group.state === 'Empty') return protocolType !== '' && protocols.length > 0
  if (group.protocolType !== protocolType) return false
  return protocols.some(({ name }) => isCommonProtocol(group, name))
}

function joinAsUnknown(draft: GroupDraft, command: JoinGroupCall): void {
  const { request, version } = command
  const { groupId, groupInstanceId } = request
  const memberId = newMemberId(command.clientId, groupInstanceId, command.memberId)
  if (groupInstanceId !== null) {
    const holder = staticMember(draft.group, groupInstanceId)
    if (holder === undefined) addMember(draft, command, memberId)
    else replaceMember(draft, command, holder, memberId)
    return
  }
  if (version < 4) return addMember(draft, command, memberId)
  const deadlineMs = draft.now + request.sessionTimeoutMs
  recordVolatile(draft, { type: 'member-id-issued', groupId, memberId, deadlineMs })
  const refusal = joinRefusal(version, ErrorCode.MEMBER_ID_REQUIRED, memberId)
  draft.replies.push(answer(command, refusal))
}

function addMember(draft: GroupDraft, command: JoinGroupCall, memberId: string): void {
  recordMember(draft, command, memberId)
  setSession(draft, memberId, {
    deadlineMs: draft.now + newMemberJoinTimeoutMs,
    isNew: true,
    join: waiting(command),
  })
  rebalance(draft)
}

function joinAgain(draft: GroupDraft, command: JoinGroupCall, member: Member): void {
  const { group } = draft
  const changed = !sameProtocols(member, command.request.protocols)
  const settled =
    group.state === 'CompletingRebalance' ||
    (group.state === 'Stable' && group.leaderId !== member.memberId)
  if (settled && !changed) {
    // The answer to its last JoinGroup was lost, or it joins for no reason.
    touch(draft, member)
    draft.replies.push(answer(command, joined(group, member, command.version)))
    return
  }
  updateMember(draft, command, member.memberId)
  rebalance(draft)
}

/** The static member comes back without its id. Nobody else needs to notice, if nothing changes. */
function replaceMember(
  draft: GroupDraft,
  command: JoinGroupCall,
  old: Member,
  memberId: string,
): void {
  const { group } = draft
  const { groupId, leaderId } = group
  fenceWaiting(draft, old)
  record(draft, { type: 'member-replaced', groupId, oldMemberId: old.memberId, memberId })
  const settled = group.state === 'Stable'
  updateMember(draft, command, memberId)
  if (!settled || voteProtocol(group) !== group.protocolName) return rebalance(draft)
  const member = group.members.get(memberId)!
  setSession(draft, memberId, {
    deadlineMs: draft.now + member.sessionTimeoutMs,
    join: undefined,
  })
  const { version } = command
  const isLeader = group.leaderId === memberId
  // A leader is kept from assigning anew: from version 9 by a flag (KIP-814), before by naming its old id.
  const special =
    version >= 9 ? { skipAssignment: isLeader } : isLeader ? { leader: leaderId ?? '' } : {}
  draft.replies.push(answer(command, joined(group, member, version, special)))
}

function fenceWaiting(draft: GroupDraft, old: Member): void {
  const { join, sync } = sessionOf(draft, old.memberId)
  const errorCode = ErrorCode.FENCED_INSTANCE_ID
  if (join !== undefined) {
    draft.replies.push(answer(join, joinRefusal(join.version, errorCode, old.memberId)))
  }
  if (sync !== undefined) draft.replies.push(answer(sync, { errorCode }))
}

function updateMember(draft: GroupDraft, command: JoinGroupCall, memberId: string): void {
  const member = recordMember(draft, command, memberId)
  supersede(draft, sessionOf(draft, memberId).join, member)
  setSession(draft, memberId, {
    deadlineMs: draft.now + member.sessionTimeoutMs,
    join: waiting(command),
  })
}

function rebalance(draft: GroupDraft): void {
  if (draft.group.state === 'PreparingRebalance') tryCompleteJoin(draft)
  else startRebalance(draft)
}

function recordMember(draft: GroupDraft, command: JoinGroupCall, memberId: string): Member {
  const { request } = command
  const { sessionTimeoutMs } = request
  record(draft, {
    type: 'member-joined',
    groupId: request.groupId,
    memberId,
    instanceId: request.groupInstanceId,
    clientId: command.clientId ?? '',
    clientHost: command.clientHost,
    sessionTimeoutMs,
    // Version 0 has one timeout for both.
    rebalanceTimeoutMs:
      request.rebalanceTimeoutMs < 0 ? sessionTimeoutMs : request.rebalanceTimeoutMs,
    protocolType: request.protocolType,
    // Copies: the request's bytes are views of a frame that must not live as long as the member.
    protocols: request.protocols.map(({ name, metadata }) => ({
      name,
      metadata: metadata.slice(),
    })),
  })
  return draft.group.members.get(memberId)!
}

function sameProtocols(
  member: Member,
  protocols: readonly { readonly name: string; readonly metadata: Uint8Array }[],
): boolean {
  return (
    member.protocols.length === protocols.length &&
    member.protocols.every(({ name, metadata }, index) => {
      const other = protocols[index]!
      return other.name === name && equalBytes(other.metadata, metadata)
    })
  )
}
