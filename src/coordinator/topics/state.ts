/**
 * The topics there are: partitions, ids, configs; and the changes that made them so.
 *
 * Invariants: a topic id is never used twice, so neither is a log's name; partitions only grow; the
 * settings kept are those somebody chose, and what is in force is worked out over the defaults.
 */
import { array, int32, int64, int8, string, struct, uuid } from '../../protocol/schema.ts'
import { brokerConfigs, topicConfigs } from './configs.ts'
import type { LogPlan, TopicsEffect } from '../commands.ts'
import type { Decision } from '../machine.ts'
import { changeCodec, form, type StoredChange } from '../stored.ts'

export interface Topic {
  readonly name: string
  readonly topicId: string
  readonly partitionCount: number
  /** What this topic sets for itself. */
  readonly configs: ReadonlyMap<string, string>
  readonly createdAt: number
}

export interface TopicsState {
  readonly topics: Map<string, Topic>
  /** The name of each topic id. */
  readonly names: Map<string, string>
  /** Broker-wide settings changed while running: by node id as text, `''` for all nodes. */
  readonly brokers: Map<string, ReadonlyMap<string, string>>
}

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

export interface TopicsOptions {
  readonly nodeId: number
  /** Partitions of a topic created without a number: Kafka's `num.partitions`. */
  readonly defaultPartitions: number
  /** The most partitions all topics may have together. */
  readonly partitionsMax: number
  /** Broker settings that are fixed while it runs, for `DescribeConfigs`: name to value. */
  readonly brokerConfigs: ReadonlyMap<string, string>
}

export type TopicsDecision = Decision<TopicsChange, TopicsEffect>
export const topicResource = 2
export const brokerResource = 4

export function initialTopics(): TopicsState {
  return { topics: new Map(), names: new Map(), brokers: new Map() }
}

export function applyToTopics(state: TopicsState, change: TopicsChange): void {
  switch (change.type) {
    case 'topic-created': {
      const { name, topicId, partitionCount, at } = change
      const configs = configMap(change.configs)
      state.topics.set(name, { name, topicId, partitionCount, configs, createdAt: at })
      state.names.set(topicId, name)
      return
    }
    case 'topic-deleted': {
      const topic = state.topics.get(change.name)
      state.topics.delete(change.name)
      if (topic !== undefined) state.names.delete(topic.topicId)
      return
    }
    case 'partitions-added': {
      const topic = state.topics.get(change.name)
      if (topic === undefined) return
      state.topics.set(change.name, { ...topic, partitionCount: change.partitionCount })
      return
    }
    case 'configs-set':
      return applyConfigs(state, change.resourceType, change.resourceName, change.configs)
  }
}

/** The changes that make `state` out of nothing. */
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

/** The value in force for a broker-wide setting that can change. */
export function brokerConfig(state: TopicsState, nodeId: number, name: string): string | undefined {
  return (
    state.brokers.get(String(nodeId))?.get(name) ??
    state.brokers.get('')?.get(name) ??
    brokerConfigs.get(name)?.byDefault
  )
}

/** Every topic config with the value in force for `configs`, a topic's own settings. */
export function effectiveConfigs(
  state: TopicsState,
  nodeId: number,
  configs: ReadonlyMap<string, string>,
): Map<string, string> {
  const effective = new Map<string, string>()
  for (const { name, synonym, byDefault } of topicConfigs.values()) {
    const fallback = synonym === undefined ? byDefault : brokerConfig(state, nodeId, synonym)
    effective.set(name, configs.get(name) ?? fallback ?? byDefault)
  }
  return effective
}

/** Longest part of a topic's name in its logs' names: directory names end at 255 bytes. */
const logNameCharactersMax = 200

/** The name of a partition's log. The id makes it unique for all time, the rest is for people. */
export function logNameOf(topic: string, topicId: string, partition: number): string {
  return `${topic.slice(0, logNameCharactersMax)}-${partition}.${topicId}`
}

/** The logs of a topic's partitions from `from` on. */
export function logPlans(
  state: TopicsState,
  nodeId: number,
  topic: Topic,
  from = 0,
): readonly LogPlan[] {
  const { name, topicId, partitionCount } = topic
  const configs = effectiveConfigs(state, nodeId, topic.configs)
  const plans: LogPlan[] = []
  for (let partition = from; partition < partitionCount; partition++) {
    const logName = logNameOf(name, topicId, partition)
    plans.push({ topic: name, partition, topicId, logName, configs })
  }
  return plans
}

export function configList(
  configs: ReadonlyMap<string, string>,
): { name: string; value: string }[] {
  return [...configs].map(([name, value]) => ({ name, value }))
}

function configMap(
  configs: readonly { readonly name: string; readonly value: string }[],
): ReadonlyMap<string, string> {
  return new Map(configs.map(({ name, value }) => [name, value]))
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
