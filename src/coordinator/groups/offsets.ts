/**
 * Committed offsets: OffsetCommit, OffsetFetch, OffsetDelete, and commits inside transactions.
 *
 * Who may commit: a member of the current generation; or, while the group has no members, anyone who
 * claims no membership, even for the group without a name that old clients use. Offsets never expire: a
 * team that comes back after a month finds its place.
 *
 * A transactional commit is pending until its transaction is decided (KIP-98). Readers who ask for stable
 * offsets are told to wait meanwhile (KIP-447). When two compete for a partition the later written wins,
 * whichever is decided first.
 */
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { Steps } from '../../base/steps.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { answer, onlyAnswer } from '../answer.ts'
import type { Call, CompleteTransaction, PositionsIn, TopicsDeleted } from '../commands.ts'
import type { GroupsChange, GroupsDecision } from './changes.ts'
import type { GroupsOptions } from './options.ts'
import { memberFault } from './join.ts'
import { blankGroup, offsetsOf, type Group, type GroupsState } from './state.ts'
import { refreshed } from './sync.ts'
import { subscribedTopics } from './subscription.ts'
import { commitBytes } from './weight.ts'

type CommittedTopic = Pick<RequestOf<'OffsetCommit'>['topics'][number], 'name' | 'partitions'> & {
  readonly topicId?: string
}

interface Committer {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly generationId: number
}

export function commitOffsets(
  options: GroupsOptions,
  state: GroupsState,
  command: Call<'OffsetCommit'>,
  now: number,
): GroupsDecision {
  const { request, version } = command
  const { groupId, memberId, groupInstanceId } = request
  const group = state.groups.get(groupId)
  const committer = { memberId, groupInstanceId, generationId: request.generationIdOrMemberEpoch }
  const isOrphan = group === undefined && committer.generationId >= 0 && version >= 9
  const fault = isOrphan
    ? ErrorCode.GROUP_ID_NOT_FOUND
    : (committerFault(group, committer, false) ?? rebalanceFault(group))
  const { accepted, topics } = sortOut(options, request.topics, fault, (asked) => {
    return mayGrow(options, state, groupId, asked, false)
  })
  const changes: GroupsChange[] =
    group === undefined ? [] : [...refreshed(state, group, memberId, now)]
  if (accepted.length > 0) changes.push({ type: 'offsets-committed', groupId, topics: accepted })
  return { changes, replies: [answer(command, { topics })], effects: [] }
}

/** The handler has asked the transactions machine before: the producer is in an open transaction. */
export function commitTransactionOffsets(
  options: GroupsOptions,
  state: GroupsState,
  command: Call<'TxnOffsetCommit'>,
): GroupsDecision {
  const { request, version } = command
  const { groupId, memberId, groupInstanceId, producerId, producerEpoch } = request
  const group = state.groups.get(groupId)
  const committer = { memberId, groupInstanceId, generationId: request.generationIdOrMemberEpoch }
  const late = producerEpoch < (state.markerEpochs.get(producerId) ?? -1)
  const isOrphan = group === undefined && committer.generationId >= 0 && version >= 6
  const fault = late
    ? ErrorCode.INVALID_PRODUCER_EPOCH
    : isOrphan
      ? ErrorCode.GROUP_ID_NOT_FOUND
      : committerFault(group, committer, true)
  const { accepted, topics } = sortOut(options, request.topics, fault, (asked) => {
    return mayGrow(options, state, groupId, asked, true)
  })
  const changes: GroupsChange[] =
    accepted.length === 0
      ? []
      : [{ type: 'offsets-pending', groupId, producerId, producerEpoch, topics: accepted }]
  return { changes, replies: [answer(command, { topics: topics.map(withoutId) })], effects: [] }
}

/** Safe to repeat: what is not pending any more is not touched. */
export function completeTransaction(
  state: GroupsState,
  command: CompleteTransaction,
): GroupsDecision {
  const { producerId, producerEpoch, commit, groups } = command
  const touched = groups.filter((groupId) => {
    const group = state.groups.get(groupId)
    return group !== undefined && hasPending(group, producerId)
  })
  const known = (state.markerEpochs.get(producerId) ?? -1) >= producerEpoch
  const changes: GroupsChange[] =
    touched.length === 0 && (known || groups.length === 0)
      ? []
      : [{ type: 'transaction-completed', producerId, producerEpoch, commit, groups: touched }]
  return { changes, replies: [answer(command, undefined)], effects: [] }
}

export function fetchOffsets(state: GroupsState, command: Call<'OffsetFetch'>): GroupsDecision {
  const { request, version } = command
  const fetch = (groupId: string, topics: FetchedTopics | null) =>
    fetchGroup(state.groups.get(groupId), topics, request.requireStable)
  if (version < 8) {
    const topics = fetch(request.groupId, request.topics).map(withoutId)
    return onlyAnswer(command, { topics })
  }
  const groups = request.groups.map(({ groupId, topics }) => ({
    groupId,
    topics: fetch(groupId, topics),
  }))
  return onlyAnswer(command, { groups })
}

