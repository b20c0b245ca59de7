/** Creating, deleting and growing topics: the topics machine decides. */
import { callOf, forward, randomUuid, type Handlers } from './context.ts'

export const topicsHandlers: Handlers = {
  *CreateTopics(request, context) {
    const topicIds: string[] = []
    for (const _ of request.topics) {
      topicIds.push(randomUuid(context.random))
      yield 2
    }
    return context.topics.call((token) => ({
      ...callOf('CreateTopics', token, request, context),
      topicIds,
    }))
  },

  DeleteTopics: (request, context) => forward(context.topics, 'DeleteTopics', request, context),

  CreatePartitions: (request, context) =>
    forward(context.topics, 'CreatePartitions', request, context),
}
