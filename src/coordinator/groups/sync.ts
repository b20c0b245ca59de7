/**
 * Life inside a generation: SyncGroup, Heartbeat, LeaveGroup.
 *
 * Everyone waits in SyncGroup until the leader brings the assignments of all. A heartbeat while the group
 * prepares a rebalance answers REBALANCE_IN_PROGRESS: that is how members hear of it.
 */
import { ErrorCode } from '../../protocol/errors.ts'
import { answer, onlyAnswer } from '../answer.ts'
import type { Call } from '../commands.ts'
import type { GroupsDecision } from './changes.ts'
import {
  openDraft,
  record,
  recordVolatile,
  sessionOf,
  setSession,
  setTimers,
  settle,
  touch,
  type GroupDraft,
} from './draft.ts'
import type { GroupsOptions } from './options.ts'
import { memberFault, staticMember } from './join.ts'
import { afterDeparture, dropMember, startRebalance } from './rebalance.ts'
import { waiting, type Group, type GroupsState, type Member } from './state.ts'
import { growthFault } from './weight.ts'

export function syncGroup(
  options: GroupsOptions,
  state: GroupsState,
  command: Call<'SyncGroup'>,
  now: number,
): GroupsDecision {
  const { request, version } = command
  const errorCode = syncFault(options, state.groups.get(request.groupId), request, version)
  if (errorCode !== undefined) return onlyAnswer(command, { errorCode })
  const draft = openDraft(options, state, request.groupId, now)
  const { group } = draft
  const member = group.members.get(request.memberId)!
  const before = sessionOf(draft, member.memberId)
  if (before.sync !== undefined) {
    draft.replies.push(answer(before.sync, { errorCode: ErrorCode.REBALANCE_IN_PROGRESS }))
  }
  setSession(draft, member.memberId, { sync: waiting(command), syncPending: false })
  if (group.state === 'CompletingRebalance' && group.leaderId === member.memberId) {
    const assignments = assignmentsFor(draft.group, request.assignments)
    const fault = growthFault(options, state, group, growthBy(group, assignments))
    if (fault === undefined)
      record(draft, { type: 'assigned', groupId: group.groupId, assignments })
    else refuseAssignments(draft, fault)
  }
  if (group.state === 'Stable') handOutAssignments(draft)
  const { members } = draft.sessions
  if (![...members.values()].some(({ syncPending }) => syncPending)) {
    setTimers(draft, { syncDeadlineMs: Infinity })
  }
  return settle(draft)
}

export function heartbeat(
  state: GroupsState,
  command: Call<'Heartbeat'>,
  now: number,
): GroupsDecision {
  const { request } = command
  const { groupId, memberId } = request
  if (groupId === '') return onlyAnswer(command, { errorCode: ErrorCode.INVALID_GROUP_ID })
  const group = state.groups.get(groupId)
  const errorCode = generationFault(group, request)
  if (errorCode !== undefined || group === undefined) {
    return onlyAnswer(command, { errorCode: errorCode ?? ErrorCode.UNKNOWN_MEMBER_ID })
  }
  const rebalancing = group.state === 'PreparingRebalance'
  const told = rebalancing ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
  return {
    changes: refreshed(state, group, memberId, now),
    replies: [answer(command, { errorCode: told })],
    effects: [],
  }
}

export function leaveGroup(
  options: GroupsOptions,
  state: GroupsState,
  command: Call<'LeaveGroup'>,
  now: number,
): GroupsDecision {
  const { request, version } = command
  const { groupId } = request
  if (groupId === '') return onlyAnswer(command, { errorCode: ErrorCode.INVALID_GROUP_ID })
  const draft = openDraft(options, state, groupId, now)
  const leavers =
    version >= 3 ? request.members : [{ memberId: request.memberId, groupInstanceId: null }]
  const members = leavers.map(({ memberId, groupInstanceId }) => {
    const errorCode = departure(draft, memberId, groupInstanceId)
    return { memberId, groupInstanceId, errorCode }
  })
  if (draft.changes.length > 0) afterDeparture(draft)
  const first = members[0]?.errorCode ?? ErrorCode.NONE
  const told = version >= 3 ? { errorCode: ErrorCode.NONE, members } : { errorCode: first }
  draft.replies.push(answer(command, told))
  return settle(draft)
}

