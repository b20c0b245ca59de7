/**
 * The positions a group has committed. The groups machine knows topics by name only and believes what it
 * is told: ids become names here, and a commit for a partition that does not exist is refused here.
 */
import type { Steps } from '../../base/steps.ts'
import { zeroUuid } from '../../base/units.ts'
import type { RequestOf, ResponseInput } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { answerBytesOf } from './answer-bytes.ts'
import { askNow, once, type Handlers, type RequestContext } from './context.ts'
import { inPlace, knownOnly } from './known.ts'
import { areFew, join, piecesOf, type Piece } from './pieces.ts'

/** Topics are named by id from this version on, in both APIs. */
const topicIdVersion = 10
/** OffsetFetch asks for many groups from this version on (KIP-709). */
const manyGroupsVersion = 8

type CommittedTopic = NonNullable<ResponseInput<'OffsetCommit'>['topics']>[number]
type FetchedTopic = NonNullable<ResponseInput<'OffsetFetch'>['topics']>[number]
type AskedGroup = RequestOf<'OffsetFetch'>['groups'][number]
type AskedTopic = NonNullable<AskedGroup['topics']>[number]

export const commitsHandlers: Handlers = {
  OffsetCommit: (request, context) => {
    const isShort = areFew(request.topics, 'partitions', context.turns)
    if (!isShort) return commitInPieces(request, context)
    const { topics, durable } = commit(request, context)
    return once(durable, { topics })
  },

  OffsetFetch: (request, context) => {
    const hasGroups = context.version >= manyGroupsVersion
    const asked = hasGroups ? request.groups : [onlyGroup(request)]
    const [group] = asked
    const topics = asked.length === 1 ? group!.topics : null
    if (topics === null || !areFew(topics, 'partitionIndexes', context.turns)) {
      return fetchInPieces(request, asked, context)
    }
    const { fetched, strangers } = fetchNamed(request, group!, topics, context)
    return once(
      fetched.durable,
      answerOf(
        [{ groupId: group!.groupId, topics: withUnknown(fetched.topics, strangers) }],
        context,
      ),
    )
  },
}

function* commitInPieces(
  request: RequestOf<'OffsetCommit'>,
  context: RequestContext,
): Steps<ResponseInput<'OffsetCommit'> | Promise<ResponseInput<'OffsetCommit'>>> {
  const topics: CommittedTopic[] = []
  let durable: Promise<void> | undefined
  for (const piece of piecesOf(request.topics, 'partitions', context.turns.itemsMax)) {
    const committed = commit({ ...request, topics: piece.topics }, context)
    durable = committed.durable
    join(topics, committed.topics, 'partitions', piece)
    yield piece.items
  }
  return once(durable, { topics })
}

function* fetchInPieces(
  request: RequestOf<'OffsetFetch'>,
  asked: readonly AskedGroup[],
  context: RequestContext,
): Steps<ResponseInput<'OffsetFetch'> | Promise<ResponseInput<'OffsetFetch'>>> {
  const groups: AnsweredGroup[] = []
  let durable: Promise<void> | undefined
  for (const group of yield* groupsOnce(asked)) {
    const { groupId } = group
    const fetched = yield* fetchGroup(request, group, context)
    durable = fetched.durable
    groups.push({ groupId, topics: fetched.topics })
  }
  return once(durable, answerOf(groups, context))
}

/** The groups that are asked about, each once, with all that is asked of it. */
function* groupsOnce(asked: readonly AskedGroup[]): Steps<Iterable<AskedGroup>> {
  if (asked.length < 2) return asked
  const found = new Map<string, AskedGroup & { topics: AskedTopic[] | null }>()
  for (const group of asked) {
    const { groupId, topics } = group
    yield 1 + (topics?.length ?? 0) / 8
    const wanted = found.get(groupId)
    if (wanted === undefined) found.set(groupId, { ...group, topics: topics && [...topics] })
    else if (topics === null) wanted.topics = null
    else for (const topic of topics) wanted.topics?.push(topic)
  }
  return found.values()
}

interface AnsweredGroup {
  readonly groupId: string
  readonly topics: readonly FetchedTopic[]
}

function answerOf(
  groups: readonly AnsweredGroup[],
  { version }: RequestContext,
): ResponseInput<'OffsetFetch'> {
  return version >= manyGroupsVersion ? { groups } : { topics: groups[0]?.topics }
}

function commit(
  request: RequestOf<'OffsetCommit'>,
  context: RequestContext,
): { topics: readonly CommittedTopic[]; durable: Promise<void> | undefined } {
  const topics = request.topics.map((topic) => withName(topic, context))
  const known = { ...request, topics: knownOnly(topics, context.catalog) }
  const { response, durable } = askNow(context.groups, 'OffsetCommit', known, context)
  const answers = topics.map(({ name, topicId, partitions }, at) => {
    const unknown =
      name === '' && context.version >= topicIdVersion
        ? ErrorCode.UNKNOWN_TOPIC_ID
        : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    const answered = response.topics?.[at]?.partitions
    return { name, topicId, partitions: inPlace(partitions, answered, unknown) }
  })
  return { topics: answers, durable }
}

