/**
 * The topics there are: partitions, ids, configs.
 *
 * Invariants: a topic id is never used twice, so neither is a log's name; partitions only grow; the
 * settings kept are those somebody chose, and what is in force is worked out over the defaults.
 */
import { brokerConfigs, topicConfigs } from './configs.ts'
import type { LogPlan } from '../commands.ts'

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
  /** The name of the topic that has this folded name: a name is looked up here, not compared with all. */
  readonly foldedNames: Map<string, string>
  /** Partitions of all topics together. */
  partitionCount: number
  /** Broker-wide settings changed while running: by node id as text, `''` for all nodes. */
  readonly brokers: Map<string, ReadonlyMap<string, string>>
}

export const topicResource = 2
export const brokerResource = 4

export function initialTopics(): TopicsState {
  return {
    topics: new Map(),
    names: new Map(),
    foldedNames: new Map(),
    partitionCount: 0,
    brokers: new Map(),
  }
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
