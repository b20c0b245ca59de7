/** Properties of the groups machine under any sequence of requests, clocks and crashes. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Call, GroupsCommand } from '../../../src/coordinator/commands.ts'
import { groupsDefaults } from '../../../src/coordinator/groups/options.ts'
import { groupsMachine } from '../../../src/coordinator/groups/machine.ts'
import type { ApiName, RequestOf, ResponseOf } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { assertCounted } from './recount.ts'
import { Rehearsal } from './rehearsal.ts'

/** Sequences tried; more of them on demand: `RUNS=5000 node --test ...`. */
const runs = Number(process.env['RUNS'] ?? 300)

const groupId = 'g'
const partitionCount = 4
const sessionTimeoutMs = 10_000
const rebalanceTimeoutMs = 20_000

type Action =
  | { kind: 'join' | 'sync' | 'heartbeat' | 'leave'; slot: number }
  | { kind: 'forget'; slot: number }
  | { kind: 'commit'; slot: number; partition: number; offset: number }
  | { kind: 'transaction'; slot: number; partition: number; offset: number }
  | { kind: 'decide'; slot: number; commit: boolean }
  | { kind: 'pass'; milliseconds: number }
  | { kind: 'restart'; shorten: boolean }

const slot = fc.nat(3)
const partition = fc.nat(partitionCount - 1)
/** Few producers on few partitions, so that they meet. */
const producer = fc.nat(1)
const offset = fc.nat(1_000)
const actions: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('join' as const), slot }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('sync' as const), slot }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('heartbeat' as const), slot }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), slot }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), slot }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('commit' as const), slot, partition, offset }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('transaction' as const),
      slot: producer,
      partition: fc.nat(1),
      offset,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('decide' as const),
      slot: producer,
      commit: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), milliseconds: fc.nat(15_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('restart' as const), shorten: fc.boolean() }),
  },
)

/** A client as far as it knows itself. Even slots are static members. */
interface Client {
  readonly instanceId: string | null
  memberId: string
  generationId: number
  /** The token of the JoinGroup or SyncGroup it waits for. */
  waits: string | undefined
}

interface Pending {
  readonly partition: number
  readonly offset: number
  readonly at: number
}

class Play {
  readonly rehearsal = new Rehearsal(groupsMachine(groupsDefaults), ({ groups }) => groups)
  readonly clients: Client[] = [0, 1, 2, 3].map((index) => ({
    instanceId: index % 2 === 0 ? `i${index}` : null,
    memberId: '',
    generationId: -1,
    waits: undefined,
  }))
  /** What must be found: the newest acknowledged offset of each partition. */
  readonly committed = new Map<number, { offset: number; at: number }>()
  readonly pending = new Map<number, Pending[]>()
  readonly epochs = [0, 0, 0, 0]
  /** Who was handed which partitions in which generation. */
  readonly owners = new Map<number, Map<number, string>>()
  highestGeneration = 0
  #tokens = 0
  #steps = 0

  act(action: Action): void {
    this.#steps++
    switch (action.kind) {
      case 'join':
        this.join(this.clients[action.slot]!)
        break
      case 'sync':
        this.sync(this.clients[action.slot]!)
        break
      case 'heartbeat': {
        const { memberId, generationId, instanceId } = this.clients[action.slot]!
        const request = { groupId, memberId, generationId, groupInstanceId: instanceId }
        this.call('Heartbeat', 4, request)
        break
      }
      case 'leave': {
        const { memberId, instanceId } = this.clients[action.slot]!
        const members = [{ memberId, groupInstanceId: instanceId, reason: null }]
        this.call('LeaveGroup', 5, { groupId, memberId: '', members })
        break
      }
      case 'forget':
        // The client's process starts anew: it knows nothing but its instance id.
        Object.assign(this.clients[action.slot]!, {
          memberId: '',
          generationId: -1,
          waits: undefined,
        })
        break
      case 'commit':
        this.commit(this.clients[action.slot]!, action.partition, action.offset)
        break
      case 'transaction':
        this.commitInTransaction(action.slot, action.partition, action.offset)
        break
      case 'decide':
        this.decide(action.slot, action.commit)
        break
      case 'pass':
        this.pass(action.milliseconds)
        break
      case 'restart':
        this.rehearsal.restart(action.shorten)
        // Connections are gone, and with them whoever waited.
        for (const client of this.clients) client.waits = undefined
    }
    this.hear()
    this.check()
  }

