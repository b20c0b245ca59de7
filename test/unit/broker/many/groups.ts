/** Requests about many groups, their members and what they commit. */
import { commits, eachWay, many, more, type ManyItems } from './many-items.ts'
import { each, joinRequest, topicName } from './small-world.ts'

export const groups: readonly ManyItems[] = [
  ...eachWay.flatMap(([what, index]) => [
    many('OffsetCommit', what, ({ n, ask }) =>
      ask('OffsetCommit', 7, {
        groupId: 'g',
        topics: [{ name: 'wide', partitions: commits(n, index) }],
      }),
    ),
    more('OffsetFetch', what, ({ n, ask }) =>
      ask('OffsetFetch', 7, {
        groupId: 'g',
        topics: [{ name: 'wide', partitionIndexes: each(n, index) }],
      }),
    ),
    more('OffsetDelete', what, ({ n, ask }) =>
      ask('OffsetDelete', 0, {
        groupId: 'group-0',
        topics: [{ name: 'wide', partitions: each(n, (i) => ({ partitionIndex: index(i) })) }],
      }),
    ),
  ]),
  many('OffsetCommit', 'all topics', ({ n, ask }) =>
    ask('OffsetCommit', 7, {
      groupId: 'g',
      topics: each(n, (i) => ({ name: topicName(i), partitions: commits(1, () => 0) })),
    }),
  ),
  many('OffsetCommit', 'one topic again and again', ({ n, ask }) =>
    ask('OffsetCommit', 7, {
      groupId: 'g',
      topics: each(n, () => ({ name: 'wide', partitions: commits(1, () => 0) })),
    }),
  ),
  more('OffsetFetch', 'many groups', ({ n, ask }) =>
    ask('OffsetFetch', 8, {
      groups: each(n, (i) => ({ groupId: `group-${i}`, topics: null })),
    }),
  ),
  more('JoinGroup', 'protocols that nobody else knows', async ({ n, ask, round }) => {
    const groupId = `joined-${round()}`
    const protocols = (prefix: string) =>
      each(n, (i) => ({ name: `${prefix}${i}`, metadata: new Uint8Array(0) }))
    await ask('JoinGroup', 3, joinRequest(groupId, null, protocols('ours-')))
    return ask('JoinGroup', 3, joinRequest(groupId, null, protocols('theirs-')))
  }),
  more('SyncGroup', 'assignments', async ({ n, ask, round }) => {
    const groupId = `synced-${round()}`
    const { memberId, generationId } = await ask('JoinGroup', 3, joinRequest(groupId, null))
    const assignment = new Uint8Array(0)
    const assignments = each(n, (i) => ({ memberId: `member-${i}`, assignment }))
    return ask('SyncGroup', 2, { groupId, generationId, memberId, assignments })
  }),
  more('LeaveGroup', 'members, known and unknown', ({ n, ask, round }) => {
    // One of the group's own each time; it is not to end.
    const own = { memberId: '', groupInstanceId: `instance-${round()}` }
    const members = each(n, (i) => ({ memberId: '', groupInstanceId: `stranger-${i}` }))
    return ask('LeaveGroup', 3, { groupId: 'crowd', members: [own, ...members] })
  }),
  more('DescribeGroups', 'all groups', ({ n, ask }) =>
    ask('DescribeGroups', 5, { groups: each(n, (i) => `group-${i}`) }),
  ),
  more('ListGroups', 'states', ({ n, ask }) =>
    ask('ListGroups', 5, { statesFilter: each(n, (i) => `state-${i}`) }),
  ),
  more('ListGroups', 'types', ({ n, ask }) =>
    ask('ListGroups', 5, { typesFilter: each(n, (i) => `type-${i}`) }),
  ),
  more('DeleteGroups', 'all groups', ({ n, ask }) =>
    ask('DeleteGroups', 2, { groupsNames: each(n, (i) => `gone-${i}`) }),
  ),
]
