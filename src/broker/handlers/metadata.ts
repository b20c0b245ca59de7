/**
 * Where things are. There is one broker: it leads every partition, controls the cluster and coordinates
 * every group and transaction. Each client is told the address that its own connection came by, or what
 * the listener of that connection advertises.
 */
import { zeroUuid } from '../../base/units.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { ResponseInput } from '../../protocol/api.ts'
import { operationsUnknown } from '../../protocol/messages/metadata.ts'
import type { Topic } from '../serving/catalog.ts'
import { randomUuid, type Handlers, type RequestContext } from './context.ts'
import { clusterOperations, topicOperations } from './operations.ts'
import type { Partition } from '../serving/partition.ts'

type MetadataTopic = NonNullable<ResponseInput<'Metadata'>['topics']>[number]
type DescribedTopic = NonNullable<ResponseInput<'DescribeTopicPartitions'>['topics']>[number]

/** FindCoordinator's key types. Share groups (2) are not spoken here. */
const groupKey = 0
const transactionKey = 1
/** DescribeCluster's endpoint types. */
const brokerEndpoint = 1
const controllerEndpoint = 2

export const metadataHandlers: Handlers = {
  Metadata: async (request, context) => {
    const { topics, includeTopicAuthorizedOperations } = request
    const all = topics === null || (context.version === 0 && topics.length === 0)
    const wanted = all ? allTopics(context) : await findTopics(topics, request, context)
    const operations = includeTopicAuthorizedOperations ? topicOperations : operationsUnknown
    return {
      brokers: [brokerOf(context)],
      clusterId: context.clusterId,
      controllerId: context.config.nodeId,
      topics: wanted.map((topic) => ({ ...topic, topicAuthorizedOperations: operations })),
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? clusterOperations
        : operationsUnknown,
    }
  },

  FindCoordinator: (request, context) => {
    const { nodeId, host, port } = brokerOf(context)
    const isKey = request.keyType === groupKey || request.keyType === transactionKey
    const machine = request.keyType === groupKey ? context.groups : context.transactions
    const known = isKey && machine.damage === undefined
    const fault = isKey ? ErrorCode.COORDINATOR_NOT_AVAILABLE : ErrorCode.INVALID_REQUEST
    const errorCode = known ? ErrorCode.NONE : fault
    // Kafka's words for no error: here the code's name, and from version 4 on nothing, but never null.
    const none = context.version < 4 ? 'NONE' : ''
    const notSpoken = `key type ${request.keyType} is not spoken here`
    const why = isKey ? machine.damage?.message : notSpoken
    const errorMessage = known ? none : (why ?? none)
    const where = known ? { nodeId, host, port } : { nodeId: -1, host: '', port: -1 }
    if (context.version < 4) return { errorCode, errorMessage, ...where }
    return {
      coordinators: request.coordinatorKeys.map((key) => ({
        key,
        errorCode,
        errorMessage,
        ...where,
      })),
    }
  },

  DescribeCluster: (request, context) => {
    if (request.endpointType !== brokerEndpoint) {
      return {
        errorCode:
          request.endpointType === controllerEndpoint
            ? ErrorCode.MISMATCHED_ENDPOINT_TYPE
            : ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
        errorMessage: 'controllers have no endpoints of their own here: ask for brokers',
      }
    }
    const { nodeId, host, port } = brokerOf(context)
    return {
      clusterId: context.clusterId,
      controllerId: nodeId,
      brokers: [{ brokerId: nodeId, host, port }],
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? clusterOperations
        : operationsUnknown,
    }
  },

  DescribeTopicPartitions: (request, context) => {
    const names =
      request.topics.length === 0
        ? [...context.catalog.topics()].map(({ name }) => name)
        : request.topics.map(({ name }) => name)
    const { cursor } = request
    const from = cursor?.topicName ?? ''
    const topics: DescribedTopic[] = []
    let room = Math.min(Math.max(request.responsePartitionLimit, 1), describedPartitionsMax)
    for (const name of [...new Set(names)].toSorted().filter((each) => each >= from)) {
      const first = name === cursor?.topicName ? cursor.partitionIndex : 0
      const topic = context.catalog.byName(name)
      if (room === 0) return { topics, nextCursor: { topicName: name, partitionIndex: first } }
      topics.push(describeTopic(name, topic, first, first + room, context))
      const left = (topic?.partitions.length ?? 0) - first
      if (left > room) {
        return { topics, nextCursor: { topicName: name, partitionIndex: first + room } }
      }
      room -= Math.max(left, 0)
    }
    return { topics, nextCursor: null }
  },
}

