/**
 * A decision about one group in the making: a copy of the group to which every change is applied as it is
 * decided, so that later steps of the same decision see earlier ones.
 *
 * The same code applies changes to the copy and, later, to the state; so what was decided on and what
 * comes out of a replay cannot differ. The copy shares the group's offsets, which no membership rule
 * touches.
 */
import type { Reply } from '../answer.ts'
import { applyToGroup, applyToSessionsOf, forgetSession } from './apply.ts'
import type {
  GroupsChange,
  GroupsDecision,
  StoredGroupsChange,
  VolatileGroupsChange,
} from './changes.ts'
import type { GroupsOptions } from './options.ts'
import {
  blankGroup,
  blankSessions,
  type Group,
  type GroupSessions,
  type GroupsState,
  type GroupTimers,
  type Member,
  type Session,
} from './state.ts'

export interface GroupDraft {
  readonly options: GroupsOptions
  readonly now: number
  readonly group: Group
  readonly sessions: GroupSessions
  readonly changes: GroupsChange[]
  readonly replies: Reply[]
}

export function openDraft(
  options: GroupsOptions,
  state: GroupsState,
  groupId: string,
  now: number,
): GroupDraft {
  const group = state.groups.get(groupId) ?? blankGroup(groupId)
  const sessions = state.sessions.get(groupId) ?? blankSessions()
  return {
    options,
    now,
    group: {
      ...group,
      members: new Map(group.members),
      instances: new Map(group.instances),
      protocolCounts: new Map(group.protocolCounts),
    },
    sessions: {
      members: new Map(sessions.members),
      issuedIds: new Map(sessions.issuedIds),
      timers: sessions.timers,
    },
    changes: [],
    replies: [],
  }
}

type Recorded = Exclude<
  StoredGroupsChange,
  { readonly type: 'group-deleted' | 'transaction-completed' | `offsets-${string}` }
>

/** Decides a change. Offsets are decided without a draft. */
export function record(draft: GroupDraft, change: Recorded): void {
  applyToGroup(draft.group, change)
  forgetSession(draft.sessions, change)
  draft.changes.push(change)
}

export function recordVolatile(draft: GroupDraft, change: VolatileGroupsChange): void {
  applyToSessionsOf(draft.sessions, change)
  draft.changes.push(change)
}

export function setSession(draft: GroupDraft, memberId: string, part: Partial<Session>): void {
  const session = { ...sessionOf(draft, memberId), ...part }
  const { groupId } = draft.group
  recordVolatile(draft, { type: 'session-set', groupId, memberId, session })
}

export function setTimers(draft: GroupDraft, part: Partial<GroupTimers>): void {
  const timers = { ...draft.sessions.timers, ...part }
  recordVolatile(draft, { type: 'timers-set', groupId: draft.group.groupId, timers })
}

export function sessionOf(draft: GroupDraft, memberId: string): Session {
  return draft.sessions.members.get(memberId) ?? freshSession
}

const freshSession: Session = {
  deadlineMs: Infinity,
  isNew: false,
  join: undefined,
  sync: undefined,
  syncPending: false,
}

/** The member is alive: its session counts from now. */
export function touch(draft: GroupDraft, member: Member): void {
  setSession(draft, member.memberId, { deadlineMs: draft.now + member.sessionTimeoutMs })
}

export function settle({ group, sessions, changes, replies }: GroupDraft): GroupsDecision {
  const wakeAt = nextDeadlineMs(group, sessions)
  const decision = { changes, replies, effects: [] }
  return wakeAt === Infinity ? decision : { ...decision, wakeAt }
}

/** Whether a silent member is excused: it waits for us, not we for it. */
export function isExcused({ isNew, join, sync }: Session): boolean {
  return !isNew && (join !== undefined || sync !== undefined)
}

/** When something about this group runs out; `Infinity` when nothing does. */
export function nextDeadlineMs(group: Group | undefined, sessions: GroupSessions): number {
  const { joinDeadlineMs, syncDeadlineMs, emptyDeadlineMs } = sessions.timers
  let next = Math.min(joinDeadlineMs, syncDeadlineMs, emptyDeadlineMs)
  for (const deadlineMs of sessions.issuedIds.values()) next = Math.min(next, deadlineMs)
  for (const memberId of group?.members.keys() ?? []) {
    const session = sessions.members.get(memberId)
    if (session !== undefined && !isExcused(session)) next = Math.min(next, session.deadlineMs)
  }
  return next
}
