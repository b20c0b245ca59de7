/** The fewest changes that build the groups anew. */
import type { GroupsChange } from './changes.ts'
import type { CommittedOffset, Group, GroupsState } from './state.ts'

export function dumpGroups(state: GroupsState): GroupsChange[] {
  return [...state.groups.values()].flatMap((group) => [
    ...dumpMembers(group),
    ...dumpOffsets(group),
  ])
}

function dumpMembers(group: Group): GroupsChange[] {
  const { groupId, protocolType, protocolName, leaderId, generationId } = group
  const members = [...group.members.values()]
  const joins = members.map(({ assignment: _assignment, ...member }): GroupsChange => ({
    type: 'member-joined',
    groupId,
    protocolType: protocolType ?? '',
    ...member,
  }))
  const assignments = members.map(({ memberId, assignment }) => ({ memberId, assignment }))
  const restored: GroupsChange = {
    type: 'group-restored',
    groupId,
    state: group.state,
    protocolType,
    protocolName,
    leaderId,
    generationId,
    assignments,
  }
  return [...joins, restored]
}

/** Committed offsets first, then each pending one in its order: the order decides who wins. */
function dumpOffsets({ groupId, offsets }: Group): GroupsChange[] {
  const changes: GroupsChange[] = []
  const committed = [...offsets].flatMap(([name, partitions]) => {
    const known = [...partitions].flatMap(([partition, each]) =>
      each.committed === undefined ? [] : [{ partition, ...each.committed }],
    )
    return known.length === 0 ? [] : [{ name, partitions: known }]
  })
  if (committed.length > 0) changes.push({ type: 'offsets-committed', groupId, topics: committed })
  for (const [name, partitions] of offsets) {
    for (const [partition, { pending }] of partitions) {
      for (const { producerId, producerEpoch, ...offset } of pending) {
        const topics = [
          { name, partitions: [{ partition, ...(offset satisfies CommittedOffset) }] },
        ]
        changes.push({ type: 'offsets-pending', groupId, producerId, producerEpoch, topics })
      }
    }
  }
  return changes
}