export function deleteOffsets(
  options: GroupsOptions,
  state: GroupsState,
  command: Call<'OffsetDelete'>,
): GroupsDecision {
  const { request } = command
  const { groupId } = request
  const group = state.groups.get(groupId)
  if (groupId === '') return onlyAnswer(command, { errorCode: ErrorCode.INVALID_GROUP_ID })
  if (group === undefined) {
    return onlyAnswer(command, { errorCode: ErrorCode.GROUP_ID_NOT_FOUND })
  }
  const isConsumer = group.protocolType === 'consumer'
  if (group.state !== 'Empty' && !isConsumer) {
    return onlyAnswer(command, { errorCode: ErrorCode.NON_EMPTY_GROUP })
  }
  const subscribed = subscribedTopics(group, options.subscriptionsBytesMax)
  const deleted: { name: string; partitions: number[] }[] = []
  const topics = request.topics.map(({ name, partitions }) => {
    const inUse = subscribed === 'unknown' || subscribed.has(name)
    const errorCode = inUse ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE
    const indexes = partitions.map(({ partitionIndex }) => partitionIndex)
    const stored = indexes.filter((index) => offsetsOf(group, name, index) !== undefined)
    if (!inUse && stored.length > 0) deleted.push({ name, partitions: stored })
    return { name, partitions: indexes.map((partitionIndex) => ({ partitionIndex, errorCode })) }
  })
  const changes: GroupsChange[] =
    deleted.length === 0 ? [] : [{ type: 'offsets-deleted', groupId, topics: deleted }]
  const replies = [answer(command, { errorCode: ErrorCode.NONE, topics })]
  return { changes, replies, effects: [] }
}

export function forgetTopics(state: GroupsState, command: TopicsDeleted): GroupsDecision {
  const changes: GroupsChange[] = []
  for (const { groupId, topics: names } of command.positions) {
    const topics = names.flatMap((name) => {
      const partitions = state.groups.get(groupId)?.offsets.get(name)
      return partitions === undefined ? [] : [{ name, partitions: [...partitions.keys()] }]
    })
    if (topics.length > 0) changes.push({ type: 'offsets-deleted', groupId, topics })
  }
  return { changes, replies: [answer(command, undefined)], effects: [] }
}

/** Where which groups have positions in these topics, in pieces of so many positions or a few more. */
export function* positionsIn(
  state: GroupsState,
  gone: ReadonlySet<string>,
  positionsMax: number,
): Steps<readonly (readonly PositionsIn[])[]> {
  const pieces: PositionsIn[][] = [[]]
  let count = 0
  for (const [groupId, { offsets }] of state.groups) {
    // The fewer of the two: not every group for every topic.
    const isWide = offsets.size < gone.size
    let topics: string[] = []
    for (const name of isWide ? offsets.keys() : gone) {
      yield 1
      const partitions = offsets.get(name)
      if (partitions === undefined || !gone.has(name)) continue
      if (topics.length === 0) pieces.at(-1)!.push({ groupId, topics })
      topics.push(name)
      count += partitions.size
      if (count < positionsMax) continue
      pieces.push([])
      topics = []
      count = 0
    }
  }
  return pieces.filter((piece) => piece.length > 0)
}

/** Every topic that a group has a position in. */
export function topicsWithOffsets(state: GroupsState): ReadonlySet<string> {
  return new Set([...state.groups.values()].flatMap(({ offsets }) => [...offsets.keys()]))
}

/** Why this committer may not commit to the group. Transactions without a word about membership pass:
 * producers before KIP-447 know of none. */
function committerFault(
  group: Group | undefined,
  committer: Committer,
  isTransactional: boolean,
): number | undefined {
  const { memberId, groupInstanceId, generationId } = committer
  if (group === undefined) return generationId < 0 ? undefined : ErrorCode.ILLEGAL_GENERATION
  if (generationId < 0 && group.state === 'Empty') return undefined
  const claimsMembership = generationId >= 0 || memberId !== '' || groupInstanceId !== null
  if (claimsMembership) return membershipFault(group, committer)
  return isTransactional ? undefined : ErrorCode.UNKNOWN_MEMBER_ID
}

function membershipFault(group: Group, committer: Committer): number | undefined {
  const fault = memberFault(group, committer.memberId, committer.groupInstanceId)
  if (fault !== undefined) return fault
  return committer.generationId === group.generationId ? undefined : ErrorCode.ILLEGAL_GENERATION
}

/** Between join and sync nobody owns anything yet that it could have finished. */
function rebalanceFault(group: Group | undefined): number | undefined {
  return group?.state === 'CompletingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : undefined
}

