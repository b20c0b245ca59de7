/**
 * Creating and growing topics: CreateTopics, CreatePartitions, and creation on the side by Metadata. Every topic of a request is decided by itself; one refusal spares the others.
 */
import type { Steps } from '../../base/steps.ts'
import { zeroUuid } from '../../base/units.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { Input } from '../../protocol/schema.ts'
import { answer, onlyAnswer } from '../answer.ts'
import type { AutoCreate, Call, CreateTopicsCall, LogPlan, TopicsEffect } from '../commands.ts'
import type { TopicsChange, TopicsDecision } from './changes.ts'
import { configFault, topicConfigs } from './configs.ts'
import { countFault, requestFault } from './limits.ts'
import { foldedName, refusal, topicNameFault, type Refusal } from './names.ts'
import type { TopicsOptions } from './options.ts'
import { configList, effectiveConfigs, logPlans, type Topic, type TopicsState } from './state.ts'

type RequestedTopic = RequestOf<'CreateTopics'>['topics'][number]
type CreateTopicsResult = Input<ResponseOf<'CreateTopics'>['topics'][number]>

/** What it costs to work out all settings of a topic, beside items that are only looked up. */
const plannedItems = 16

/** What Kafka answers for configs nobody set, and for those a topic sets: `DescribeConfigs` sources. */
const sourceDefault = 5
const sourceTopic = 1

export function* createTopics(
  options: TopicsOptions,
  state: TopicsState,
  command: CreateTopicsCall,
  now: number,
): Steps<TopicsDecision> {
  const { request, topicIds } = command
  const requestedNames = yield* countNames(request.topics)
  const once = request.topics.filter(({ name }) => requestedNames.get(name) === 1)
  const excessive = requestFault(options, once)
  if (excessive !== undefined) {
    const topics = Array.from(requestedNames.keys(), (name) => ({ name, ...excessive }))
    return onlyAnswer(command, { topics })
  }
  const planned = newPlan()
  const answered = new Set<string>()
  const topics: CreateTopicsResult[] = []
  for (const [index, requested] of request.topics.entries()) {
    const { name } = requested
    if (answered.has(name)) continue
    answered.add(name)
    const duplicate = requestedNames.get(name)! > 1
    const topic = duplicate
      ? refusal(ErrorCode.INVALID_REQUEST, `Topic '${name}' is in the request more than once`)
      : yield* planTopic(options, state, planned, requested, topicIds[index] ?? zeroUuid, now)
    if ('errorCode' in topic) topics.push({ name, ...topic })
    else topics.push(createdResult(options, state, topic))
    yield plannedItems + requested.assignments.length
  }
  const replies = [answer(command, { topics })]
  if (request.validateOnly) return { changes: [], replies, effects: [] }
  return { ...(yield* creation(options, state, planned.topics)), replies }
}

export function* autoCreate(
  options: TopicsOptions,
  state: TopicsState,
  command: AutoCreate,
  now: number,
): Steps<TopicsDecision> {
  const { names, topicIds } = command
  const byDefault = { numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] }
  const missing = names.filter((name) => !state.topics.has(name))
  const excessive = countFault(missing.length * options.defaultPartitions)
  if (excessive !== undefined) {
    const { errorCode } = excessive
    return onlyAnswer(command, { topics: names.map((name) => ({ name, errorCode })) })
  }
  // What is left above it is for topics that somebody makes on purpose.
  const limited = { ...options, partitionsMax: options.autoCreatePartitionsMax }
  const planned = newPlan()
  const topics: { readonly name: string; readonly errorCode: number }[] = []
  for (const [index, name] of names.entries()) {
    yield 1
    if (state.topics.has(name) || planned.foldedNames.get(foldedName(name)) === name) {
      topics.push({ name, errorCode: ErrorCode.NONE })
      continue
    }
    const requested = { name, ...byDefault }
    const topicId = topicIds[index] ?? zeroUuid
    const topic = yield* planTopic(limited, state, planned, requested, topicId, now)
    topics.push({ name, errorCode: 'errorCode' in topic ? topic.errorCode : ErrorCode.NONE })
  }
  const replies = [answer(command, { topics })]
  return { ...(yield* creation(options, state, planned.topics)), replies }
}

