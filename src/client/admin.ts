/**
 * Looking after topics and groups: what an operator's tool or a service at its start asks for.
 *
 * Functions of a cluster. They reject with an operating error for any code they do not name in their
 * answer; what is done to several topics or groups at once may be done for some of them by then.
 */
import { ErrorCode } from '../protocol/errors.ts'
import type { Cluster } from './cluster/cluster.ts'
import type { CommittedOffset } from './group/group-offsets.ts'
import { commitOffsets, fetchOffsets } from './group/group-offsets.ts'
import { nonMember } from './group/ownership.ts'
import { askLeaders } from './cluster/leaders.ts'
import type { CommitOffset, PartitionOffset } from './cluster/topic-partition.ts'
import { byTopic } from './cluster/topic-partition.ts'
import { throwOnError } from './cluster/wire-error.ts'

const adminTimeoutMs = 30_000
const topicResource = 2
/** The source Kafka names for a config nobody set. */
const defaultConfigSource = 5
const messageBytesConfig = 'max.message.bytes'
const setConfig = 0
const deleteConfig = 1

export interface NewTopic {
  readonly name: string
  /** The broker's default when left out. */
  readonly partitions?: number
  readonly replicationFactor?: number
  readonly configs?: Readonly<Record<string, string>>
}

/** Creates topics; says of each whether it was `created` or `exists` already, as it may have been made. */
export async function createTopics(
  cluster: Cluster,
  topics: readonly NewTopic[],
): Promise<ReadonlyMap<string, 'created' | 'exists'>> {
  const outcome = new Map<string, 'created' | 'exists'>()
  if (topics.length === 0) return outcome
  const response = await cluster.request(
    'CreateTopics',
    {
      topics: topics.map(({ name, partitions, replicationFactor, configs }) => ({
        name,
        numPartitions: partitions ?? -1,
        replicationFactor: replicationFactor ?? -1,
        configs: Object.entries(configs ?? {}).map(([key, value]) => ({ name: key, value })),
      })),
      timeoutMs: adminTimeoutMs,
    },
    'controller',
  )
  for (const { name, errorCode, errorMessage } of response.topics) {
    const exists = errorCode === ErrorCode.TOPIC_ALREADY_EXISTS
    if (!exists) throwOnError(errorCode, `create topic '${name}'`, errorMessage)
    outcome.set(name, exists ? 'exists' : 'created')
  }
  return outcome
}

/** Deletes topics and their records; `not-found` when one does not exist. */
export async function deleteTopics(cluster: Cluster, names: readonly string[]): Promise<void> {
  const response = await cluster.request(
    'DeleteTopics',
    (version) => ({
      ...(version >= 6 ? { topics: names.map((name) => ({ name })) } : { topicNames: names }),
      timeoutMs: adminTimeoutMs,
    }),
    'controller',
  )
  for (const { name, errorCode, errorMessage } of response.responses) {
    throwOnError(errorCode, `delete topic '${name}'`, errorMessage)
  }
}

export interface TopicDescription {
  readonly name: string
  readonly topicId: string
  readonly isInternal: boolean
  readonly partitions: readonly {
    readonly partition: number
    readonly leaderId: number
    readonly leaderEpoch: number
    readonly replicas: readonly number[]
    readonly inSyncReplicas: readonly number[]
  }[]
}

