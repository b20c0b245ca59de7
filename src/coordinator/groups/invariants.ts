/**
 * What holds for a group after every change, checked as it is applied: a decision or a log that breaks it
 * is a bug, and must not be built upon. Each check looks at the group's header only, never at all members.
 */
import { assert } from '../../base/errors.ts'
import type { StoredGroupsChange } from './changes.ts'
import type { Group } from './state.ts'

export function assertGroup(
  group: Group,
  generationBefore: number,
  change: StoredGroupsChange,
): void {
  const { state, leaderId, members, generationId } = group
  assert((leaderId === null) === (members.size === 0), 'a group has a leader if it has members')
  assert(leaderId === null || members.has(leaderId), 'the leader of a group is one of its members')
  assert(generationId >= generationBefore, 'the generation of a group fell')
  const isFormed = change.type === 'generation-formed'
  assert(!isFormed || generationId > generationBefore, 'a generation was formed twice')
  const isSettled = state === 'CompletingRebalance' || state === 'Stable'
  // A settled group may lose its last member; the same decision then starts a rebalance.
  assert(
    !isSettled || members.size > 0 || change.type === 'member-left',
    'a group is settled without members',
  )
}