interface AcceptedTopic {
  readonly name: string
  readonly partitions: {
    readonly partition: number
    readonly offset: number
    readonly leaderEpoch: number
    readonly metadata: string
  }[]
}

/** Whether all offsets together may grow by these. */
function mayGrow(
  { offsetsBytesMax }: GroupsOptions,
  { groups, offsetsBytes }: GroupsState,
  groupId: string,
  topics: readonly AcceptedTopic[],
  isPending: boolean,
): boolean {
  const bytes = commitBytes(groups.get(groupId) ?? blankGroup(groupId), topics, isPending)
  return bytes <= 0 || offsetsBytes + bytes <= offsetsBytesMax
}

/** Splits a commit into what is kept and what each partition is told; it is kept whole, or none of it. */
function sortOut(
  options: GroupsOptions,
  topics: readonly CommittedTopic[],
  fault: number | undefined,
  isRoom: (accepted: readonly AcceptedTopic[]) => boolean,
): { accepted: AcceptedTopic[]; topics: CommitAnswers } {
  const sorted = sortOutEach(options, topics, fault)
  if (sorted.accepted.length === 0 || isRoom(sorted.accepted)) return sorted
  return sortOutEach(options, topics, ErrorCode.INVALID_COMMIT_OFFSET_SIZE)
}

function sortOutEach(
  { offsetMetadataLengthMax }: GroupsOptions,
  topics: readonly CommittedTopic[],
  fault: number | undefined,
): { accepted: AcceptedTopic[]; topics: CommitAnswers } {
  const accepted: AcceptedTopic[] = []
  const answers = topics.map(({ name, topicId, partitions }) => {
    const kept: AcceptedTopic = { name, partitions: [] }
    const results = partitions.map((each) => {
      const { partitionIndex } = each
      if (fault !== undefined) return { partitionIndex, errorCode: fault }
      const metadata = each.committedMetadata ?? ''
      if (metadata.length > offsetMetadataLengthMax) {
        return { partitionIndex, errorCode: ErrorCode.OFFSET_METADATA_TOO_LARGE }
      }
      kept.partitions.push({
        partition: partitionIndex,
        offset: each.committedOffset,
        leaderEpoch: each.committedLeaderEpoch,
        metadata,
      })
      return { partitionIndex, errorCode: ErrorCode.NONE }
    })
    if (kept.partitions.length > 0) accepted.push(kept)
    return topicId === undefined
      ? { name, partitions: results }
      : { name, topicId, partitions: results }
  })
  return { accepted, topics: answers }
}

/** As OffsetCommit is answered, where topics have ids too. */
type CommitAnswers = {
  readonly name: string
  readonly topicId?: string
  readonly partitions: { readonly partitionIndex: number; readonly errorCode: number }[]
}[]

/** A topic as messages without topic ids are answered. */
function withoutId<P>({ name, partitions }: { readonly name: string; readonly partitions: P }): {
  name: string
  partitions: P
} {
  return { name, partitions }
}

type FetchedTopics = readonly {
  readonly name: string
  readonly topicId?: string
  readonly partitionIndexes: readonly number[]
}[]

type FetchedPartition = ResponseOf<'OffsetFetch'>['topics'][number]['partitions'][number]
type FetchAnswers = {
  readonly name: string
  readonly topicId?: string
  readonly partitions: FetchedPartition[]
}[]

function fetchGroup(
  group: Group | undefined,
  topics: FetchedTopics | null,
  requireStable: boolean,
): FetchAnswers {
  const asked = topics ?? everyOffset(group)
  return asked.map(({ name, topicId, partitionIndexes }) => {
    const partitions = partitionIndexes.map((partitionIndex) => {
      const stored = group === undefined ? undefined : offsetsOf(group, name, partitionIndex)
      const unstable = requireStable && (stored?.pending.length ?? 0) > 0
      const committed = unstable ? undefined : stored?.committed
      return {
        partitionIndex,
        committedOffset: committed?.offset ?? -1,
        committedLeaderEpoch: committed?.leaderEpoch ?? -1,
        metadata: committed?.metadata ?? '',
        errorCode: unstable ? ErrorCode.UNSTABLE_OFFSET_COMMIT : ErrorCode.NONE,
      }
    })
    return topicId === undefined ? { name, partitions } : { name, topicId, partitions }
  })
}

function everyOffset(group: Group | undefined): FetchedTopics {
  if (group === undefined) return []
  return [...group.offsets].flatMap(([name, partitions]) => {
    const committed = [...partitions].filter(([, each]) => each.committed !== undefined)
    const partitionIndexes = committed.map(([partition]) => partition)
    return partitionIndexes.length === 0 ? [] : [{ name, partitionIndexes }]
  })
}

function hasPending(group: Group, producerId: number): boolean {
  for (const partitions of group.offsets.values()) {
    for (const { pending } of partitions.values()) {
      if (pending.some((each) => each.producerId === producerId)) return true
    }
  }
  return false
}