/** A sign of life moves a member's deadline; later than any wake asked for, so it asks for none. */
export function refreshed(
  state: GroupsState,
  { groupId, members }: Group,
  memberId: string,
  now: number,
): GroupsDecision['changes'] {
  const session = state.sessions.get(groupId)?.members.get(memberId)
  const member = members.get(memberId)
  if (session === undefined || member === undefined) return []
  const deadlineMs = now + member.sessionTimeoutMs
  return [{ type: 'session-set', groupId, memberId, session: { ...session, deadlineMs } }]
}

interface MemberRequest {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly generationId: number
}

/** Why a request of a generation's member is refused. */
function generationFault(group: Group | undefined, request: MemberRequest): number | undefined {
  if (group === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
  const fault = memberFault(group, request.memberId, request.groupInstanceId)
  if (fault !== undefined) return fault
  return request.generationId === group.generationId ? undefined : ErrorCode.ILLEGAL_GENERATION
}

function syncFault(
  { membersMax }: GroupsOptions,
  group: Group | undefined,
  request: Call<'SyncGroup'>['request'],
  version: number,
): number | undefined {
  if (request.groupId === '') return ErrorCode.INVALID_GROUP_ID
  const { protocolType, protocolName } = request
  // From version 5 on both must be there (KIP-559).
  if (version >= 5 && (protocolType === null || protocolName === null)) {
    return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
  }
  const fault = generationFault(group, request)
  if (fault !== undefined || group === undefined) return fault
  // For more members than a group may have.
  if (request.assignments.length > membersMax) return ErrorCode.UNKNOWN_MEMBER_ID
  if (
    (protocolType !== null && protocolType !== group.protocolType) ||
    (protocolName !== null && protocolName !== group.protocolName)
  ) {
    return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
  }
  return group.state === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : undefined
}

interface Assignment {
  readonly memberId: string
  readonly assignment: Uint8Array
}

/** The leader's word; members it forgot get nothing. */
function assignmentsFor({ members }: Group, given: readonly Assignment[]): Assignment[] {
  const byMember = new Map(given.map(({ memberId, assignment }) => [memberId, assignment]))
  return Array.from(members.keys(), (memberId) => ({
    memberId,
    assignment: byMember.get(memberId)?.slice() ?? new Uint8Array(0),
  }))
}

function growthBy({ members }: Group, assignments: readonly Assignment[]): number {
  let bytes = 0
  for (const { memberId, assignment } of assignments) {
    bytes += assignment.length - members.get(memberId)!.assignment.length
  }
  return bytes
}

/** As Kafka does where a group does not fit into its log: everyone hears of it and joins again, or gives up. */
function refuseAssignments(draft: GroupDraft, fault: 'of its group' | 'of all groups'): void {
  const errorCode =
    fault === 'of its group' ? ErrorCode.UNKNOWN_SERVER_ERROR : ErrorCode.COORDINATOR_NOT_AVAILABLE
  for (const member of draft.group.members.values()) {
    const { sync } = sessionOf(draft, member.memberId)
    if (sync === undefined) continue
    draft.replies.push(answer(sync, { errorCode }))
    setSession(draft, member.memberId, { sync: undefined })
    touch(draft, member)
  }
  startRebalance(draft)
}

function handOutAssignments(draft: GroupDraft): void {
  const { group } = draft
  for (const member of group.members.values()) {
    const { sync } = sessionOf(draft, member.memberId)
    if (sync === undefined) continue
    const assigned = answer(sync, {
      errorCode: ErrorCode.NONE,
      protocolType: group.protocolType,
      protocolName: group.protocolName,
      assignment: member.assignment,
    })
    draft.replies.push(assigned)
    setSession(draft, member.memberId, { sync: undefined })
    touch(draft, member)
  }
}

/** One leaver of a LeaveGroup. An operator removes a static member by its instance id alone. */
function departure(draft: GroupDraft, memberId: string, instanceId: string | null): number {
  const { group, sessions } = draft
  const { groupId } = group
  if (sessions.issuedIds.has(memberId)) {
    recordVolatile(draft, { type: 'member-id-dropped', groupId, memberId })
    return ErrorCode.NONE
  }
  const byInstance = memberId === '' && instanceId !== null
  const fault = byInstance ? undefined : memberFault(group, memberId, instanceId)
  if (fault !== undefined) return fault
  const member: Member | undefined = byInstance
    ? staticMember(group, instanceId)
    : group.members.get(memberId)
  if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
  dropMember(draft, member)
  return ErrorCode.NONE
}
