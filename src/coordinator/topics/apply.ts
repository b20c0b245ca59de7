/** What each change does to the topics. Nothing is refused here. */
import type { TopicsChange } from './changes.ts'
import { assertApplicable } from './invariants.ts'
import { foldedName } from './names.ts'
import { brokerResource, type TopicsState } from './state.ts'

export function applyToTopics(state: TopicsState, change: TopicsChange): void {
  assertApplicable(state, change)
  switch (change.type) {
    case 'topic-created': {
      const { name, topicId, partitionCount, at } = change
      const configs = configMap(change.configs)
      state.topics.set(name, { name, topicId, partitionCount, configs, createdAt: at })
      state.names.set(topicId, name)
      state.foldedNames.set(foldedName(name), name)
      state.partitionCount += partitionCount
      return
    }
    case 'topic-deleted': {
      const topic = state.topics.get(change.name)
      if (topic === undefined) return
      state.topics.delete(change.name)
      state.names.delete(topic.topicId)
      state.foldedNames.delete(foldedName(change.name))
      state.partitionCount -= topic.partitionCount
      return
    }
    case 'partitions-added': {
      const topic = state.topics.get(change.name)
      if (topic === undefined) return
      state.partitionCount += change.partitionCount - topic.partitionCount
      state.topics.set(change.name, { ...topic, partitionCount: change.partitionCount })
      return
    }
    case 'configs-set':
      return applyConfigs(state, change.resourceType, change.resourceName, change.configs)
  }
}

function applyConfigs(
  state: TopicsState,
  resourceType: number,
  resourceName: string,
  list: readonly { readonly name: string; readonly value: string }[],
): void {
  const configs = configMap(list)
  if (resourceType === brokerResource) {
    if (configs.size === 0) state.brokers.delete(resourceName)
    else state.brokers.set(resourceName, configs)
    return
  }
  const topic = state.topics.get(resourceName)
  if (topic !== undefined) state.topics.set(resourceName, { ...topic, configs })
}

function configMap(
  configs: readonly { readonly name: string; readonly value: string }[],
): ReadonlyMap<string, string> {
  return new Map(configs.map(({ name, value }) => [name, value]))
}
