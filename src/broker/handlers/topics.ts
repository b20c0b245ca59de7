/** Creating, deleting and growing topics: the topics machine decides, and ids become names here. */
import { zeroUuid } from '../../base/units.ts'
import type { ResponseOf } from '../../protocol/api.ts'
import { ErrorCode, errorText } from '../../protocol/errors.ts'
import { callOf, forward, randomUuid, type Handlers } from '../context.ts'

/** Topics can be deleted by id from this version on (KIP-516). */
const topicIdVersion = 6

export const topicsHandlers: Handlers = {
  CreateTopics: (request, context) => {
    const topicIds = request.topics.map(() => randomUuid(context.random))
    return context.topics.call((token) => ({
      ...callOf('CreateTopics', token, request, context),
      topicIds,
    })) as Promise<ResponseOf<'CreateTopics'>>
  },

  DeleteTopics: async (request, context) => {
    if (context.version < topicIdVersion) {
      return forward(context.topics, 'DeleteTopics', request, context)
    }
    const named = request.topics.map(({ name, topicId }) => ({
      name: name ?? context.catalog.byId(topicId)?.name ?? null,
      topicId,
    }))
    const topics = named.filter(({ name }) => name !== null)
    const deleted = await forward(
      context.topics,
      'DeleteTopics',
      { ...request, topics: topics.map(({ name }) => ({ name, topicId: zeroUuid })) },
      context,
    )
    const unknown = named
      .filter(({ name }) => name === null)
      .map(({ topicId }) => ({
        name: null,
        topicId,
        errorCode: ErrorCode.UNKNOWN_TOPIC_ID,
        errorMessage: errorText(ErrorCode.UNKNOWN_TOPIC_ID),
      }))
    return { ...deleted, responses: [...deleted.responses, ...unknown] }
  },

  CreatePartitions: (request, context) =>
    forward(context.topics, 'CreatePartitions', request, context),
}