/** Partitions in one answer of DescribeTopicPartitions; Kafka's `max.request.partition.size.limit`. */
const describedPartitionsMax = 2000

function brokerOf({ peer, config }: RequestContext): {
  nodeId: number
  host: string
  port: number
} {
  const { host, port } = peer.advertised
  return { nodeId: config.nodeId, host, port }
}

function allTopics(context: RequestContext): MetadataTopic[] {
  return Array.from(context.catalog.topics(), (topic) => presentTopic(topic, context))
}

async function findTopics(
  asked: readonly { readonly topicId: string; readonly name: string | null }[],
  request: { readonly allowAutoTopicCreation: boolean },
  context: RequestContext,
): Promise<MetadataTopic[]> {
  const { catalog, config } = context
  const ids = new Set(asked.map(({ topicId }) => topicId))
  ids.delete(zeroUuid)
  if (ids.size > 0) return Array.from(ids, (topicId) => topicOfId(topicId, context))
  const names = [...new Set(asked.map(({ name }) => name ?? ''))]
  const missing = names.filter((name) => catalog.byName(name) === undefined)
  const mayCreate = request.allowAutoTopicCreation && config.autoCreateTopics
  const refused =
    missing.length > 0 && mayCreate ? await createMissing(missing, context) : new Map()
  return names.map((name) => {
    const topic = catalog.byName(name)
    if (topic !== undefined) return presentTopic(topic, context)
    const errorCode = refused.get(name) ?? nameError(name)
    return { errorCode, name, topicId: zeroUuid }
  })
}

function topicOfId(topicId: string, context: RequestContext): MetadataTopic {
  const topic = context.catalog.byId(topicId)
  if (topic !== undefined) return presentTopic(topic, context)
  // Before version 12 the name of an unknown id cannot be null.
  const name = context.version >= 12 ? null : ''
  return { errorCode: ErrorCode.UNKNOWN_TOPIC_ID, name, topicId }
}

async function createMissing(
  names: readonly string[],
  { topics, random }: RequestContext,
): Promise<ReadonlyMap<string, number>> {
  const topicIds = names.map(() => randomUuid(random))
  const created = await topics.call((token) => ({ type: 'auto-create', token, names, topicIds }))
  return new Map(
    created.topics
      .filter(({ errorCode }) => errorCode !== ErrorCode.NONE)
      .map(({ name, errorCode }) => [name, errorCode]),
  )
}

function nameError(name: string): number {
  return /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== '.' && name !== '..'
    ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    : ErrorCode.INVALID_TOPIC_EXCEPTION
}

function presentTopic(topic: Topic, context: RequestContext): MetadataTopic {
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.topicId,
    partitions: topic.partitions.map((partition) => presentPartition(partition, context)),
  }
}

function presentPartition({ index, log }: Partition, { config }: RequestContext) {
  const replicaNodes = [config.nodeId]
  return {
    errorCode: ErrorCode.NONE,
    partitionIndex: index,
    leaderId: config.nodeId,
    leaderEpoch: log.leaderEpoch,
    replicaNodes,
    isrNodes: replicaNodes,
  }
}

function describeTopic(
  name: string,
  topic: Topic | undefined,
  from: number,
  to: number,
  context: RequestContext,
): DescribedTopic {
  const topicAuthorizedOperations = topicOperations
  if (topic === undefined) {
    return { errorCode: nameError(name), name, topicId: zeroUuid, topicAuthorizedOperations }
  }
  return {
    ...presentTopic(topic, context),
    partitions: topic.partitions.slice(from, to).map((partition) => ({
      ...presentPartition(partition, context),
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
    })),
    topicAuthorizedOperations,
  }
}
