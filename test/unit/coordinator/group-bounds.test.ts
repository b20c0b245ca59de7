/** Each named bound of the groups machine is kept. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { concatBytes } from '../../../src/base/bytes.ts'
import type { GroupsCommand } from '../../../src/coordinator/commands.ts'
import { groupsMachine } from '../../../src/coordinator/groups/machine.ts'
import { groupsDefaults, type GroupsOptions } from '../../../src/coordinator/groups/options.ts'
import type { RequestInput, ResponseOf } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { decodeRequest, encodeRequest } from '../../../src/protocol/frame.ts'
import { Rehearsal } from './rehearsal.ts'

const minute = 60_000

type GroupsApi = Extract<
  GroupsCommand['type'],
  'JoinGroup' | 'SyncGroup' | 'LeaveGroup' | 'OffsetCommit' | 'OffsetFetch' | 'DescribeGroups'
>

class Play {
  readonly rehearsal
  #tokens = 0

  constructor(options: Partial<GroupsOptions> = {}) {
    const machine = groupsMachine({ ...groupsDefaults, ...options })
    this.rehearsal = new Rehearsal(machine, ({ groups }) => groups)
  }

  /** The answer, or nothing yet; the request has the protocol's defaults in what is left out. */
  ask<N extends GroupsApi>(type: N, version: number, input: RequestInput<N>) {
    const token = `t${this.#tokens++}`
    const frame = concatBytes(encodeRequest(type, version, 0, 'c', input)).subarray(4)
    const decoded = decodeRequest(frame)
    assert('body' in decoded)
    const call = { type, token, version, clientId: 'c', clientHost: '/', memberId: token }
    this.rehearsal.run({ ...call, request: decoded.body } as unknown as GroupsCommand)
    return this.rehearsal.answers.get(token) as ResponseOf<N> | undefined
  }

  join(memberId = '', o: { version?: number; sessionTimeoutMs?: number } = {}) {
    const { version = 4, sessionTimeoutMs = 10_000 } = o
    return this.ask('JoinGroup', version, {
      groupId: 'g',
      memberId,
      sessionTimeoutMs,
      rebalanceTimeoutMs: 30 * minute,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
    })
  }

  commit(committedMetadata: string, memberId = '', generationIdOrMemberEpoch = -1) {
    const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata }]
    const topics = [{ name: 't', partitions }]
    const answer = this.ask('OffsetCommit', 7, {
      groupId: 'g',
      memberId,
      generationIdOrMemberEpoch,
      topics,
    })
    return answer!.topics[0]!.partitions[0]!.errorCode
  }

  committed(): number {
    const topics = [{ name: 't', partitionIndexes: [0] }]
    const answer = this.ask('OffsetFetch', 7, { groupId: 'g', topics })
    return answer!.topics[0]!.partitions[0]!.committedOffset
  }

  wakeAfter(milliseconds: number): void {
    this.rehearsal.now += milliseconds
    this.rehearsal.run({ type: 'wake' })
  }
}

describe('a group', () => {
  it('has no more members than the bound, ids that are given out counted', () => {
    const play = new Play({ membersMax: 3 })
    const first = play.join()!
    assert.equal(first.errorCode, ErrorCode.MEMBER_ID_REQUIRED)
    assert.equal(play.join(first.memberId)?.errorCode, ErrorCode.NONE)
    assert.equal(play.join()?.errorCode, ErrorCode.MEMBER_ID_REQUIRED)
    assert.equal(play.join('', { version: 3 })?.errorCode, undefined, 'it waits at the barrier')
    assert.equal(play.join()?.errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED)
    assert.equal(play.join('', { version: 3 })?.errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED)
  })

  it('takes session timeouts between the bounds', () => {
    const codeOf = (sessionTimeoutMs: number) =>
      new Play().join('', { sessionTimeoutMs })!.errorCode
    assert.equal(codeOf(5_999), ErrorCode.INVALID_SESSION_TIMEOUT)
    assert.equal(codeOf(6_000), ErrorCode.MEMBER_ID_REQUIRED)
    assert.equal(codeOf(1_800_000), ErrorCode.MEMBER_ID_REQUIRED)
    assert.equal(codeOf(1_800_001), ErrorCode.INVALID_SESSION_TIMEOUT)
  })

  it('does not wait for ever for a newcomer that cannot send heartbeats', () => {
    const play = new Play()
    // A first member that may be silent for half an hour, and has not joined again yet.
    const patient = { sessionTimeoutMs: 30 * minute }
    play.join(play.join('', patient)!.memberId, patient)
    assert.equal(play.join('', { version: 3 }), undefined)
    const members = () => play.rehearsal.state.groups.get('g')!.members.size
    play.wakeAfter(5 * minute - 1)
    assert.equal(members(), 2)
    play.wakeAfter(1)
    assert.equal(members(), 1)
  })

  it('is forgotten ten minutes after its last member, unless it has offsets', () => {
    for (const hasOffsets of [false, true]) {
      const play = new Play()
      const { memberId } = play.join()!
      const { generationId } = play.join(memberId)!
      const assignments = [{ memberId, assignment: new Uint8Array(0) }]
      play.ask('SyncGroup', 3, { groupId: 'g', memberId, generationId, assignments })
      if (hasOffsets) assert.equal(play.commit('', memberId, generationId), ErrorCode.NONE)
      play.ask('LeaveGroup', 1, { groupId: 'g', memberId })
      play.wakeAfter(9 * minute)
      assert.ok(play.rehearsal.state.groups.has('g'))
      play.wakeAfter(2 * minute)
      assert.equal(play.rehearsal.state.groups.has('g'), hasOffsets)
      assert.equal(play.committed(), hasOffsets ? 7 : -1)
    }
  })
})

describe('committed offsets', () => {
  it('come with a bounded text', () => {
    const play = new Play()
    assert.equal(play.commit('x'.repeat(4_097)), ErrorCode.OFFSET_METADATA_TOO_LARGE)
    assert.equal(play.committed(), -1)
    assert.equal(play.commit('x'.repeat(4_096)), ErrorCode.NONE)
    assert.equal(play.committed(), 7)
  })

  it('of transactions are known late for the latest ten thousand producers', () => {
    const machine = groupsMachine(groupsDefaults)
    const state = machine.initial()
    for (let producerId = 0; producerId < 10_500; producerId++) {
      const completed = { producerId, producerEpoch: 1, commit: true, groups: [] }
      machine.apply(state, { type: 'transaction-completed', ...completed })
    }
    assert.equal(state.markerEpochs.size, 10_000)
    assert.equal(state.markerEpochs.has(499), false)
    assert.equal(state.markerEpochs.get(10_499), 1)
  })
})
