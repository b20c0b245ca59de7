/** What happens to members while a group rebalances. */
import {
  beat,
  describe,
  enter,
  join,
  leave,
  settle,
  sync,
  untilState,
  type JoinOptions,
} from './groups.ts'
import { family } from './rule.ts'
import type { Peer, Side } from './side.ts'

/** A stable group of two, the first one its leader. */
async function pair(side: Side, o: JoinOptions = {}) {
  const groupId = side.called('g')
  const { leader, follower, other } = await joined(side, groupId, o)
  const following = sync(other, follower)
  const assignments = { [leader.memberId]: 'odd', [follower.memberId]: 'even' }
  await sync(side, leader, { assignments })
  await following
  return { groupId, leader, follower, other }
}

family('rebalances', (rule) => {
  rule('a follower that joins again as it was is answered at once', async (side) => {
    const { groupId, follower, other } = await pair(side)
    await join(other, groupId, { memberId: follower.memberId })
    await describe(side, groupId)
  })

  rule('a leader that joins again makes everyone join', async (side) => {
    const { groupId, leader, follower, other } = await pair(side)
    const joining = join(side, groupId, { memberId: leader.memberId })
    await untilState(other, groupId, 'PreparingRebalance')
    await beat(other, follower)
    await Promise.all([join(other, groupId, { memberId: follower.memberId }), joining])
    await describe(side, groupId)
  })

  rule('who leaves makes the others join', async (side) => {
    const { groupId, leader, follower, other } = await pair(side)
    await leave(side, groupId, [{ memberId: leader.memberId }])
    await describe(side, groupId)
    await beat(other, follower)
    await sync(other, follower)
    await join(other, groupId, { memberId: follower.memberId })
    await describe(side, groupId)
    await beat(other, follower)
  })

  rule('who joins before the shares are given out makes another generation', async (side) => {
    const groupId = side.called('g')
    const first = await enter(side, groupId)
    const other = await side.peer()
    const { memberId } = await join(other, groupId, { aside: true })
    const joining = join(other, groupId, { memberId })
    await untilState(side, groupId, 'PreparingRebalance')
    await sync(side, first, { assignments: { [first.memberId]: 'all' } })
    await beat(side, first)
    await Promise.all([join(side, groupId, { memberId: first.memberId }), joining])
    await describe(side, groupId)
  })

  rule('followers wait for their shares until a newcomer sends them back', async (side) => {
    const groupId = side.called('g')
    const { leader, follower, other } = await joined(side, groupId)
    const following = sync(other, follower)
    const third = await side.peer()
    const { memberId } = await join(third, groupId, { aside: true })
    const joining = join(third, groupId, { memberId })
    await following
    await Promise.all([
      join(side, groupId, { memberId: leader.memberId }),
      join(other, groupId, { memberId: follower.memberId }),
      joining,
    ])
    await describe(side, groupId)
  })

  rule('a leader that forgets a member gives it nothing', async (side) => {
    const groupId = side.called('g')
    const { leader, follower, other } = await joined(side, groupId)
    const following = sync(other, follower)
    await sync(side, leader, { assignments: { [leader.memberId]: 'all', stranger: 'none' } })
    await following
    await describe(side, groupId)
  })

  rule('what a follower brings to a sync is not looked at', async (side) => {
    const groupId = side.called('g')
    const { leader, follower, other } = await joined(side, groupId)
    const following = sync(other, follower, { assignments: { [follower.memberId]: 'mine' } })
    await sync(side, leader, { assignments: { [leader.memberId]: 'all' } })
    await following
  })

  rule('a group everybody left begins again in another generation', async (side) => {
    const { groupId, leader, follower } = await pair(side)
    await leave(side, groupId, [{ memberId: leader.memberId }, { memberId: follower.memberId }])
    await describe(side, groupId)
    await settle(side, groupId, { protocols: ['sticky'] })
    await describe(side, groupId)
  })

  rule('a group may change its protocol type when it is empty', async (side) => {
    const groupId = side.called('g')
    const member = await settle(side, groupId)
    await leave(side, groupId, [{ memberId: member.memberId }])
    await join(side, groupId, { protocolType: 'connect', version: 3 })
    await describe(side, groupId)
  })

  rule('a member that is silent for its session is gone', async (side) => {
    const { groupId, leader, follower, other } = await pair(side, { sessionTimeoutMs: 6000 })
    for (let left = 100; left > 0; left--) {
      const request = { ...leader, groupInstanceId: null }
      const { errorCode } = await side.ask('Heartbeat', 4, request, { aside: true })
      if (errorCode !== 0) break
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await beat(side, leader)
    await join(side, groupId, { memberId: leader.memberId })
    await beat(other, follower)
    await describe(side, groupId)
  })

  rule('a static member may leave a place open and come back to it', async (side) => {
    const groupId = side.called('g')
    const member = await settle(side, groupId, { instanceId: 'one' })
    for (const version of [5, 7, 8, 9]) {
      const back = await join(side, groupId, { instanceId: 'one', version })
      const again = { ...member, memberId: back.memberId, generationId: back.generationId }
      await sync(side, again, { instanceId: 'one' })
      await beat(side, again, 'one')
    }
    await describe(side, groupId)
  })

  rule('an operator removes a static member by its instance', async (side) => {
    const groupId = side.called('g')
    const member = await settle(side, groupId, { instanceId: 'one' })
    await leave(side, groupId, [{ memberId: 'other', groupInstanceId: 'one' }])
    await leave(side, groupId, [{ memberId: '', groupInstanceId: 'one' }])
    await beat(side, member, 'one')
    await describe(side, groupId)
  })
})

/** Two members that have joined a generation whose shares are not given out. */
async function joined(side: Side, groupId: string, o: JoinOptions = {}) {
  const first = await settle(side, groupId)
  const other: Peer = await side.peer()
  const { memberId } = await join(other, groupId, { ...o, aside: true })
  const joining = join(other, groupId, { ...o, memberId })
  await untilState(side, groupId, 'PreparingRebalance')
  const { generationId } = await join(side, groupId, { memberId: first.memberId })
  await joining
  const leader = { ...first, generationId }
  return { leader, follower: { groupId, memberId, generationId }, other }
}
