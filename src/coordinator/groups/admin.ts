/** Looking at groups and clearing them away: DescribeGroups, ListGroups, DeleteGroups. */
import type { ResponseOf } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { Input } from '../../protocol/schema.ts'
import { answer, onlyAnswer } from '../answer.ts'
import type { Call } from '../commands.ts'
import type { GroupsChange, GroupsDecision } from './changes.ts'
import type { Group, GroupsState } from './state.ts'

type DescribedGroup = Input<ResponseOf<'DescribeGroups'>['groups'][number]>

export function describeGroups(
  state: GroupsState,
  command: Call<'DescribeGroups'>,
): GroupsDecision {
  const { request, version } = command
  const groups = request.groups.map((groupId): DescribedGroup => {
    const group = state.groups.get(groupId)
    if (group !== undefined) return described(group)
    // Before version 6 an unknown group is a dead one; then it is an error (KIP-1043).
    const unknown = { groupId, groupState: 'Dead', protocolType: '', protocolData: '', members: [] }
    if (version < 6) return { ...unknown, errorCode: ErrorCode.NONE }
    const errorMessage = `Group ${groupId} not found.`
    return { ...unknown, errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage }
  })
  return onlyAnswer(command, { groups })
}

export function listGroups(state: GroupsState, command: Call<'ListGroups'>): GroupsDecision {
  const { request } = command
  const states = new Set(request.statesFilter.map((text) => text.toLowerCase()))
  const types = request.typesFilter.map((text) => text.toLowerCase())
  const all = types.length === 0 || types.includes('classic') ? [...state.groups.values()] : []
  const groups = all
    .filter((group) => states.size === 0 || states.has(group.state.toLowerCase()))
    .map(({ groupId, protocolType, state: groupState }) => ({
      groupId,
      protocolType: protocolType ?? '',
      groupState,
      groupType: 'classic',
    }))
  return onlyAnswer(command, { errorCode: ErrorCode.NONE, groups })
}

export function deleteGroups(state: GroupsState, command: Call<'DeleteGroups'>): GroupsDecision {
  const { request } = command
  const deleted = new Set<string>()
  const results = [...new Set(request.groupsNames)].map((groupId) => {
    const group = state.groups.get(groupId)
    if (group === undefined) return { groupId, errorCode: ErrorCode.GROUP_ID_NOT_FOUND }
    if (group.state !== 'Empty') return { groupId, errorCode: ErrorCode.NON_EMPTY_GROUP }
    deleted.add(groupId)
    return { groupId, errorCode: ErrorCode.NONE }
  })
  const changes = [...deleted].map((groupId): GroupsChange => ({ type: 'group-deleted', groupId }))
  return { changes, replies: [answer(command, { results })], effects: [] }
}

/** The protocol and the subscriptions are shown only while they are in force. */
function described(group: Group): DescribedGroup {
  const isStable = group.state === 'Stable'
  const members = [...group.members.values()].map((member) => ({
    memberId: member.memberId,
    groupInstanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    memberAssignment: member.assignment,
    ...(isStable && {
      memberMetadata:
        member.protocols.find(({ name }) => name === group.protocolName)?.metadata ??
        new Uint8Array(0),
    }),
  }))
  return {
    errorCode: ErrorCode.NONE,
    groupId: group.groupId,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? (group.protocolName ?? '') : '',
    members,
  }
}
