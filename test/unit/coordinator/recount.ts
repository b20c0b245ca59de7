/** What groups hold, counted anew: the machine only ever adds and subtracts. */
import assert from 'node:assert/strict'
import type { Group, GroupsState } from '../../../src/coordinator/groups/state.ts'
import {
  issuedIdBytes,
  memberBytes,
  offsetsBytes as bytesOf,
  topicOffsetsBytes,
} from '../../../src/coordinator/groups/weight.ts'
import { blankGroup } from '../../../src/coordinator/groups/state.ts'

export function assertCounted({ groups, sessions, membersBytes, offsetsBytes }: GroupsState): void {
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
  const each = [...groups.values()].map(countedOffsets)
  assert.equal(offsetsBytes, sum(each), 'what the offsets of all groups hold')
}

function countedOffsets({ groupId, offsets, offsetsBytes }: Group): number {
  const anew = blankGroup(groupId)
  let bytes = 0
  for (const [topic, partitions] of offsets) {
    bytes += topicOffsetsBytes(anew, topic) + sum([...partitions.values()].map(bytesOf))
    anew.offsets.set(topic, partitions)
  }
  assert.equal(offsetsBytes, bytes, `what the offsets of ${groupId} hold`)
  return bytes
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
