/**
 * Logs that no topic has. A crash may have come between the end of a topic and that of its logs: then they
 * go. But when the topics machine has lost changes, in a repair, what it does not know was never deleted:
 * then the names of the logs tell what topics there were, and these are made again over them, with the
 * configs that topics have by default.
 */
import type { LogStore } from '../../log/store/log-store.ts'
import type { BrokerEvent } from '../broker-event.ts'
import type { Catalog } from '../serving/catalog.ts'
import type { Coordinators } from './coordinators.ts'
import { isMachineLog } from './machine-log.ts'

/** The version of CreateTopics that is asked: any does. */
const createTopicsVersion = 7
/** Kafka's NONE. */
const noError = 0

interface LostTopic {
  readonly name: string
  readonly topicId: string
  partitionCount: number
}

export async function settleStrayLogs(
  store: LogStore,
  catalog: Catalog,
  { topics, groups, transactions }: Coordinators,
  report: (event: BrokerEvent) => void,
): Promise<void> {
  for (const [what, host] of Object.entries({ topics, groups, transactions })) {
    if (!host.hasLostChanges) continue
    const text = `the log of ${what} lacks changes that a repair could not read, so what it knows may be older than what was acknowledged`
    report({ type: 'directory-finding', kind: 'damaged', text })
  }
  const strays = strayLogs(store, catalog)
  if (!topics.hasLostChanges) {
    for (const name of strays) await store.delete(name)
    return
  }
  const lost = topicsOf(strays)
  const restored = await restore(lost, topics)
  await catalog.settled()
  for (const { name } of lost) {
    const text = restored.has(name)
      ? `topic '${name}' was lost in a repair and is made again over its records, with default configs`
      : `logs of a lost topic '${name}' are left in the data directory and cannot be a topic again: another has its name`
    report({ type: 'directory-finding', kind: 'healed', text })
  }
}

function strayLogs(store: LogStore, catalog: Catalog): string[] {
  const known = new Set<string>()
  for (const { partitions } of catalog.topics()) {
    for (const { log } of partitions) known.add(log.name)
  }
  return store.names().filter((name) => !known.has(name) && !isMachineLog(name))
}

/** The topics that names of logs tell of: see `logNameOf`. */
function topicsOf(logNames: readonly string[]): LostTopic[] {
  const topics = new Map<string, LostTopic>()
  for (const logName of logNames) {
    const [, name, partition, topicId] = /^(.+)-(\d+)\.([\w-]{22})$/.exec(logName) ?? []
    if (name === undefined || topicId === undefined) continue
    const topic = topics.get(topicId) ?? { name, topicId, partitionCount: 0 }
    topic.partitionCount = Math.max(topic.partitionCount, Number(partition) + 1)
    topics.set(topicId, topic)
  }
  return [...topics.values()]
}

/** The names of those that could be made. */
async function restore(
  lost: readonly LostTopic[],
  topics: Coordinators['topics'],
): Promise<Set<string>> {
  const answer = await topics.call((token) => ({
    type: 'CreateTopics',
    token,
    version: createTopicsVersion,
    clientId: '',
    clientHost: '',
    topicIds: lost.map(({ topicId }) => topicId),
    request: {
      topics: lost.map(({ name, partitionCount }) => ({
        name,
        numPartitions: partitionCount,
        replicationFactor: 1,
        assignments: [],
        configs: [],
      })),
      timeoutMs: 0,
      validateOnly: false,
    },
  }))
  const made = (answer.topics ?? []).filter(({ errorCode }) => errorCode === noError)
  return new Set(made.flatMap(({ name }) => name ?? []))
}
