/** The positions a group has committed. */
import { settle, leave, type Membership } from './groups.ts'
import { family } from './rule.ts'
import type { Side } from './side.ts'

interface CommitOptions {
  readonly version?: number
  readonly member?: Partial<Membership>
  readonly instanceId?: string
  readonly partition?: number
  readonly metadata?: string | null
  readonly leaderEpoch?: number
}

async function commit(
  side: Side,
  groupId: string,
  name: string,
  committedOffset: number,
  o: CommitOptions = {},
) {
  const { version = 9, member = {}, instanceId, partition = 0, metadata = '', leaderEpoch } = o
  const offset = { partitionIndex: partition, committedOffset, committedMetadata: metadata }
  const epoch = leaderEpoch === undefined ? {} : { committedLeaderEpoch: leaderEpoch }
  await side.ask('OffsetCommit', version, {
    groupId,
    generationIdOrMemberEpoch: member.generationId ?? -1,
    memberId: member.memberId ?? '',
    ...(instanceId === undefined ? {} : { groupInstanceId: instanceId }),
    topics: [{ name, partitions: [{ ...offset, ...epoch }] }],
  })
}

async function fetchOffsets(
  side: Side,
  groupId: string,
  name: string | null,
  partitions = [0, 1],
  version = 9,
) {
  if (version < 8) {
    const topics = name === null ? null : [{ name, partitionIndexes: partitions }]
    return side.ask('OffsetFetch', version, { groupId, topics })
  }
  const topics = name === null ? null : [{ name, partitionIndexes: partitions }]
  return side.ask('OffsetFetch', version, { groups: [{ groupId, topics }] })
}

