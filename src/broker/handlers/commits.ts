/**
 * The positions a group has committed. The groups machine knows topics by name only and believes what it
 * is told: ids become names here, and a commit for a partition that does not exist is refused here.
 */
import { zeroUuid } from '../../base/units.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { forward, type Handlers, type RequestContext } from './context.ts'
import { inPlace, knownOnly } from './known.ts'

/** Topics are named by id from this version on, in both APIs. */
const topicIdVersion = 10

export const commitsHandlers: Handlers = {
  OffsetCommit: async (request, context) => {
    const topics = request.topics.map((topic) => withName(topic, context))
    const committed = await forward(
      context.groups,
      'OffsetCommit',
      { ...request, topics: knownOnly(topics, context.catalog) },
      context,
    )
    return {
      topics: topics.map(({ name, topicId, partitions }, at) => {
        const unknown =
          name === '' && context.version >= topicIdVersion
            ? ErrorCode.UNKNOWN_TOPIC_ID
            : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        const answered = committed.topics?.[at]?.partitions
        return { name, topicId, partitions: inPlace(partitions, answered, unknown) }
      }),
    }
  },

  OffsetFetch: async (request, context) => {
    if (context.version < topicIdVersion) {
      return forward(context.groups, 'OffsetFetch', request, context)
    }
    const groups = request.groups.map((group) => ({
      ...group,
      topics: group.topics?.map((topic) => withName(topic, context)) ?? null,
    }))
    const known = groups.map((group) => ({
      ...group,
      topics: group.topics?.filter(({ name }) => name !== '') ?? null,
    }))
    const fetched = await forward(
      context.groups,
      'OffsetFetch',
      { ...request, groups: known },
      context,
    )
    return {
      groups: fetched.groups?.map((answer, i) => ({
        ...answer,
        topics: [
          ...(answer.topics ?? []).map((topic) => withId(topic, context)),
          ...unknownTopics(groups[i]?.topics ?? []),
        ],
      })),
    }
  },
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
