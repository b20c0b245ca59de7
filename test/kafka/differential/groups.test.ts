/** The life of a classic group. */
import { beat, describe, enter, join, leave, settle, sync, untilState } from './groups.ts'
import { family } from './rule.ts'

const nobody = { memberId: 'nobody', generationId: 1 }

family('groups', (rule) => {
  rule('a newcomer is told its id first from version 4 on', async (side) => {
    for (const version of [0, 1, 3, 4, 5, 7, 8, 9]) {
      const groupId = side.called(`v${version}`)
      const first = await join(side, groupId, { version })
      if (first.errorCode !== 0) await join(side, groupId, { version, memberId: first.memberId })
    }
  })

  rule('a join is checked', async (side) => {
    const groupId = side.called('g')
    await join(side, '', {})
    await join(side, groupId, { memberId: 'nobody' })
    await join(side, groupId, { sessionTimeoutMs: 1 })
    await join(side, groupId, { sessionTimeoutMs: 100_000_000 })
    await join(side, groupId, { protocols: [] })
    await join(side, groupId, { protocolType: '' })
    await settle(side, groupId)
    await join(side, groupId, { protocolType: 'connect' })
    await join(side, groupId, { protocols: ['roundrobin'] })
    await join(side, groupId, { memberId: 'nobody' })
    await join(side, groupId, { protocols: [] })
  })

  rule('a group of one settles and is described', async (side) => {
    const groupId = side.called('g')
    await describe(side, groupId)
    const member = await enter(side, groupId)
    await describe(side, groupId)
    await sync(side, member, { assignments: { [member.memberId]: 'all' } })
    for (const version of [0, 1, 2, 3, 4, 5, 6]) await describe(side, groupId, version)
    await beat(side, member)
    await sync(side, member, {})
    await leave(side, groupId, [{ memberId: member.memberId }])
    await describe(side, groupId)
  })

  rule('unknown groups and members', async (side) => {
    const groupId = side.called('g')
    const unknown = { groupId, ...nobody }
    await beat(side, unknown)
    await sync(side, unknown)
    await leave(side, groupId, [{ memberId: 'nobody' }])
    for (const version of [0, 2]) await side.ask('LeaveGroup', version, { groupId, memberId: 'x' })
    for (const version of [0, 5, 6]) await describe(side, groupId, version)
    await beat(side, { ...unknown, groupId: '' })
    await sync(side, { ...unknown, groupId: '' })
    await leave(side, '', [{ memberId: 'nobody' }])
    await settle(side, groupId)
    await beat(side, unknown)
    await sync(side, unknown)
    await leave(side, groupId, [{ memberId: 'nobody' }, { memberId: '' }])
    for (const version of [0, 2]) await side.ask('LeaveGroup', version, { groupId, memberId: 'x' })
    await beat(side, { ...unknown, memberId: '' })
  })

  rule('another generation is ILLEGAL_GENERATION', async (side) => {
    const member = await settle(side, side.called('g'))
    for (const generationId of [0, 2, -1]) {
      await beat(side, { ...member, generationId })
      await sync(side, { ...member, generationId })
    }
    await beat(side, member)
  })

  rule('a sync for another protocol is INCONSISTENT_GROUP_PROTOCOL', async (side) => {
    const member = await settle(side, side.called('g'))
    await sync(side, member, { protocolType: 'connect' })
    await sync(side, member, { protocolName: 'roundrobin' })
    await sync(side, member, { protocolType: null, protocolName: null })
    for (const version of [0, 3, 4]) await sync(side, member, { version })
  })

  rule('a second member makes the first one join again', async (side) => {
    const groupId = side.called('g')
    const first = await settle(side, groupId)
    const other = await side.peer()
    const { memberId } = await join(other, groupId)
    await beat(side, first)
    const joining = join(other, groupId, { memberId })
    await untilState(side, groupId, 'PreparingRebalance')
    await beat(side, first)
    await sync(side, first)
    await describe(side, groupId)
    const again = await join(side, groupId, { memberId: first.memberId })
    const second = await joining
    side.note('leader', again.leader === first.memberId)
    await beat(side, first)
    await beat(side, { ...first, generationId: again.generationId })
    await describe(side, groupId)
    const member = { groupId, memberId, generationId: second.generationId }
    const following = sync(other, member)
    const assignments = { [first.memberId]: 'odd', [memberId]: 'even' }
    await sync(side, { ...first, generationId: again.generationId }, { assignments })
    await following
    await describe(side, groupId)
    await leave(side, groupId, [{ memberId: first.memberId }])
    await beat(other, member)
    await join(other, groupId, { memberId })
    await describe(side, groupId)
  })

  rule(
    'the leader may join again and so shares out anew; a follower is only told',
    async (side) => {
      const groupId = side.called('g')
      const first = await settle(side, groupId)
      const rejoined = await join(side, groupId, { memberId: first.memberId })
      await sync(
        side,
        { ...first, generationId: rejoined.generationId },
        { assignments: { [first.memberId]: 'b' } },
      )
      await join(side, groupId, { memberId: first.memberId, protocols: ['range', 'sticky'] })
      await describe(side, groupId)
    },
  )

  rule('the protocol all members like best is chosen', async (side) => {
    const groupId = side.called('g')
    const first = await settle(side, groupId, { protocols: ['range', 'sticky'] })
    const other = await side.peer()
    await join(other, groupId, { protocols: ['roundrobin'] })
    const { memberId } = await join(other, groupId, { protocols: ['sticky', 'roundrobin'] })
    const joining = join(other, groupId, { memberId, protocols: ['sticky', 'roundrobin'] })
    await untilState(side, groupId, 'PreparingRebalance')
    await join(side, groupId, { memberId: first.memberId, protocols: ['range', 'sticky'] })
    await joining
  })

  rule('a static member comes back without a rebalance, and fences its old self', async (side) => {
    const groupId = side.called('g')
    const instanceId = 'one'
    const first = await settle(side, groupId, { instanceId })
    await beat(side, first, instanceId)
    const back = await join(side, groupId, { instanceId, version: 9 })
    await describe(side, groupId)
    await beat(side, first, instanceId)
    await sync(side, first, { instanceId })
    await join(side, groupId, { instanceId, memberId: first.memberId })
    await leave(side, groupId, [{ memberId: first.memberId, groupInstanceId: instanceId }])
    const member = { groupId, memberId: back.memberId, generationId: back.generationId }
    await sync(side, member, { instanceId })
    await beat(side, member, instanceId)
    await beat(side, member, 'two')
    await beat(side, member)
    await leave(side, groupId, [{ memberId: '', groupInstanceId: 'two' }])
    await leave(side, groupId, [{ memberId: '', groupInstanceId: instanceId }])
    await describe(side, groupId)
  })

  rule('a static member with other protocols makes a rebalance', async (side) => {
    const groupId = side.called('g')
    await settle(side, groupId, { instanceId: 'one' })
    await join(side, groupId, { instanceId: 'one', protocols: ['sticky'] })
    await describe(side, groupId)
  })

  rule('several leave at once, each with an answer', async (side) => {
    const groupId = side.called('g')
    const member = await settle(side, groupId)
    for (const version of [3, 4]) {
      await leave(
        side,
        groupId,
        [{ memberId: 'nobody' }, { memberId: '', groupInstanceId: 'x' }],
        version,
      )
    }
    await leave(side, groupId, [{ memberId: member.memberId }, { memberId: member.memberId }])
    await leave(side, groupId, [])
    await describe(side, groupId)
  })

  rule('an id given out and not used can leave', async (side) => {
    const groupId = side.called('g')
    const { memberId } = await join(side, groupId)
    await beat(side, { groupId, memberId, generationId: 0 })
    await sync(side, { groupId, memberId, generationId: 0 })
    const { groups } = await side.ask('DescribeGroups', 5, { groups: [groupId] }, { aside: true })
    side.differs('a group nobody has joined yet', groups[0]?.groupState)
    await leave(side, groupId, [{ memberId }])
    await join(side, groupId, { memberId })
  })

  rule('groups are listed by state and type', async (side) => {
    const groupId = side.called('g')
    const member = await settle(side, groupId)
    for (const [version, filter] of [
      [0, {}],
      [3, {}],
      [4, { statesFilter: ['Stable'] }],
      [4, { statesFilter: ['stable'] }],
      [4, { statesFilter: ['Empty'] }],
      [4, { statesFilter: ['nonsense'] }],
      [5, { typesFilter: ['classic'] }],
      [5, { typesFilter: ['Classic'] }],
      [5, { typesFilter: ['consumer'] }],
      [5, { typesFilter: ['nonsense'] }],
    ] as const) {
      const request = { statesFilter: [], typesFilter: [], ...filter }
      const listed = await side.ask(
        'ListGroups',
        version,
        {
          ...request,
          statesFilter: [...request.statesFilter],
          typesFilter: [...request.typesFilter],
        },
        { aside: true },
      )
      const mine = listed.groups.filter((each) => each.groupId === groupId)
      side.note(`ListGroups v${version} ${JSON.stringify(filter)}`, { ...listed, groups: mine })
    }
    await leave(side, groupId, [{ memberId: member.memberId }])
  })

  rule('only an empty group is deleted', async (side) => {
    const groupId = side.called('g')
    const member = await settle(side, groupId)
    for (const version of [0, 1, 2]) {
      const groupsNames = [groupId, side.called('missing')]
      await side.ask('DeleteGroups', version, { groupsNames })
    }
    await leave(side, groupId, [{ memberId: member.memberId }])
    await side.ask('DeleteGroups', 2, { groupsNames: [groupId, groupId] })
    await describe(side, groupId)
    await side.ask('DeleteGroups', 2, { groupsNames: [] })
  })
})
