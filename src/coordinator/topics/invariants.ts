/**
 * What must hold for topics before a change is applied: a decision or a log that breaks it is a bug, and
 * must not be built upon.
 */
import { assert } from '../../base/errors.ts'
import type { TopicsChange } from './changes.ts'
import { topicResource, type TopicsState } from './state.ts'

export function assertApplicable(state: TopicsState, change: TopicsChange): void {
  const { topics, names, foldedNames } = state
  assert(topics.size === names.size, 'a topic has no id, or an id no topic')
  assert(topics.size === foldedNames.size, 'two topics have names that differ by . and _ only')
  switch (change.type) {
    case 'topic-created':
      assert(!topics.has(change.name), 'a topic was created that is there')
      assert(!names.has(change.topicId), 'a topic id was given out twice')
      assert(change.partitionCount > 0, 'a topic was created without partitions')
      return
    case 'topic-deleted':
      assert(topics.has(change.name), 'a topic was deleted that is not there')
      return
    case 'partitions-added': {
      const before = topics.get(change.name)?.partitionCount ?? Infinity
      assert(change.partitionCount > before, 'the partitions of a topic did not grow')
      return
    }
    case 'configs-set':
      assert(
        change.resourceType !== topicResource || topics.has(change.resourceName),
        'a topic was configured that is not there',
      )
  }
}