/** What versions that know one group only ask of it. */
function onlyGroup({ groupId, topics }: RequestOf<'OffsetFetch'>): AskedGroup {
  const named = topics?.map((topic) => ({ ...topic, topicId: zeroUuid })) ?? null
  return { groupId, memberId: null, memberEpoch: -1, topics: named }
}

interface FetchedGroup {
  readonly topics: readonly FetchedTopic[]
  readonly durable: Promise<void> | undefined
}

function* fetchGroup(
  request: RequestOf<'OffsetFetch'>,
  group: AskedGroup,
  context: RequestContext,
): Steps<FetchedGroup> {
  if (group.topics === null) {
    const fetched = fetchPiece(request, group, null, context)
    context.room.grow(answerBytesOf(fetched.topics))
    yield itemsOf(fetched.topics)
    return fetched
  }
  const topics: FetchedTopic[] = []
  const unknown: FetchedTopic[] = []
  let durable: Promise<void> | undefined
  for (const piece of piecesOf(group.topics, 'partitionIndexes', context.turns.itemsMax)) {
    const { named, known, strangers, fetched } = fetchNamed(request, group, piece.topics, context)
    durable = fetched.durable
    const unknownOnes = unknownTopics(strangers)
    context.room.grow(answerBytesOf(fetched.topics) + answerBytesOf(unknownOnes))
    join(topics, fetched.topics, 'partitions', endsOf(piece, named, known))
    join(unknown, unknownOnes, 'partitions', endsOf(piece, named, strangers))
    yield piece.items
  }
  return { topics: unknown.length === 0 ? topics : [...topics, ...unknown], durable }
}

/** Asks for the topics that have a name; the others are `strangers`. */
function fetchNamed(
  request: RequestOf<'OffsetFetch'>,
  group: AskedGroup,
  topics: NonNullable<AskedGroup['topics']>,
  context: RequestContext,
) {
  const named = topics.map((topic) => withName(topic, context))
  const known = context.version < topicIdVersion ? named : named.filter(hasName)
  const strangers = named.length === known.length ? [] : named.filter((each) => !hasName(each))
  return { named, known, strangers, fetched: fetchPiece(request, group, known, context) }
}

function withUnknown(
  topics: readonly FetchedTopic[],
  strangers: Parameters<typeof unknownTopics>[0],
): readonly FetchedTopic[] {
  return strangers.length === 0 ? topics : [...topics, ...unknownTopics(strangers)]
}

function hasName({ name }: { readonly name: string }): boolean {
  return name !== ''
}

/** Whether the ends of a piece that go on are among those of its topics that were chosen. */
function endsOf<T>(
  { continues, goesOn }: Pick<Piece<T>, 'continues' | 'goesOn'>,
  all: readonly T[],
  chosen: readonly T[],
): Pick<Piece<T>, 'continues' | 'goesOn'> {
  return {
    continues: continues && chosen[0] === all[0],
    goesOn: goesOn && chosen.at(-1) === all.at(-1),
  }
}

function fetchPiece(
  request: RequestOf<'OffsetFetch'>,
  group: AskedGroup,
  topics: AskedGroup['topics'],
  context: RequestContext,
): FetchedGroup {
  const asked =
    context.version < manyGroupsVersion
      ? { ...request, topics }
      : { ...request, groups: [{ ...group, topics }] }
  const { response, durable } = askNow(context.groups, 'OffsetFetch', asked, context)
  const answered = response.topics ?? response.groups?.[0]?.topics ?? []
  const hasIds = context.version >= topicIdVersion
  return { topics: hasIds ? answered.map((topic) => withId(topic, context)) : answered, durable }
}

function itemsOf(topics: readonly FetchedTopic[]): number {
  return topics.reduce((sum, { partitions }) => sum + 1 + (partitions?.length ?? 0), 1)
}

/** A topic whose id is unknown gets the empty name, which no topic has. */
function withName<T extends { readonly name: string; readonly topicId: string }>(
  topic: T,
  { catalog, version }: RequestContext,
): T {
  if (version < topicIdVersion) return topic
  return { ...topic, name: catalog.byId(topic.topicId)?.name ?? '' }
}

function withId<T extends { readonly name?: string | undefined }>(
  topic: T,
  { catalog }: RequestContext,
): T & { topicId: string } {
  return { ...topic, topicId: catalog.byName(topic.name ?? '')?.topicId ?? zeroUuid }
}

function unknownTopics(
  topics: readonly {
    readonly name: string
    readonly topicId: string
    readonly partitionIndexes: readonly number[]
  }[],
) {
  return topics
    .filter(({ name }) => name === '')
    .map(({ name, topicId, partitionIndexes }) => ({
      name,
      topicId,
      partitions: partitionIndexes.map((partitionIndex) => ({
        partitionIndex,
        committedOffset: -1,
        metadata: '',
        errorCode: ErrorCode.UNKNOWN_TOPIC_ID,
      })),
    }))
}
