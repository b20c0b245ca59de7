/**
 * How the partitions of a service's group are shared out: by task, not by topic, so that a task always has
 * all its inputs.
 *
 * Each member says which topics it reads together. Instances of two versions may be in one group while a
 * service is upgraded: topics that any of them reads together are shared out together, partition by
 * partition, among those instances that read the most of them, and one that reads fewer gets none while
 * another reads more. So no task goes to who does not have it, and no partition of a topic to two.
 *
 * Each member also names its transactional id, and where its query server is reached if it has one; everyone is
 * told the ids of all, and who holds what at which address (`peers.ts`). An id that nobody has is one that its
 * owner left behind. What members say is JSON whose fields are only ever added, as that of the leader.
 *
 * The coordinator keeps a static member in the list that did not come (KIP-345), with what it said last. Who
 * comes counts up, so a leader that has led before knows who is absent: it gets nothing, and whoever
 * takes over need not wait until its session ends.
 */
import { utf8Bytes, utf8String } from '../../base/bytes.ts'
import type { Assignor, AssignorMember } from '../../client/group/assignor.ts'
import { inOrder } from '../../client/group/assignor.ts'
import type { TopicPartition } from '../../client/cluster/topic-partition.ts'
import { writePeers } from './peers.ts'
import type { Plan } from './plan.ts'

const assignorName = 'headwater-tasks'

/** What an instance can do, as long as it lives. */
export interface Offer {
  readonly transactionalId: string | null
  /** Drawn by each process: who else says it is none. */
  readonly incarnation: string
  /** Where its query server is reached, `host:port`; left out when it has none, and by older versions. */
  readonly queryAddress?: string
  /** Topics read together, for each sub-topology and each input. */
  readonly readTogether: readonly (readonly string[])[]
}

/** What a member tells the leader. */
interface Word extends Offer {
  /** Counts how often it has joined; 0 from a member of another kind. */
  readonly round: number
}

/** What an instance with this plan offers. */
export function offerOf({ subTopologies, inputs }: Plan, who: Omit<Offer, 'readTogether'>): Offer {
  const parts = subTopologies.map(({ sources }) => sources.map(({ topic }) => topic))
  return {
    ...who,
    readTogether: [...parts, ...inputs.map((each) => [each.positionTopic])],
  }
}

/** The assignor of an instance that makes this offer. */
export function taskAssignor(offer: Offer): Assignor {
  let round = 0
  let heard: ReadonlyMap<string, number> = new Map()
  return {
    name: assignorName,
    isOwn: (said) => said !== null && parse(said).incarnation === offer.incarnation,
    userData: () => utf8Bytes(JSON.stringify({ ...offer, round: ++round } satisfies Word)),
    assign: (members, partitionCounts) => {
      const all = members.toSorted(inOrder).map((member): Candidate => {
        return { memberId: member.memberId, word: wordOf(member), partitions: [] }
      })
      const there = all.filter(({ memberId, word }) => {
        return word.round === 0 || heard.get(memberId) !== word.round
      })
      heard = new Map(all.map(({ memberId, word }) => [memberId, word.round]))
      return assignTasksToMembers(there, partitionCounts)
    },
  }
}

interface Candidate {
  readonly memberId: string
  readonly word: Word
  readonly partitions: TopicPartition[]
}

function assignTasksToMembers(
  candidates: readonly Candidate[],
  partitionCounts: ReadonlyMap<string, number>,
): ReadonlyMap<string, { partitions: readonly TopicPartition[]; userData: Uint8Array }> {
  for (const [rank, topics] of unitedTopics(candidates, partitionCounts).entries()) {
    shareOut(topics, rank, candidates, partitionCounts)
  }
  const userData = writePeers(
    candidates.map(({ word: { transactionalId, queryAddress }, partitions }) => {
      return { transactionalId, queryAddress, partitions }
    }),
  )
  return new Map(candidates.map((each) => [each.memberId, { ...each, userData }]))
}

/** A member of another kind reads each of its topics by itself. */
function wordOf({ userData, topics }: AssignorMember): Word {
  if (userData === null)
    return {
      transactionalId: null,
      readTogether: topics.map((each) => [each]),
      incarnation: '',
      round: 0,
    }
  return parse(userData)
}

function parse(said: Uint8Array): Word {
  return JSON.parse(utf8String(said)) as Word
}

/** Topics that exist, in sets that anyone reads together, in order of their names. */
function unitedTopics(
  candidates: readonly Candidate[],
  partitionCounts: ReadonlyMap<string, number>,
): readonly (readonly string[])[] {
  const setOf = new Map<string, Set<string>>()
  for (const { word } of candidates) {
    for (const together of word.readTogether) {
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
  const readBy = ({ word }: Candidate): string[] => {
    const own = new Set(word.readTogether.flat())
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
