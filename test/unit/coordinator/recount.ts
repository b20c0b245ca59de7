/** What groups hold, counted anew: the machine only ever adds and subtracts. */
import assert from 'node:assert/strict'
import type { GroupsState } from '../../../src/coordinator/groups/state.ts'
import { issuedIdBytes, memberBytes } from '../../../src/coordinator/groups/weight.ts'

export function assertCounted({ groups, sessions, membersBytes }: GroupsState): void {
  let total = 0
  for (const group of groups.values()) {
    let bytes = 0
    for (const member of group.members.values()) bytes += memberBytes(group.groupId, member)
    assert.equal(group.membersBytes, bytes, `what the members of ${group.groupId} hold`)
    total += bytes
  }
  for (const [groupId, { issuedIds }] of sessions) {
    for (const memberId of issuedIds.keys()) total += issuedIdBytes(groupId, memberId)
  }
  assert.equal(membersBytes, total, 'what the members of all groups hold')
}
