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
import { assertCounted } from './recount.ts'
import { Rehearsal } from './rehearsal.ts'

const minute = 60_000

type GroupsApi = Extract<
  GroupsCommand['type'],
  'JoinGroup' | 'SyncGroup' | 'LeaveGroup' | 'OffsetCommit' | 'OffsetFetch' | 'DescribeGroups'
>

interface Joining {
  readonly version?: number
  readonly sessionTimeoutMs?: number
  readonly groupId?: string
  readonly instanceId?: string
  /** Of metadata. */
  readonly bytes?: number
}

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

  join(memberId = '', o: Joining = {}) {
    const { version = 4, sessionTimeoutMs = 10_000, groupId = 'g', bytes = 0 } = o
    return this.ask('JoinGroup', version, {
      groupId,
      memberId,
      sessionTimeoutMs,
      rebalanceTimeoutMs: 30 * minute,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(bytes) }],
      ...(o.instanceId === undefined ? {} : { groupInstanceId: o.instanceId }),
    })
  }

  /** A newcomer comes, and comes back with its id. */
  enter(o: Joining = {}) {
    const first = this.join('', o)!
    if (first.errorCode !== ErrorCode.MEMBER_ID_REQUIRED) return first
    return this.join(first.memberId, o) ?? { ...first, errorCode: ErrorCode.NONE }
  }

  sync(memberId: string, generationId: number, assignedBytes: number) {
    const assignments = [{ memberId, assignment: new Uint8Array(assignedBytes) }]
    return this.ask('SyncGroup', 3, { groupId: 'g', memberId, generationId, assignments })
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
  it('has no member that knows more protocols than the bound, and keeps those it had', () => {
    const play = new Play({ protocolsMax: 2 })
    const { memberId } = play.enter()
    const join = (count: number) =>
      play.ask('JoinGroup', 4, {
        groupId: 'g',
        memberId,
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: minute,
        protocolType: 'consumer',
        protocols: Array.from({ length: count }, (_, i) => ({ name: i === 0 ? 'range' : `p${i}` })),
      })
    assert.equal(join(3)?.errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED)
    assert.equal(join(2)?.errorCode, ErrorCode.NONE)
  })

  it('takes no assignments of more members than it may have', () => {
    const play = new Play({ membersMax: 2 })
    const { memberId, generationId } = play.enter()
    const sync = (count: number) => {
      const assignments = Array.from({ length: count }, () => ({ memberId }))
      return play.ask('SyncGroup', 3, { groupId: 'g', memberId, generationId, assignments })
    }
    assert.equal(sync(3)?.errorCode, ErrorCode.UNKNOWN_MEMBER_ID)
    assert.equal(sync(2)?.errorCode, ErrorCode.NONE)
  })

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

describe('what members may hold', () => {
  it('is bounded for a group, and refused with the first request', () => {
    const play = new Play({ groupBytesMax: 2_000 })
    const codeOf = (memberId: string, bytes: number) => play.join(memberId, { bytes })?.errorCode
    assert.equal(codeOf('', 3_000), ErrorCode.GROUP_MAX_SIZE_REACHED)
    const { memberId } = play.enter({ bytes: 1_000 })
    // Another does not fit beside it, and it may not grow.
    assert.equal(codeOf('', 1_000), ErrorCode.GROUP_MAX_SIZE_REACHED)
    assert.equal(codeOf(memberId, 2_500), ErrorCode.GROUP_MAX_SIZE_REACHED)
    assert.equal(codeOf(memberId, 1_500), ErrorCode.NONE)
    assert.equal(codeOf(memberId, 1_500), ErrorCode.NONE)
    play.ask('LeaveGroup', 1, { groupId: 'g', memberId })
    assert.equal(play.enter({ bytes: 1_700 }).errorCode, ErrorCode.NONE)
    assertCounted(play.rehearsal.state)
  })

  it('counts a static member once, however often it comes back', () => {
    const play = new Play({ groupBytesMax: 2_000 })
    for (let i = 0; i < 5; i++) {
      const joined = play.join('', { version: 5, instanceId: 'i', bytes: 1_200 })
      assert.notEqual(joined?.errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED)
    }
    const big = play.join('', { version: 5, instanceId: 'i', bytes: 2_200 })
    assert.equal(big?.errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED)
    assertCounted(play.rehearsal.state)
  })

  it('counts what is many, not only what is long', () => {
    const play = new Play({ groupBytesMax: 10_000 })
    const protocols = Array.from({ length: 1_000 }, () => ({
      name: '',
      metadata: new Uint8Array(0),
    }))
    const joined = play.ask('JoinGroup', 4, {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      protocolType: 'consumer',
      protocols,
    })
    assert.equal(joined?.errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED)
  })

  it('is bounded for the work that a leader shares out, and the group goes on', () => {
    const play = new Play({ groupBytesMax: 2_000 })
    const { memberId, generationId } = play.enter({ bytes: 500 })
    const refused = play.sync(memberId, generationId, 3_000)
    assert.equal(refused?.errorCode, ErrorCode.UNKNOWN_SERVER_ERROR)
    const group = () => play.rehearsal.state.groups.get('g')!
    assert.equal(group().state, 'PreparingRebalance')
    const again = play.join(memberId, { bytes: 500 })!
    assert.equal(again.errorCode, ErrorCode.NONE)
    assert.equal(play.sync(memberId, again.generationId, 1_000)?.errorCode, ErrorCode.NONE)
    assert.equal(group().state, 'Stable')
    // Shared out once more, the new takes the place of the old.
    const third = play.join(memberId, { bytes: 501 })!
    assert.equal(play.sync(memberId, third.generationId, 1_100)?.errorCode, ErrorCode.NONE)
    assertCounted(play.rehearsal.state)
  })

  it('is bounded for all groups together, where waiting may help', () => {
    const play = new Play({ groupsBytesMax: 3_000 })
    const enter = (groupId: string) => play.enter({ groupId, bytes: 1_000 })
    const first = enter('a')
    assert.deepEqual([first.errorCode, enter('b').errorCode], [ErrorCode.NONE, ErrorCode.NONE])
    assert.equal(enter('c').errorCode, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    const { memberId } = first
    const rejoined = play.join(memberId, { groupId: 'a', bytes: 1_000 })
    assert.equal(rejoined?.errorCode, ErrorCode.NONE, 'who is there already goes on')
    play.ask('LeaveGroup', 1, { groupId: 'a', memberId })
    assert.equal(enter('c').errorCode, ErrorCode.NONE)
  })

  it('is bounded for ids that are given out and never used, until they lapse', () => {
    const play = new Play({ groupsBytesMax: 3_000 })
    const codes = Array.from(
      { length: 60 },
      (_, n) => play.join('', { groupId: `g${n}` })!.errorCode,
    )
    assert.equal(codes[0], ErrorCode.MEMBER_ID_REQUIRED)
    assert.equal(codes.at(-1), ErrorCode.COORDINATOR_NOT_AVAILABLE)
    play.wakeAfter(10_000)
    assert.equal(play.rehearsal.state.membersBytes, 0)
    assert.equal(play.join()!.errorCode, ErrorCode.MEMBER_ID_REQUIRED)
  })

  it('has a short id for a client with a long name', () => {
    const play = new Play()
    const { memberId } = play.join('', { version: 5, instanceId: 'i'.repeat(30_000) })!
    assert.match(memberId, /^i{255}-t0$/)
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

  it('take no more memory than the bound, and those that are there go on', () => {
    const play = new Play({ offsetsBytesMax: 10_000 })
    const commit = (groupId: string, committedMetadata: string, committedOffset = 7) => {
      const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata }]
      const input = { groupId, memberId: '', generationIdOrMemberEpoch: -1 }
      const topics = [{ name: 't', partitions }]
      const answer = play.ask('OffsetCommit', 7, { ...input, topics })
      assertCounted(play.rehearsal.state)
      return answer!.topics[0]!.partitions[0]!.errorCode
    }
    assert.equal(commit('a', 'x'.repeat(4_000)), ErrorCode.NONE)
    assert.equal(commit('b', 'x'.repeat(4_000)), ErrorCode.INVALID_COMMIT_OFFSET_SIZE)
    // A group is more than its offset: how many groups there may be is bounded, too.
    const small = Array.from({ length: 10 }, (_, n) => commit(`s${n}`, ''))
    assert.deepEqual([small[0], small.at(-1)], [0, ErrorCode.INVALID_COMMIT_OFFSET_SIZE])
    assert.equal(commit('a', 'y'.repeat(4_000), 8), ErrorCode.NONE)
    assert.equal(commit('a', '', 9), ErrorCode.NONE)
    assert.equal(commit('b', 'x'.repeat(1_000)), ErrorCode.NONE, 'there is room again')
  })

  it('are dumped some thousand at a time, however many a group has', () => {
    const machine = groupsMachine(groupsDefaults)
    const state = machine.initial()
    const partitions = Array.from({ length: 10 }, (_, partition) => {
      return { partition, offset: 1, leaderEpoch: -1, metadata: '' }
    })
    const topics = Array.from({ length: 250 }, (_, n) => ({ name: `t${n}`, partitions }))
    machine.apply(state, { type: 'offsets-committed', groupId: 'g', topics })
    const anew = machine.initial()
    let largest = 0
    for (const change of machine.dump(state)) {
      machine.apply(anew, change)
      if (change.type !== 'offsets-committed') continue
      const count = change.topics.reduce((sum, each) => sum + each.partitions.length, 0)
      largest = Math.max(largest, count)
    }
    assert.equal(largest, 1_000)
    assert.deepEqual(anew.groups, state.groups)
    assertCounted(anew)
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
