/** The fewest changes that build the topics anew. */
import type { TopicsChange } from './changes.ts'
import { brokerResource, configList, type TopicsState } from './state.ts'

export function* dumpTopics(state: TopicsState): Iterable<TopicsChange> {
  for (const [resourceName, configs] of state.brokers) {
    yield {
      type: 'configs-set',
      resourceType: brokerResource,
      resourceName,
      configs: configList(configs),
    }
  }
  for (const { name, topicId, partitionCount, configs, createdAt } of state.topics.values()) {
    yield {
      type: 'topic-created',
      name,
      topicId,
      partitionCount,
      configs: configList(configs),
      at: createdAt,
    }
  }
}
