/**
 * The topics machine: who is created, deleted, grown and configured, and which logs that takes.
 *
 * It answers admin requests with Kafka's codes, and has the host make and remove the partitions' logs.
 * There is one replica of everything, on this node. Internal topics do not exist here: what Kafka keeps
 * in them lies in the coordinators' own logs, and their names are refused.
 */
import { finish, type Steps } from '../../base/steps.ts'
import type { TopicsCommand, TopicsEffect } from '../commands.ts'
import type { Machine } from '../machine.ts'
import { alterConfigs, alterConfigsIncrementally } from './settings.ts'
import { autoCreate, createPartitions, createTopics } from './admin.ts'
import { applyToTopics } from './apply.ts'
import { topicChanges, type TopicsChange, type TopicsDecision } from './changes.ts'
import { deleteTopics } from './deletion.ts'
import { describeConfigs, listConfigResources } from './descriptions.ts'
import { dumpTopics } from './dump.ts'
import type { TopicsOptions } from './options.ts'
import { initialTopics, logPlans, type TopicsState } from './state.ts'

export type TopicsMachine = Machine<TopicsState, TopicsCommand, TopicsChange, TopicsEffect>

export function topicsMachine(options: TopicsOptions): TopicsMachine {
  return {
    name: 'topics',
    initial: initialTopics,
    decide: (state, command, now) => finish(decideTopics(options, state, command, now.wallMs)),
    decideInSteps: (state, command, now) => decideTopics(options, state, command, now.wallMs),
    apply: applyToTopics,
    encode: topicChanges.encode,
    decode: topicChanges.decode,
    dump: dumpTopics,
    afterReplay: () => [{ type: 'restart' }],
  }
}

function* decideTopics(
  options: TopicsOptions,
  state: TopicsState,
  command: TopicsCommand,
  now: number,
): Steps<TopicsDecision> {
  switch (command.type) {
    case 'CreateTopics':
      return yield* createTopics(options, state, command, now)
    case 'auto-create':
      return yield* autoCreate(options, state, command, now)
    case 'DeleteTopics':
      return yield* deleteTopics(state, command)
    case 'CreatePartitions':
      return yield* createPartitions(options, state, command)
    case 'DescribeConfigs':
      return yield* describeConfigs(options, state, command)
    case 'AlterConfigs':
      return yield* alterConfigs(options, state, command)
    case 'IncrementalAlterConfigs':
      return yield* alterConfigsIncrementally(options, state, command)
    case 'ListConfigResources':
      return yield* listConfigResources(options, state, command)
    case 'restart':
      return restart(options, state)
    case 'wake':
      return { changes: [], replies: [], effects: [] }
  }
}

/** A crash may have come between a topic and its logs: ask for all of them again. */
function restart({ nodeId }: TopicsOptions, state: TopicsState): TopicsDecision {
  const logs = [...state.topics.values()].flatMap((topic) => logPlans(state, nodeId, topic))
  return { changes: [], replies: [], effects: [{ type: 'create-logs', logs }] }
}