family('commits', (rule) => {
  rule('a group without members takes simple commits, in every version', async (side) => {
    const topic = await side.topic({ partitions: 2 })
    const groupId = side.called('g')
    for (let version = 2; version <= 9; version++) {
      const leaderEpoch = version >= 6 ? { leaderEpoch: 0 } : {}
      await commit(side, groupId, topic, version, {
        version,
        metadata: `v${version}`,
        ...leaderEpoch,
      })
      await fetchOffsets(side, groupId, topic)
    }
    for (let version = 1; version <= 9; version++) {
      await fetchOffsets(side, groupId, topic, [0, 1, 7], version)
      if (version >= 2) await fetchOffsets(side, groupId, null, [], version)
    }
    const topicId = await side.led(topic, 2)
    const partitions = [{ partitionIndex: 1, committedOffset: 5, committedMetadata: null }]
    await side.ask('OffsetCommit', 10, { groupId, topics: [{ topicId, partitions }] })
    const topics = [{ topicId, partitionIndexes: [0, 1] }]
    await side.ask('OffsetFetch', 10, { groups: [{ groupId, topics }] })
    await side.ask('OffsetFetch', 10, { groups: [{ groupId, topics: null }] })
    await side.ask('DescribeGroups', 5, { groups: [groupId] })
  })

  rule('unknown topic ids are told', async (side) => {
    const topicId = 'Dw8PDw8PDw8PDw8PDw8PDw'
    const groupId = side.called('g')
    const partitions = [{ partitionIndex: 1, committedOffset: 5, committedMetadata: null }]
    await side.ask('OffsetCommit', 10, { groupId, topics: [{ topicId, partitions }] })
    const topics = [{ topicId, partitionIndexes: [0, 1] }]
    await side.ask('OffsetFetch', 10, { groups: [{ groupId, topics }] })
  })

  rule('an unknown topic or partition is refused and the others are not', async (side) => {
    const topic = await side.topic()
    const groupId = side.called('g')
    await commit(side, groupId, side.called('missing'), 1)
    await commit(side, groupId, topic, 1, { partition: 7 })
    await commit(side, groupId, topic, 1, { partition: -1 })
    const partitions = [0, 7].map((partitionIndex) => ({
      partitionIndex,
      committedOffset: 3,
      committedMetadata: '',
    }))
    await side.ask('OffsetCommit', 9, { groupId, topics: [{ name: topic, partitions }] })
    await fetchOffsets(side, groupId, topic, [0, 7])
  })

  rule('metadata has a limit', async (side) => {
    const topic = await side.topic()
    const groupId = side.called('g')
    for (const size of [4096, 4097])
      await commit(side, groupId, topic, size, { metadata: 'x'.repeat(size) })
    await commit(side, groupId, topic, 1, { metadata: 'ä'.repeat(4096) })
    await commit(side, groupId, topic, 1, { metadata: null })
    await fetchOffsets(side, groupId, topic, [0])
  })

  rule('offsets may be anything', async (side) => {
    const topic = await side.topic()
    const groupId = side.called('g')
    for (const offset of [0, 1_000_000, -1, -5]) {
      await commit(side, groupId, topic, offset)
      await fetchOffsets(side, groupId, topic, [0])
    }
  })

  rule('a group with members hears only them, of the current generation', async (side) => {
    const topic = await side.topic()
    const groupId = side.called('g')
    await commit(side, groupId, topic, 1, { member: { memberId: 'x', generationId: 1 } })
    await commit(side, groupId, topic, 1, { member: { memberId: 'x' } })
    await commit(side, groupId, topic, 1, { member: { generationId: 4 } })
    const member = await settle(side, groupId)
    await commit(side, groupId, topic, 1)
    await commit(side, groupId, topic, 2, { member })
    await commit(side, groupId, topic, 3, { member: { ...member, generationId: 7 } })
    await commit(side, groupId, topic, 3, { member: { ...member, generationId: -1 } })
    await commit(side, groupId, topic, 3, { member: { ...member, memberId: 'x' } })
    await commit(side, groupId, topic, 3, { member: { ...member, memberId: '' } })
    await commit(side, groupId, topic, 3, { member, instanceId: 'nobody' })
    await commit(side, '', topic, 3)
    await fetchOffsets(side, groupId, topic, [0])
    await leave(side, groupId, [{ memberId: member.memberId }])
    await commit(side, groupId, topic, 4, { member })
    await commit(side, groupId, topic, 5)
    await fetchOffsets(side, groupId, topic, [0])
  })

  rule('a commit before the generation has its shares is REBALANCE_IN_PROGRESS', async (side) => {
    const topic = await side.topic()
    const groupId = side.called('g')
    const first = await side.ask('JoinGroup', 7, joinRequest(groupId, ''))
    const { memberId, generationId } = await side.ask(
      'JoinGroup',
      7,
      joinRequest(groupId, first.memberId),
    )
    await commit(side, groupId, topic, 1, { member: { memberId, generationId } })
  })

  rule('a fenced static member commits nothing', async (side) => {
    const topic = await side.topic()
    const groupId = side.called('g')
    const old = await settle(side, groupId, { instanceId: 'one' })
    await settle(side, groupId, { instanceId: 'one' })
    await commit(side, groupId, topic, 1, { member: old, instanceId: 'one' })
  })

  rule('unknown groups have no positions', async (side) => {
    const topic = await side.topic()
    for (const version of [1, 2, 5, 7, 8, 9]) {
      await fetchOffsets(side, side.called('g'), topic, [0], version)
      await fetchOffsets(side, side.called('g'), side.called('missing'), [0], version)
      if (version >= 2) await fetchOffsets(side, side.called('g'), null, [], version)
      await fetchOffsets(side, '', topic, [0], version)
    }
  })

  rule('several groups are asked in one request', async (side) => {
    const topic = await side.topic()
    const groupId = side.called('g')
    await commit(side, groupId, topic, 1)
    const groups = [groupId, side.called('h')].map((each) => ({
      groupId: each,
      topics: [{ name: topic, partitionIndexes: [0] }],
    }))
    await side.ask('OffsetFetch', 8, { groups })
    await side.ask('OffsetFetch', 9, {
      groups: groups.map((each) => ({ ...each, memberId: 'x', memberEpoch: 1 })),
    })
  })

  rule('OffsetDelete forgets what nobody subscribes to', async (side) => {
    const topic = await side.topic({ partitions: 2 })
    const groupId = side.called('g')
    const topics = (...partitions: number[]) => [
      { name: topic, partitions: partitions.map((partitionIndex) => ({ partitionIndex })) },
    ]
    await side.ask('OffsetDelete', 0, { groupId, topics: topics(0) })
    await commit(side, groupId, topic, 1)
    await side.ask('OffsetDelete', 0, { groupId, topics: topics(0, 1, 7) })
    await side.ask('OffsetDelete', 0, {
      groupId,
      topics: [{ name: side.called('missing'), partitions: [{ partitionIndex: 0 }] }],
    })
    await fetchOffsets(side, groupId, null, [])
    await side.ask('OffsetDelete', 0, { groupId: '', topics: topics(0) })
    const kept = side.called('kept')
    await commit(side, kept, topic, 2)
    await settle(side, kept, { protocolType: 'connect' })
    await side.ask('OffsetDelete', 0, { groupId: kept, topics: topics(0) })
  })

  rule('a group with positions lives on empty, and goes with them', async (side) => {
    const topic = await side.topic()
    const groupId = side.called('g')
    await commit(side, groupId, topic, 1)
    for (const version of [5, 6]) await side.ask('DescribeGroups', version, { groups: [groupId] })
    await side.ask('DeleteGroups', 2, { groupsNames: [groupId] })
    await fetchOffsets(side, groupId, topic, [0])
  })
})

function joinRequest(groupId: string, memberId: string) {
  return {
    groupId,
    memberId,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 30_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: new Uint8Array(2) }],
  }
}