  join(client: Client): void {
    if (client.waits !== undefined) return
    client.waits = this.send('JoinGroup', 5, {
      groupId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      memberId: client.memberId,
      groupInstanceId: client.instanceId,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(1) }],
      reason: null,
    })
  }

  sync(client: Client): void {
    if (client.waits !== undefined || client.generationId < 0) return
    const group = this.rehearsal.state.groups.get(groupId)
    const members = [...(group?.members.keys() ?? [])]
    const assignments = members.map((memberId, index) => ({
      memberId,
      assignment: Uint8Array.from([0, 1, 2, 3].filter((each) => each % members.length === index)),
    }))
    client.waits = this.send('SyncGroup', 5, {
      groupId,
      generationId: client.generationId,
      memberId: client.memberId,
      groupInstanceId: client.instanceId,
      protocolType: null,
      protocolName: null,
      assignments: group?.leaderId === client.memberId ? assignments : [],
    })
  }

  commit(client: Client, partitionIndex: number, committedOffset: number): void {
    const { topics } = this.call('OffsetCommit', 8, {
      groupId,
      generationIdOrMemberEpoch: client.generationId,
      memberId: client.memberId,
      groupInstanceId: client.generationId < 0 ? null : client.instanceId,
      retentionTimeMs: -1,
      topics: [topicOf(partitionIndex, committedOffset)],
    })
    if (topics[0]!.partitions[0]!.errorCode !== ErrorCode.NONE) return
    this.committed.set(partitionIndex, { offset: committedOffset, at: this.#steps })
  }

  commitInTransaction(producerId: number, partitionIndex: number, committedOffset: number): void {
    const { topics } = this.call('TxnOffsetCommit', 3, {
      transactionalId: `x${producerId}`,
      groupId,
      producerId,
      producerEpoch: this.epochs[producerId]!,
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      topics: [topicOf(partitionIndex, committedOffset)],
    })
    if (topics[0]!.partitions[0]!.errorCode !== ErrorCode.NONE) return
    const mine = (this.pending.get(producerId) ?? []).filter(
      (each) => each.partition !== partitionIndex,
    )
    const entry = { partition: partitionIndex, offset: committedOffset, at: this.#steps }
    this.pending.set(producerId, [...mine, entry])
  }

  decide(producerId: number, commit: boolean): void {
    this.epochs[producerId]!++
    const producerEpoch = this.epochs[producerId]!
    const token = this.token()
    const type = 'complete-transaction'
    this.rehearsal.run({ type, token, producerId, producerEpoch, commit, groups: [groupId] })
    for (const entry of this.pending.get(producerId) ?? []) {
      const newest = this.committed.get(entry.partition)
      if (commit && (newest === undefined || newest.at < entry.at)) {
        this.committed.set(entry.partition, entry)
      }
    }
    this.pending.delete(producerId)
  }

  /** Time passes; whatever wake was asked for on the way is given. */
  pass(milliseconds: number): void {
    const { rehearsal } = this
    const until = rehearsal.now + milliseconds
    while (rehearsal.wakeAt !== undefined && rehearsal.wakeAt <= until) {
      rehearsal.now = Math.max(rehearsal.now, rehearsal.wakeAt)
      rehearsal.wakeAt = undefined
      rehearsal.run({ type: 'wake' })
      const next: number = rehearsal.wakeAt ?? Infinity
      assert(next > rehearsal.now, 'a wake asks for another at once')
    }
    rehearsal.now = until
  }

  /** Clients read their answers. */
  hear(): void {
    for (const client of this.clients) {
      const answer = client.waits === undefined ? undefined : this.answerTo(client.waits)
      if (answer === undefined) continue
      client.waits = undefined
      const { errorCode } = answer
      if (errorCode === ErrorCode.MEMBER_ID_REQUIRED) client.memberId = answer.memberId
      else if ('generationId' in answer && errorCode === ErrorCode.NONE) {
        client.memberId = answer.memberId
        client.generationId = answer.generationId
      } else if (errorCode === ErrorCode.NONE) {
        this.own(client, answer.assignment)
      } else if (errorCode !== ErrorCode.REBALANCE_IN_PROGRESS) {
        client.memberId = ''
        client.generationId = -1
      }
    }
  }

  /** One owner a partition and generation. A static member that came back is who it was. */
  own(client: Client, assignment: Uint8Array): void {
    const owners = this.owners.get(client.generationId) ?? new Map<number, string>()
    this.owners.set(client.generationId, owners)
    const name = client.instanceId ?? client.memberId
    for (const each of assignment) {
      assert.equal(owners.get(each) ?? name, name, `partition ${each} has two owners`)
      owners.set(each, name)
    }
  }

  check(): void {
    assertCounted(this.rehearsal.state)
    const group = this.rehearsal.state.groups.get(groupId)
    if (group === undefined) {
      // Forgotten, or never there: what comes is another group of the same name.
      this.highestGeneration = 0
      this.owners.clear()
      return
    }
    assert(group.generationId >= this.highestGeneration, 'the generation went back')
    this.highestGeneration = group.generationId
    assert.equal(group.members.size === 0, group.state === 'Empty')
    if (group.members.size > 0) assert(group.members.has(group.leaderId!), 'nobody leads')
    const instances = [...group.members.values()].flatMap(({ instanceId }) => instanceId ?? [])
    assert.equal(new Set(instances).size, instances.length, 'an instance is there twice')
    const { groups } = this.call('OffsetFetch', 8, {
      groupId: '',
      topics: [],
      groups: [{ groupId, memberId: null, memberEpoch: -1, topics: null }],
      requireStable: false,
    })
    const found = new Map(
      groups[0]!.topics.flatMap(({ partitions }) =>
        partitions
          .filter(({ committedOffset }) => committedOffset >= 0)
          .map((each) => [each.partitionIndex, each.committedOffset] as const),
      ),
    )
    const expected = new Map([...this.committed].map(([index, each]) => [index, each.offset]))
    assert.deepEqual(sorted(found), sorted(expected), 'an acknowledged commit is lost')
  }

  /** Nobody is left waiting for ever: every session and barrier runs out. */
  end(): void {
    this.pass(2_000_000)
    this.hear()
    for (const { waits } of this.clients) assert.equal(waits, undefined, 'a request hangs')
  }

  call<N extends ApiName>(api: N, version: number, request: RequestOf<N>): ResponseOf<N> {
    const token = this.send(api, version, request)
    const answer = this.rehearsal.answers.get(token)
    assert(answer !== undefined, `${api} is not answered at once`)
    return answer as ResponseOf<N>
  }

  send<N extends ApiName>(type: N, version: number, request: RequestOf<N>): string {
    const token = this.token()
    const call = { type, token, version, clientId: 'c', clientHost: '/', request, memberId: token }
    this.rehearsal.run(call as unknown as GroupsCommand & Call<N>)
    return token
  }

  answerTo(token: string): Heard | undefined {
    return this.rehearsal.answers.get(token) as Heard | undefined
  }

  token(): string {
    return `t${this.#tokens++}`
  }
}

type Heard = Pick<ResponseOf<'JoinGroup'>, 'errorCode' | 'memberId' | 'generationId'> & {
  readonly assignment: Uint8Array
}

function topicOf(partitionIndex: number, committedOffset: number) {
  const name = 't'
  const partition = { partitionIndex, committedOffset, committedLeaderEpoch: 0 }
  return { name, topicId: '', partitions: [{ ...partition, committedMetadata: '' }] }
}

function sorted(map: ReadonlyMap<number, number>): [number, number][] {
  return [...map].toSorted(([a], [b]) => a - b)
}

describe('the groups machine', () => {
  it('keeps its promises whatever clients do and whenever it crashes', () => {
    fc.assert(
      fc.property(fc.array(actions, { minLength: 10, maxLength: 120 }), (script) => {
        const play = new Play()
        for (const action of script) play.act(action)
        play.end()
      }),
      { numRuns: runs },
    )
  })

  it('refuses a member too many', () => {
    const machine = groupsMachine({ ...groupsDefaults, membersMax: 1 })
    const play = new Play()
    const rehearsal = new Rehearsal(machine, ({ groups }) => groups)
    Object.assign(play, { rehearsal })
    play.join(play.clients[1]!)
    play.join(play.clients[3]!)
    const codes = [...rehearsal.answers.values()].map((each) => (each as Heard).errorCode)
    assert.deepEqual(codes, [ErrorCode.MEMBER_ID_REQUIRED, ErrorCode.GROUP_MAX_SIZE_REACHED])
  })

  it('counts the characters, not the bytes, of the text beside an offset', () => {
    const play = new Play()
    const commit = (committedMetadata: string): number => {
      const topic = topicOf(0, 1)
      const partitions = [{ ...topic.partitions[0]!, committedMetadata }]
      const answer = play.call('OffsetCommit', 8, {
        groupId,
        generationIdOrMemberEpoch: -1,
        memberId: '',
        groupInstanceId: null,
        retentionTimeMs: -1,
        topics: [{ ...topic, partitions }],
      })
      return answer.topics[0]!.partitions[0]!.errorCode
    }
    assert.equal(commit('é'.repeat(4096)), ErrorCode.NONE)
    assert.equal(commit('é'.repeat(4097)), ErrorCode.OFFSET_METADATA_TOO_LARGE)
  })
})
