/** The fewest changes that build the groups anew. */
import type { GroupsChange } from './changes.ts'
import type { CommittedOffset, Group, GroupsState } from './state.ts'

/** Offsets committed in one change. */
const offsetsMax = 1_000

export function* dumpGroups(state: GroupsState): Iterable<GroupsChange> {
  for (const group of state.groups.values()) {
    yield* dumpMembers(group)
    yield* dumpOffsets(group)
  }
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
function* dumpOffsets(group: Group): Iterable<GroupsChange> {
  yield* dumpCommitted(group)
  const { groupId, offsets } = group
  for (const [name, partitions] of offsets) {
    for (const [partition, { pending }] of partitions) {
      for (const { producerId, producerEpoch, ...offset } of pending) {
        const topics = [
          { name, partitions: [{ partition, ...(offset satisfies CommittedOffset) }] },
        ]
        yield { type: 'offsets-pending', groupId, producerId, producerEpoch, topics }
      }
    }
  }
}

function* dumpCommitted({ groupId, offsets }: Group): Iterable<GroupsChange> {
  type Topic = Extract<GroupsChange, { readonly type: 'offsets-committed' }>['topics'][number]
  let topics: Topic[] = []
  let count = 0
  for (const [name, partitions] of offsets) {
    const committed = [...partitions].flatMap(([partition, each]) =>
      each.committed === undefined ? [] : [{ partition, ...each.committed }],
    )
    if (committed.length === 0) continue
    topics.push({ name, partitions: committed })
    count += committed.length
    if (count < offsetsMax) continue
    yield { type: 'offsets-committed', groupId, topics }
    topics = []
    count = 0
  }
  if (count > 0) yield { type: 'offsets-committed', groupId, topics }
}
