/** No machine builds on a change that cannot be: such a change is a bug, or a log that was damaged. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { GroupsChange } from '../../../src/coordinator/groups/changes.ts'
import { groupsMachine } from '../../../src/coordinator/groups/machine.ts'
import { groupsDefaults } from '../../../src/coordinator/groups/options.ts'
import type { TopicsChange } from '../../../src/coordinator/topics/changes.ts'
import { topicsMachine } from '../../../src/coordinator/topics/machine.ts'
import { setting, type TransactionsChange } from '../../../src/coordinator/transactions/changes.ts'
import { transactionsMachine } from '../../../src/coordinator/transactions/machine.ts'
import { transactionsDefaults } from '../../../src/coordinator/transactions/options.ts'
import type { Transaction } from '../../../src/coordinator/transactions/state.ts'

function refuses<State, Change>(
  machine: { initial(): State; apply(state: State, change: Change): void },
  before: readonly Change[],
  change: Change,
  message: RegExp,
): void {
  const state = machine.initial()
  for (const each of before) machine.apply(state, each)
  assert.throws(() => machine.apply(state, change), { name: 'AssertionError', message })
}

describe('the groups machine does not build on', () => {
  const machine = groupsMachine(groupsDefaults)
  const groupId = 'g'
  const joined = (memberId: string): GroupsChange => ({
    type: 'member-joined',
    groupId,
    memberId,
    instanceId: null,
    clientId: 'c',
    clientHost: '/',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    protocolType: 'consumer',
    protocols: [],
  })
  const formed = (generationId: number, leaderId: string | null): GroupsChange => ({
    type: 'generation-formed',
    groupId,
    generationId,
    protocolName: 'range',
    leaderId,
  })
  const assigned: GroupsChange = { type: 'assigned', groupId, assignments: [] }

  it('a leader that is no member', () => {
    refuses(machine, [joined('a')], formed(1, 'b'), /leader of a group is one of its members/)
    refuses(machine, [joined('a')], formed(1, null), /has a leader if it has members/)
  })

  it('a generation that falls, or is given out twice', () => {
    const before = [joined('a'), formed(3, 'a')]
    refuses(machine, before, formed(2, 'a'), /generation of a group fell/)
    refuses(machine, before, formed(3, 'a'), /formed twice/)
  })

  it('work shared out among nobody', () => {
    refuses(machine, [], assigned, /settled without members/)
  })
})

describe('the transactions machine does not build on', () => {
  const machine = transactionsMachine(transactionsDefaults)
  const allocated: TransactionsChange = { type: 'producer-id-allocated', producerId: 0 }
  const transaction: Transaction = {
    transactionalId: 'x',
    state: 'Empty',
    producerId: 0,
    producerEpoch: 5,
    lastProducerEpoch: -1,
    previousProducerId: -1,
    nextProducerId: -1,
    timeoutMs: 1_000,
    partitions: new Map(),
    groups: new Set(),
    startedAt: -1,
    updatedAt: 0,
  }
  const entered: TransactionsChange = {
    type: 'transaction-entered',
    transactionalId: 'x',
    topics: [{ name: 't', partitions: [0] }],
    groups: [],
    at: 0,
  }
  const ending: TransactionsChange = {
    type: 'transaction-ending',
    transactionalId: 'x',
    commit: true,
    producerEpoch: 5,
    lastProducerEpoch: -1,
    nextProducerId: -1,
    at: 0,
  }
  const ended: TransactionsChange = { type: 'transaction-ended', transactionalId: 'x', at: 0 }
  const begun = [allocated, setting(transaction)]

  it('a producer id that was not given out', () => {
    refuses(machine, [], setting(transaction), /not given out/)
  })

  it('an epoch that falls', () => {
    refuses(
      machine,
      begun,
      setting({ ...transaction, producerEpoch: 4 }),
      /epoch of a producer fell/,
    )
  })

  it('a transaction that is over and holds something', () => {
    const groups = new Set(['g'])
    refuses(machine, begun, setting({ ...transaction, groups }), /is over holds/)
  })

  it('a change of what is decided, or an end of what is not', () => {
    refuses(machine, [...begun, entered, ending], entered, /after its outcome was decided/)
    refuses(machine, [...begun, entered], ended, /outcome was not decided/)
  })

  it('a change of a transaction that is not there', () => {
    refuses(machine, [allocated], entered, /not there/)
  })
})

describe('the topics machine does not build on', () => {
  const brokerConfigs = new Map<string, string>()
  const machine = topicsMachine({
    nodeId: 1,
    defaultPartitions: 1,
    partitionsMax: 9,
    autoCreatePartitionsMax: 9,
    brokerConfigs,
  })
  const created = (name: string, topicId: string, partitionCount = 2): TopicsChange => ({
    type: 'topic-created',
    name,
    topicId,
    partitionCount,
    configs: [],
    at: 0,
  })

  it('a topic or an id that is there already', () => {
    refuses(machine, [created('t', 'id')], created('t', 'other'), /created that is there/)
    refuses(machine, [created('t', 'id')], created('u', 'id'), /id was given out twice/)
  })

  it('a topic without partitions, or with fewer than before', () => {
    refuses(machine, [], created('t', 'id', 0), /without partitions/)
    const fewer: TopicsChange = { type: 'partitions-added', name: 't', partitionCount: 2 }
    refuses(machine, [created('t', 'id')], fewer, /did not grow/)
  })

  it('a change of a topic that is not there', () => {
    refuses(machine, [], { type: 'topic-deleted', name: 't' }, /deleted that is not there/)
    const configured: TopicsChange = {
      type: 'configs-set',
      resourceType: 2,
      resourceName: 't',
      configs: [],
    }
    refuses(machine, [], configured, /configured that is not there/)
  })
})
