/**
 * Where things are. There is one broker: it leads every partition, controls the cluster and coordinates
 * every group and transaction. Each client is told the address that its own connection came by, or what
 * the listener of that connection advertises.
 */
import { sorted, type Steps } from '../../base/steps.ts'
import { zeroUuid } from '../../base/units.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { RequestOf, ResponseInput } from '../../protocol/api.ts'
import { operationsUnknown } from '../../protocol/messages/metadata.ts'
import type { Topic } from '../serving/catalog.ts'
import { randomUuid, type Handlers, type RequestContext } from './context.ts'
import { clusterOperations, topicOperations } from './operations.ts'
import type { Partition } from '../serving/partition.ts'

type MetadataTopic = NonNullable<ResponseInput<'Metadata'>['topics']>[number]
type FoundCoordinator = NonNullable<ResponseInput<'FindCoordinator'>['coordinators']>[number]
type DescribedTopic = NonNullable<ResponseInput<'DescribeTopicPartitions'>['topics']>[number]

/** FindCoordinator's key types. Share groups (2) are not spoken here. */
const groupKey = 0
const transactionKey = 1
/** DescribeCluster's endpoint types. */
const brokerEndpoint = 1
const controllerEndpoint = 2

export const metadataHandlers: Handlers = {
  Metadata: (request, context) => {
    const few = fewTopics(request.topics, context)
    if (few === undefined) return describeInSteps(request, context)
    const topicAuthorizedOperations = operationsOf(request)
    const found: MetadataTopic[] = []
    for (const topic of few) {
      found.push({ ...presentTopic(topic, context), topicAuthorizedOperations })
    }
    return present(found, request, context)
  },

  *FindCoordinator(request, context) {
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
    const coordinators: FoundCoordinator[] = []
    for (const key of request.coordinatorKeys) {
      coordinators.push({ key, errorCode, errorMessage, ...where })
      yield 1
    }
    return { coordinators }
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

  *DescribeTopicPartitions(request, context) {
    const named = request.topics.length === 0 ? context.catalog.topics() : request.topics
    const { cursor } = request
    const from = cursor?.topicName ?? ''
    const names = new Set<string>()
    for (const { name } of named) {
      if (name >= from) names.add(name)
      yield 1 / 2
    }
    const topics: DescribedTopic[] = []
    let room = Math.min(Math.max(request.responsePartitionLimit, 1), describedPartitionsMax)
    for (const name of yield* sorted([...names])) {
      const first = name === cursor?.topicName ? cursor.partitionIndex : 0
      const topic = context.catalog.byName(name)
      if (room === 0) return { topics, nextCursor: { topicName: name, partitionIndex: first } }
      topics.push(describeTopic(name, topic, first, first + room, context))
      yield 1 + Math.min(room, topic?.partitions.length ?? 0)
      const left = (topic?.partitions.length ?? 0) - first
      if (left > room) {
        return { topics, nextCursor: { topicName: name, partitionIndex: first + room } }
      }
      room -= Math.max(left, 0)
    }
    return { topics, nextCursor: null }
  },
}

type MetadataRequest = RequestOf<'Metadata'>
type MetadataResponse = ResponseInput<'Metadata'>

function operationsOf({ includeTopicAuthorizedOperations }: MetadataRequest): number {
  return includeTopicAuthorizedOperations ? topicOperations : operationsUnknown
}

function present(
  topics: readonly MetadataTopic[],
  request: MetadataRequest,
  context: RequestContext,
): MetadataResponse {
  return {
    brokers: [brokerOf(context)],
    clusterId: context.clusterId,
    controllerId: context.config.nodeId,
    topics,
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
      ? clusterOperations
      : operationsUnknown,
  }
}

/** The topics that are named, if all are there, each by its name, and they are few. */
function fewTopics(
  asked: MetadataRequest['topics'],
  { catalog, turns, version }: RequestContext,
): readonly Topic[] | undefined {
  if (asked === null || (version === 0 && asked.length === 0)) return undefined
  const topics: Topic[] = []
  let items = 0
  for (const { topicId, name } of asked) {
    const topic = topicId === zeroUuid ? catalog.byName(name ?? '') : undefined
    if (topic === undefined) return undefined
    if (!topics.includes(topic)) topics.push(topic)
    items += 1 + topic.partitions.length
    if (!turns.isShort(items)) return undefined
  }
  return topics
}

function* describeInSteps(
  request: MetadataRequest,
  context: RequestContext,
): Steps<MetadataResponse | Promise<MetadataResponse>> {
  const { topics } = request
  const operations = operationsOf(request)
  if (topics === null || (context.version === 0 && topics.length === 0)) {
    return present(yield* allTopics(operations, context), request, context)
  }
  const { ids, names, missing } = yield* wantedOf(topics, context)
  if (ids.size > 0) return present(yield* topicsOfIds(ids, operations, context), request, context)
  const mayCreate =
    request.allowAutoTopicCreation &&
    context.config.autoCreateTopics &&
    context.store.full === undefined
  if (missing.length === 0 || !mayCreate) {
    const found = yield* topicsOfNames(names, new Map(), operations, context)
    return present(found, request, context)
  }
  const topicIds: string[] = []
  for (const _ of missing) {
    topicIds.push(randomUuid(context.random))
    yield 2
  }
  return createMissing(missing, topicIds, context).then(async (refused) => {
    const found = topicsOfNames(names, refused, operations, context)
    return present(await context.turns.run(found, context.peer), request, context)
  })
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

function* allTopics(
  topicAuthorizedOperations: number,
  context: RequestContext,
): Steps<MetadataTopic[]> {
  const topics: MetadataTopic[] = []
  // As they are now: one made or deleted meanwhile does not change what is walked through.
  const all = Array.from(context.catalog.topics())
  for (const topic of all) {
    topics.push({ ...presentTopic(topic, context), topicAuthorizedOperations })
    yield 1 + topic.partitions.length
  }
  return topics
}

function* topicsOfIds(
  ids: ReadonlySet<string>,
  topicAuthorizedOperations: number,
  context: RequestContext,
): Steps<MetadataTopic[]> {
  const topics: MetadataTopic[] = []
  for (const topicId of ids) {
    const topic = topicOfId(topicId, context)
    topics.push({ ...topic, topicAuthorizedOperations })
    yield 1 + (topic.partitions?.length ?? 0)
  }
  return topics
}

/** The different topics of a request, by whichever they are named, and the names that no topic has. */
function* wantedOf(
  topics: readonly { readonly topicId: string; readonly name: string | null }[],
  { catalog }: RequestContext,
): Steps<{ ids: ReadonlySet<string>; names: ReadonlySet<string>; missing: readonly string[] }> {
  const ids = new Set<string>()
  const names = new Set<string>()
  const missing: string[] = []
  for (const { topicId, name } of topics) {
    yield 1
    const wanted = name ?? ''
    if (topicId !== zeroUuid) ids.add(topicId)
    if (!names.has(wanted) && catalog.byName(wanted) === undefined) missing.push(wanted)
    names.add(wanted)
  }
  return { ids, names, missing }
}

/** `refused`: why a topic was not created, by its name. */
function* topicsOfNames(
  names: ReadonlySet<string>,
  refused: ReadonlyMap<string, number>,
  topicAuthorizedOperations: number,
  context: RequestContext,
): Steps<MetadataTopic[]> {
  const topics: MetadataTopic[] = []
  for (const name of names) {
    const topic = context.catalog.byName(name)
    const errorCode = refused.get(name) ?? nameError(name)
    const found =
      topic === undefined ? { errorCode, name, topicId: zeroUuid } : presentTopic(topic, context)
    topics.push({ ...found, topicAuthorizedOperations })
    yield 1 + (topic?.partitions.length ?? 0)
  }
  return topics
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
  topicIds: readonly string[],
  { topics }: RequestContext,
): Promise<ReadonlyMap<string, number>> {
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