/** Topics by name, or all there are; those that do not exist are left out. */
export async function describeTopics(
  cluster: Cluster,
  names?: readonly string[],
): Promise<readonly TopicDescription[]> {
  const response = await cluster.request('Metadata', {
    topics: names === undefined ? null : names.map((name) => ({ name })),
    allowAutoTopicCreation: false,
  })
  const described: TopicDescription[] = []
  for (const { errorCode, name, topicId, isInternal, partitions } of response.topics) {
    if (errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION || name === null) continue
    throwOnError(errorCode, `describe topic '${name}'`)
    described.push({
      name,
      topicId,
      isInternal,
      partitions: partitions
        .map((partition) => ({
          partition: partition.partitionIndex,
          leaderId: partition.leaderId,
          leaderEpoch: partition.leaderEpoch,
          replicas: partition.replicaNodes,
          inSyncReplicas: partition.isrNodes,
        }))
        .toSorted((a, b) => a.partition - b.partition),
    })
  }
  return described.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** The names of all topics but the cluster's own. */
export async function listTopics(cluster: Cluster): Promise<readonly string[]> {
  const topics = await describeTopics(cluster)
  return topics.filter(({ isInternal }) => !isInternal).map(({ name }) => name)
}

/** Raises the number of a topic's partitions. Keys move: the old records stay where they are. */
export async function createPartitions(
  cluster: Cluster,
  topic: string,
  count: number,
): Promise<void> {
  const response = await cluster.request(
    'CreatePartitions',
    { topics: [{ name: topic, count, assignments: null }], timeoutMs: adminTimeoutMs },
    'controller',
  )
  for (const { errorCode, errorMessage } of response.results) {
    throwOnError(errorCode, `give '${topic}' ${count} partitions`, errorMessage)
  }
  cluster.markStale()
}

export interface TopicConfig {
  readonly value: string | null
  /** Set for this topic, and not a default. */
  readonly isSet: boolean
}

/** All configs of a topic by name. */
export async function describeConfigs(
  cluster: Cluster,
  topic: string,
): Promise<ReadonlyMap<string, TopicConfig>> {
  const response = await cluster.request('DescribeConfigs', {
    resources: [{ resourceType: topicResource, resourceName: topic, configurationKeys: null }],
  })
  const configs = new Map<string, TopicConfig>()
  for (const result of response.results) {
    throwOnError(result.errorCode, `describe the configs of '${topic}'`, result.errorMessage)
    for (const { name, value, configSource } of result.configs) {
      configs.set(name, { value, isSet: configSource > 0 && configSource < defaultConfigSource })
    }
  }
  return configs
}

/**
 * The bytes that a batch of each topic may have (`max.message.bytes`). Topics of which the broker does not say it,
 * or does not say it to this client, are left out.
 */
export async function messageBytesMax(
  cluster: Cluster,
  topics: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const response = await cluster.request('DescribeConfigs', {
    resources: topics.map((resourceName) => ({
      resourceType: topicResource,
      resourceName,
      configurationKeys: [messageBytesConfig],
    })),
  })
  const found = new Map<string, number>()
  for (const { errorCode, resourceName, configs } of response.results) {
    if (errorCode !== ErrorCode.NONE) continue
    const value = Number(
      configs.find(({ name }) => name === messageBytesConfig)?.value ?? Number.NaN,
    )
    if (Number.isSafeInteger(value)) found.set(resourceName, value)
  }
  return found
}

/** Sets configs of a topic, or gives one back its default with null. */
export async function alterConfigs(
  cluster: Cluster,
  topic: string,
  configs: Readonly<Record<string, string | null>>,
): Promise<void> {
  const response = await cluster.request('IncrementalAlterConfigs', {
    resources: [
      {
        resourceType: topicResource,
        resourceName: topic,
        configs: Object.entries(configs).map(([name, value]) => ({
          name,
          configOperation: value === null ? deleteConfig : setConfig,
          value,
        })),
      },
    ],
  })
  for (const { errorCode, errorMessage } of response.responses) {
    throwOnError(errorCode, `alter the configs of '${topic}'`, errorMessage)
  }
}

/**
 * Makes partitions begin at the offsets given; -1 empties one. Returns where each begins now, in the
 * same order. Each leader is asked once for all partitions it leads.
 */
export async function deleteRecords(
  cluster: Cluster,
  before: readonly PartitionOffset[],
): Promise<readonly PartitionOffset[]> {
  return askLeaders(cluster, before, 'delete records of', async (nodeId, led) => {
    const response = await cluster.send(nodeId, 'DeleteRecords', {
      topics: byTopic(led).map(([name, ofTopic]) => ({
        name,
        partitions: ofTopic.map(({ partition, offset }) => ({ partitionIndex: partition, offset })),
      })),
      timeoutMs: adminTimeoutMs,
    })
    return response.topics.flatMap(({ name: topic, partitions }) =>
      partitions.map(({ partitionIndex: partition, lowWatermark: offset, errorCode }) => ({
        errorCode,
        answer: { topic, partition, offset },
      })),
    )
  })
}

export interface GroupListing {
  readonly groupId: string
  readonly protocolType: string
  /** Kafka's word: `Stable`, `Empty`, ... */
  readonly state: string
}

/** The groups of all brokers. */
export async function listGroups(cluster: Cluster): Promise<readonly GroupListing[]> {
  const listings: GroupListing[] = []
  for (const nodeId of cluster.metadata.brokerIds()) {
    const response = await cluster.request('ListGroups', {}, nodeId)
    throwOnError(response.errorCode, 'list groups')
    for (const { groupId, protocolType, groupState } of response.groups) {
      listings.push({ groupId, protocolType, state: groupState })
    }
  }
  return listings.toSorted((a, b) => (a.groupId < b.groupId ? -1 : 1))
}

export interface GroupDescription {
  /** Kafka's word; `Dead` for a group that does not exist. */
  readonly state: string
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly clientHost: string
  }[]
}

/** A group and its members; one that does not exist has none. */
export async function describeGroup(cluster: Cluster, groupId: string): Promise<GroupDescription> {
  const response = await cluster.request(
    'DescribeGroups',
    { groups: [groupId] },
    { coordinator: 'group', id: groupId },
  )
  const { errorCode, errorMessage, groupState, members } = response.groups[0]!
  if (errorCode === ErrorCode.GROUP_ID_NOT_FOUND) return { state: 'Dead', members: [] }
  throwOnError(errorCode, `describe group '${groupId}'`, errorMessage)
  return { state: groupState, members }
}

/** Every offset a group has committed. */
export function groupOffsets(
  cluster: Cluster,
  groupId: string,
): Promise<readonly CommittedOffset[]> {
  return fetchOffsets(cluster, groupId, undefined, false)
}

/** Sets offsets of a group without members; one that has members refuses with `stale-member`. */
export function alterGroupOffsets(
  cluster: Cluster,
  groupId: string,
  offsets: readonly CommitOffset[],
): Promise<void> {
  return commitOffsets(cluster, nonMember(groupId), offsets)
}

/** Deletes a group without members, and its offsets. */
export async function deleteGroup(cluster: Cluster, groupId: string): Promise<void> {
  const response = await cluster.request(
    'DeleteGroups',
    { groupsNames: [groupId] },
    { coordinator: 'group', id: groupId },
  )
  for (const { errorCode } of response.results) {
    throwOnError(errorCode, `delete group '${groupId}'`)
  }
}