export function* createPartitions(
  options: TopicsOptions,
  state: TopicsState,
  command: Call<'CreatePartitions'>,
): Steps<TopicsDecision> {
  const { request } = command
  const requestedNames = yield* countNames(request.topics)
  const changes: TopicsChange[] = []
  const logs: LogPlan[] = []
  const answered = new Set<string>()
  let added = 0
  const results: ({ name: string } & Partial<Refusal>)[] = []
  for (const { name, count, assignments } of request.topics) {
    yield 1 + (assignments?.length ?? 0)
    if (answered.has(name)) continue
    answered.add(name)
    const duplicate = requestedNames.get(name)! > 1
    const fault = duplicate
      ? refusal(ErrorCode.INVALID_REQUEST, `Topic '${name}' is in the request more than once`)
      : growthFault(options, state, name, count, assignments, added)
    if (fault !== undefined) {
      results.push({ name, ...fault })
      continue
    }
    results.push({ name })
    const topic = state.topics.get(name)!
    added += count - topic.partitionCount
    changes.push({ type: 'partitions-added', name, partitionCount: count })
    const grown = { ...topic, partitionCount: count }
    const own = logPlans(state, options.nodeId, grown, topic.partitionCount)
    for (const plan of own) logs.push(plan)
    yield plannedItems + own.length
  }
  if (request.validateOnly || changes.length === 0) return onlyAnswer(command, { results })
  const effects: TopicsEffect[] = [{ type: 'create-logs', logs }]
  return { changes, replies: [answer(command, { results })], effects }
}

function growthFault(
  options: TopicsOptions,
  state: TopicsState,
  name: string,
  count: number,
  assignments: readonly { readonly brokerIds: readonly number[] }[] | null,
  addedBefore: number,
): Refusal | undefined {
  const topic = state.topics.get(name)
  if (topic === undefined) {
    return refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'This server does not host this topic.')
  }
  const added = count - topic.partitionCount
  if (added <= 0) {
    const text =
      added === 0
        ? `Topic already has ${count} partition(s).`
        : `The topic ${name} currently has ${topic.partitionCount} partition(s); ${count} would not be an increase.`
    return refusal(ErrorCode.INVALID_PARTITIONS, text)
  }
  if (assignments !== null) {
    if (assignments.length !== added) {
      const text = `Increasing the number of partitions by ${added} but ${assignments.length} assignments provided.`
      return refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, text)
    }
    const fault = assignmentFault(options, assignments)
    if (fault !== undefined) return fault
  }
  return countFault(addedBefore + added) ?? limitFault(options, state, addedBefore + added)
}

/** What a request creates: each topic is judged by those before it, too, and looks none of them over. */
interface Plan {
  readonly topics: Topic[]
  readonly foldedNames: Map<string, string>
  partitionCount: number
}

function newPlan(): Plan {
  return { topics: [], foldedNames: new Map(), partitionCount: 0 }
}

