/** The fewest changes that build the topics anew. */
import type { TopicsChange } from './changes.ts'
import { brokerResource, configList, type TopicsState } from './state.ts'

export function dumpTopics(state: TopicsState): TopicsChange[] {
  const brokers = [...state.brokers].map(([resourceName, configs]): TopicsChange => ({
    type: 'configs-set',
    resourceType: brokerResource,
    resourceName,
    configs: configList(configs),
  }))
  const topics = [...state.topics.values()].map(
    ({ name, topicId, partitionCount, configs, createdAt }): TopicsChange => ({
      type: 'topic-created',
      name,
      topicId,
      partitionCount,
      configs: configList(configs),
      at: createdAt,
    }),
  )
  return [...brokers, ...topics]
}
