/**
 * How the partitions of a service's group are shared out: by task, not by topic, so that a task always has
 * all its inputs.
 *
 * Each member says which topics it reads together. Instances of two versions may be in one group while a
 * service is upgraded: topics that any of them reads together are shared out together, partition by
 * partition, among those instances that read the most of them, and one that reads fewer gets none while
 * another reads more. So no task goes to who does not have it, and no partition of a topic to two.
 *
 * Each member also names its transactional id; everyone is told the ids of all (`Peers`). An id that
 * nobody has is one that its owner left behind.
 */
import { utf8Bytes, utf8String } from '../../base/bytes.ts'
import type { Assignor, AssignorMember } from '../../client/group/assignor.ts'
import { inOrder } from '../../client/group/assignor.ts'
import type { TopicPartition } from '../../client/cluster/topic-partition.ts'
import type { Plan } from './plan.ts'

const assignorName = 'headwater-tasks'

/** What a member tells the leader. */
export interface Offer {
  readonly transactionalId: string | null
  /** Topics read together, for each sub-topology and each input. */
  readonly readTogether: readonly (readonly string[])[]
}

/** What the leader tells a member. */
export interface Peers {
  /** Of all members of the generation. */
  readonly transactionalIds: readonly string[]
}

/** What an instance with this plan offers. */
export function offerOf({ subTopologies, inputs }: Plan, transactionalId: string | null): Offer {
  const parts = subTopologies.map(({ sources }) => sources.map(({ topic }) => topic))
  return {
    transactionalId,
    readTogether: [...parts, ...inputs.map((each) => [each.positionTopic])],
  }
}

/** The assignor of an instance that makes this offer. */
export function taskAssignor(offer: Offer): Assignor {
  const userData = utf8Bytes(JSON.stringify(offer))
  return { name: assignorName, userData: () => userData, assign: assignTasksToMembers }
}

/** What a member was told; nobody is known when it was told nothing. */
export function peersOf(userData: Uint8Array | null): Peers {
  if (userData === null) return { transactionalIds: [] }
  return JSON.parse(utf8String(userData)) as Peers
}

interface Candidate {
  readonly memberId: string
  readonly offer: Offer
  readonly partitions: TopicPartition[]
}

function assignTasksToMembers(
  members: readonly AssignorMember[],
  partitionCounts: ReadonlyMap<string, number>,
): ReadonlyMap<string, { partitions: readonly TopicPartition[]; userData: Uint8Array }> {
  const candidates = members.toSorted(inOrder).map((member): Candidate => {
    return { memberId: member.memberId, offer: offerIn(member), partitions: [] }
  })
  for (const [rank, topics] of unitedTopics(candidates, partitionCounts).entries()) {
    shareOut(topics, rank, candidates, partitionCounts)
  }
  const transactionalIds = candidates.flatMap(({ offer }) => offer.transactionalId ?? [])
  const userData = utf8Bytes(JSON.stringify({ transactionalIds } satisfies Peers))
  return new Map(candidates.map((each) => [each.memberId, { ...each, userData }]))
}

/** A member of another kind reads each of its topics by itself. */
function offerIn({ userData, topics }: AssignorMember): Offer {
  if (userData === null)
    return { transactionalId: null, readTogether: topics.map((each) => [each]) }
  return JSON.parse(utf8String(userData)) as Offer
}

/** Topics that exist, in sets that anyone reads together, in order of their names. */
function unitedTopics(
  candidates: readonly Candidate[],
  partitionCounts: ReadonlyMap<string, number>,
): readonly (readonly string[])[] {
  const setOf = new Map<string, Set<string>>()
  for (const { offer } of candidates) {
    for (const together of offer.readTogether) {
      const united = new Set<string>()
      for (const topic of together) {
        for (const each of setOf.get(topic) ?? [topic]) united.add(each)
      }
      for (const topic of united) setOf.set(topic, united)
    }
  }
  return [...new Set(setOf.values())]
    .map((topics) => [...topics].filter((topic) => partitionCounts.has(topic)).toSorted())
    .filter((topics) => topics.length > 0)
    .toSorted((a, b) => (a[0]! < b[0]! ? -1 : 1))
}

/** Runs of neighbouring partitions to each reader; readers take turns in being the first. */
function shareOut(
  topics: readonly string[],
  rank: number,
  candidates: readonly Candidate[],
  partitionCounts: ReadonlyMap<string, number>,
): void {
  const readBy = ({ offer }: Candidate): string[] => {
    const own = new Set(offer.readTogether.flat())
    return topics.filter((topic) => own.has(topic))
  }
  const most = Math.max(...candidates.map((each) => readBy(each).length))
  const readers = candidates.filter((each) => readBy(each).length === most)
  const count = Math.max(...topics.map((topic) => partitionCounts.get(topic)!))
  for (let partition = 0; partition < count; partition++) {
    const turn = Math.floor((partition * readers.length) / count) + rank
    const reader = readers[turn % readers.length]!
    for (const topic of readBy(reader)) {
      if (partition < partitionCounts.get(topic)!) reader.partitions.push({ topic, partition })
    }
  }
}
