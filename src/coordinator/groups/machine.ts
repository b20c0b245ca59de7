/**
 * The groups machine: classic consumer groups (join, sync, heartbeat, leave) and the offsets groups commit,
 * in one machine, because whether a commit counts depends on who is a member of which generation.
 *
 * A restart keeps members, generations, assignments and offsets. What it forgets (who waited, member ids
 * given out and unused) clients find again by retrying; every member then has a full session timeout.
 */
import type { GroupsCommand, GroupsEffect } from '../commands.ts'
import { deleteGroups, describeGroups, listGroups } from './admin.ts'
import { groupChanges, type GroupsChange, type GroupsDecision } from './changes.ts'
import {
  nextDeadlineMs,
  openDraft,
  setSession,
  setTimers,
  settle,
  type GroupDraft,
} from './draft.ts'
import { dumpGroups } from './dump.ts'
import { joinGroup } from './join.ts'
import { expireGroup, rebalanceTimeoutMs } from './rebalance.ts'
import { applyToGroups } from './apply.ts'
import { emptyGroupMs, type GroupsOptions } from './options.ts'
import { blankSessions, initialGroups, type GroupsState } from './state.ts'
import { heartbeat, leaveGroup, syncGroup } from './sync.ts'
import { Due } from '../due.ts'
import type { Machine } from '../machine.ts'
import {
  commitOffsets,
  commitTransactionOffsets,
  completeTransaction,
  deleteOffsets,
  fetchOffsets,
  forgetTopics,
} from './offsets.ts'

export type GroupsMachine = Machine<GroupsState, GroupsCommand, GroupsChange, GroupsEffect>

export function groupsMachine(options: GroupsOptions): GroupsMachine {
  return {
    name: 'groups',
    initial: initialGroups,
    decide: (state, command, now) => decideGroups(options, state, command, now.monotonicMs),
    apply: applyToGroups,
    encode: groupChanges.encode,
    decode: groupChanges.decode,
    dump: dumpGroups,
    afterReplay: () => [{ type: 'restart' }],
  }
}

function decideGroups(
  options: GroupsOptions,
  state: GroupsState,
  command: GroupsCommand,
  now: number,
): GroupsDecision {
  switch (command.type) {
    case 'JoinGroup':
      return joinGroup(options, state, command, now)
    case 'SyncGroup':
      return syncGroup(options, state, command, now)
    case 'Heartbeat':
      return heartbeat(state, command, now)
    case 'LeaveGroup':
      return leaveGroup(options, state, command, now)
    case 'OffsetCommit':
      return commitOffsets(options, state, command, now)
    case 'OffsetFetch':
      return fetchOffsets(state, command)
    case 'OffsetDelete':
      return deleteOffsets(options, state, command)
    case 'TxnOffsetCommit':
      return commitTransactionOffsets(options, state, command)
    case 'DescribeGroups':
      return describeGroups(state, command)
    case 'ListGroups':
      return listGroups(state, command)
    case 'DeleteGroups':
      return deleteGroups(state, command)
    case 'complete-transaction':
      return completeTransaction(state, command)
    case 'topics-deleted':
      return forgetTopics(state, command)
    case 'restart':
      return inEveryGroup(options, state, now, state.groups.keys(), freshTimeouts)
    case 'wake':
      return wake(options, state, now)
  }
}

/** Lets whatever has run out in any group run out; what is too much for one decision does in the next. */
function wake(options: GroupsOptions, state: GroupsState, now: number): GroupsDecision {
  const found = new Due<string>(options.expiredMax)
  let wakeAt = Infinity
  for (const [groupId, sessions] of state.sessions) {
    const next = nextDeadlineMs(state.groups.get(groupId), sessions)
    if (next <= now) found.add(groupId, next)
    else wakeAt = Math.min(wakeAt, next)
  }
  const { items, isMore } = found.first()
  const chosen = fitting(options, state, items)
  if (isMore || chosen.length < items.length) wakeAt = now
  const due: string[] = []
  const forgotten: GroupsChange[] = []
  for (const groupId of chosen) {
    if (isForgotten(state, groupId, now)) forgotten.push({ type: 'group-deleted', groupId })
    else due.push(groupId)
  }
  const decision = inEveryGroup(options, state, now, due, (draft) => {
    if (draft.sessions.timers.emptyDeadlineMs <= now)
      setTimers(draft, { emptyDeadlineMs: Infinity })
    expireGroup(draft)
  })
  wakeAt = Math.min(wakeAt, decision.wakeAt ?? Infinity)
  const changes = [...forgotten, ...decision.changes]
  const settled = { ...decision, changes }
  return wakeAt === Infinity ? settled : { ...settled, wakeAt }
}

/** Of groups in which something ran out, those that fit into one decision, and at least the first. */
function fitting(
  { expiredMax }: GroupsOptions,
  state: GroupsState,
  groupIds: readonly string[],
): readonly string[] {
  let count = 0
  for (const [at, groupId] of groupIds.entries()) {
    const members = state.groups.get(groupId)?.members.size ?? 0
    const issued = state.sessions.get(groupId)?.issuedIds.size ?? 0
    count += Math.max(1, members + issued)
    if (count > expiredMax && at > 0) return groupIds.slice(0, at)
  }
  return groupIds
}

function isForgotten(state: GroupsState, groupId: string, now: number): boolean {
  const group = state.groups.get(groupId)
  if (group === undefined) return false
  const { emptyDeadlineMs } = (state.sessions.get(groupId) ?? blankSessions()).timers
  return emptyDeadlineMs <= now && group.members.size === 0 && group.offsets.size === 0
}

/** After a replay: members have a session timeout to be heard of, a barrier waits its full time. */
function freshTimeouts(draft: GroupDraft): void {
  const { group, now } = draft
  for (const { memberId, sessionTimeoutMs } of group.members.values()) {
    const syncPending = group.state === 'CompletingRebalance'
    setSession(draft, memberId, { deadlineMs: now + sessionTimeoutMs, syncPending })
  }
  const barrier = now + rebalanceTimeoutMs(group)
  const isForgettable = group.members.size === 0 && group.offsets.size === 0
  setTimers(draft, {
    joinDeadlineMs: group.state === 'PreparingRebalance' ? barrier : Infinity,
    syncDeadlineMs: group.state === 'CompletingRebalance' ? barrier : Infinity,
    emptyDeadlineMs: isForgettable ? now + emptyGroupMs : Infinity,
  })
}

function inEveryGroup(
  options: GroupsOptions,
  state: GroupsState,
  now: number,
  groupIds: Iterable<string>,
  decideOne: (draft: GroupDraft) => void,
): GroupsDecision {
  const decisions = [...groupIds].map((groupId) => {
    const draft = openDraft(options, state, groupId, now)
    decideOne(draft)
    return settle(draft)
  })
  const wakeAt = decisions.reduce(
    (least, each) => Math.min(least, each.wakeAt ?? Infinity),
    Infinity,
  )
  const all = {
    changes: decisions.flatMap(({ changes }) => changes),
    replies: decisions.flatMap(({ replies }) => replies),
    effects: [],
  }
  return wakeAt === Infinity ? all : { ...all, wakeAt }
}
