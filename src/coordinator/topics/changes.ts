/** What can happen to topics, and how it is stored. */
import { array, int32, int64, int8, string, struct, uuid } from '../../protocol/schema.ts'
import type { TopicsEffect } from '../commands.ts'
import type { Decision } from '../machine.ts'
import { changeCodec, form, type StoredChange } from '../stored.ts'

const Config = struct({ name: string, value: string })

const forms = {
  'topic-created': form(
    1,
    0,
    struct({
      name: string,
      topicId: uuid,
      partitionCount: int32,
      configs: array(Config),
      at: int64,
    }),
  ),
  'topic-deleted': form(2, 0, struct({ name: string })),
  'partitions-added': form(3, 0, struct({ name: string, partitionCount: int32 })),
  /** All configs of a resource (2 a topic, 4 a broker), as they are from now on. */
  'configs-set': form(
    4,
    0,
    struct({ resourceType: int8, resourceName: string, configs: array(Config) }),
  ),
}

export type TopicsChange = StoredChange<typeof forms>
export const topicChanges = changeCodec('topics', forms)

export type TopicsDecision = Decision<TopicsChange, TopicsEffect>