/** Plans the topic that a request asks for, or says why it cannot be. */
function* planTopic(
  options: TopicsOptions,
  state: TopicsState,
  planned: Plan,
  requested: RequestedTopic,
  topicId: string,
  now: number,
): Steps<Topic | Refusal> {
  const { name } = requested
  const fault = topicNameFault(name)
  if (fault !== undefined) return refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, fault)
  if (name === '__cluster_metadata') {
    return refusal(ErrorCode.INVALID_REQUEST, `Kafka's tools take ${name} for a log of its own.`)
  }
  if (state.topics.has(name)) {
    return refusal(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`)
  }
  const folded = foldedName(name)
  const collision = state.foldedNames.get(folded) ?? planned.foldedNames.get(folded)
  if (collision !== undefined) {
    const text = `Topic '${name}' collides with existing topic: ${collision}`
    return refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, text)
  }
  const partitionCount = partitionCountOf(options, requested)
  if (typeof partitionCount !== 'number') return partitionCount
  const tooMany = limitFault(options, state, planned.partitionCount + partitionCount)
  if (tooMany !== undefined) return tooMany
  const configs = new Map<string, string>()
  for (const { name: config, value } of requested.configs) {
    yield 1
    const spec = topicConfigs.get(config)
    if (spec === undefined) {
      return refusal(ErrorCode.INVALID_CONFIG, `Unknown topic config name: ${config}`)
    }
    if (value === null) {
      const text = `Null value not supported for topic configs: ${config}`
      return refusal(ErrorCode.INVALID_CONFIG, text)
    }
    const wrong = configFault(spec, value)
    if (wrong !== undefined) return refusal(ErrorCode.INVALID_CONFIG, wrong)
    configs.set(config, value)
  }
  const topic = { name, topicId, partitionCount, configs, createdAt: now }
  planned.topics.push(topic)
  planned.foldedNames.set(folded, name)
  planned.partitionCount += partitionCount
  return topic
}

function partitionCountOf(options: TopicsOptions, requested: RequestedTopic): number | Refusal {
  const { numPartitions, replicationFactor, assignments } = requested
  if (assignments.length > 0) {
    if (numPartitions !== -1 || replicationFactor !== -1) {
      const text = 'With a replica assignment, partition count and replication factor must be -1.'
      return refusal(ErrorCode.INVALID_REQUEST, text)
    }
    const indexes = new Set(assignments.map(({ partitionIndex }) => partitionIndex))
    const gapless = assignments.every((_, index) => indexes.has(index))
    if (!gapless || indexes.size !== assignments.length) {
      const text = 'The assigned partitions must be numbered from 0 without gaps or repetition.'
      return refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, text)
    }
    return assignmentFault(options, assignments) ?? assignments.length
  }
  if (numPartitions === 0 || numPartitions < -1) {
    const text = 'Number of partitions was set to an invalid non-positive value.'
    return refusal(ErrorCode.INVALID_PARTITIONS, text)
  }
  if (replicationFactor !== -1 && replicationFactor !== 1) {
    const text =
      replicationFactor < 1
        ? 'Replication factor must be larger than 0, or -1 to use the default value.'
        : `Unable to replicate the partition ${replicationFactor} time(s): The target replication factor of ${replicationFactor} cannot be reached because only 1 broker(s) are registered.`
    return refusal(ErrorCode.INVALID_REPLICATION_FACTOR, text)
  }
  return numPartitions === -1 ? options.defaultPartitions : numPartitions
}

function assignmentFault(
  { nodeId }: TopicsOptions,
  assignments: readonly { readonly brokerIds: readonly number[] }[],
): Refusal | undefined {
  const here = assignments.every(
    ({ brokerIds }) => brokerIds.length === 1 && brokerIds[0] === nodeId,
  )
  if (here) return undefined
  const text = `Every partition has one replica, on broker ${nodeId}: there is no other broker.`
  return refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, text)
}

function limitFault(
  options: TopicsOptions,
  state: TopicsState,
  added: number,
): Refusal | undefined {
  const partitions = state.partitionCount + added
  if (partitions <= options.partitionsMax) return undefined
  const text = `All topics together may have ${options.partitionsMax} partitions; this would make ${partitions}.`
  return refusal(ErrorCode.POLICY_VIOLATION, text)
}

function* creation(
  options: TopicsOptions,
  state: TopicsState,
  created: readonly Topic[],
): Steps<Pick<TopicsDecision, 'changes' | 'effects'>> {
  if (created.length === 0) return { changes: [], effects: [] }
  const changes: TopicsChange[] = []
  const logs: LogPlan[] = []
  for (const topic of created) {
    const { name, topicId, partitionCount, configs, createdAt: at } = topic
    const list = configList(configs)
    changes.push({ type: 'topic-created', name, topicId, partitionCount, configs: list, at })
    for (const plan of logPlans(state, options.nodeId, topic)) logs.push(plan)
    yield plannedItems + partitionCount
  }
  return { changes, effects: [{ type: 'create-logs', logs }] }
}

function createdResult(
  options: TopicsOptions,
  state: TopicsState,
  topic: Topic,
): CreateTopicsResult {
  const effective = effectiveConfigs(state, options.nodeId, topic.configs)
  const configs = [...effective].map(([name, value]) => ({
    name,
    value,
    configSource: topic.configs.has(name) ? sourceTopic : sourceDefault,
  }))
  return {
    name: topic.name,
    topicId: topic.topicId,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    numPartitions: topic.partitionCount,
    replicationFactor: 1,
    configs,
  }
}

function* countNames(
  topics: readonly { readonly name: string }[],
): Steps<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const { name } of topics) {
    counts.set(name, (counts.get(name) ?? 0) + 1)
    yield 1 / 4
  }
  return counts
}
