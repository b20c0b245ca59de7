/**
 * Reading and changing configs: DescribeConfigs, AlterConfigs, IncrementalAlterConfigs and
 * ListConfigResources, for topics (resource type 2) and brokers (4).
 *
 * A description holds every config there is, with the value in force, where it comes from, and the
 * values it would fall back to (KIP-226). AlterConfigs replaces all settings of a resource;
 * IncrementalAlterConfigs edits single ones (KIP-339). A resource with one wrong setting is left alone.
 */
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { Input } from '../../protocol/schema.ts'
import { answer, onlyAnswer } from '../answer.ts'
import type { Call, TopicsEffect } from '../commands.ts'
import { applyToTopics } from './apply.ts'
import type { TopicsChange, TopicsDecision } from './changes.ts'
import {
  brokerConfigs,
  configFault,
  configTypes,
  listItems,
  topicConfigs,
  type ConfigSpec,
} from './configs.ts'
import { refusal, topicNameFault, type Refusal } from './names.ts'
import type { TopicsOptions } from './options.ts'
import {
  brokerConfig,
  brokerResource,
  configList,
  logPlans,
  topicResource,
  type TopicsState,
} from './state.ts'

type DescribedResource = Input<ResponseOf<'DescribeConfigs'>['results'][number]>
type DescribedConfig = Input<ResponseOf<'DescribeConfigs'>['results'][number]['configs'][number]>
type Synonym = { readonly name: string; readonly value: string; readonly source: number }
type ConfigEdit = RequestOf<'IncrementalAlterConfigs'>['resources'][number]['configs'][number]

/** Resources that could have configs and have none here: client metrics (KIP-714), groups (KIP-848). */
const unusedResources = new Set([16, 32])
/** Where a value comes from: `DescribeConfigs` sources. */
const source = { topic: 1, broker: 2, allBrokers: 3, file: 4, byDefault: 5 } as const
/** What an edit does: `IncrementalAlterConfigs` operations. */
const operation = { set: 0, delete: 1, append: 2, subtract: 3 } as const

export function describeConfigs(
  options: TopicsOptions,
  state: TopicsState,
  command: Call<'DescribeConfigs'>,
): TopicsDecision {
  const { request } = command
  const results = request.resources.map((resource): DescribedResource => {
    const { resourceType, resourceName } = resource
    if (unusedResources.has(resourceType)) {
      return { resourceType, resourceName, configs: [] }
    }
    const fault = resourceFault(options, state, resourceType, resourceName)
    if (fault !== undefined) return { resourceType, resourceName, ...fault }
    const all =
      resourceType === topicResource
        ? describeTopic(options, state, resourceName)
        : describeBroker(options, state, resourceName)
    const keys = new Set(resource.configurationKeys)
    const configs = all
      .filter(({ name }) => keys.size === 0 || keys.has(name ?? ''))
      .map((config) => (request.includeSynonyms ? config : { ...config, synonyms: [] }))
    return { resourceType, resourceName, configs }
  })
  return onlyAnswer(command, { results })
}

export function alterConfigs(
  options: TopicsOptions,
  state: TopicsState,
  command: Call<'AlterConfigs'>,
): TopicsDecision {
  const { request } = command
  const resources = request.resources.map((resource) => ({
    ...resource,
    configs: resource.configs.map(({ name, value }) => ({
      name,
      value,
      configOperation: operation.set,
    })),
  }))
  return alter(options, state, command, resources, true)
}

export function alterConfigsIncrementally(
  options: TopicsOptions,
  state: TopicsState,
  command: Call<'IncrementalAlterConfigs'>,
): TopicsDecision {
  return alter(options, state, command, command.request.resources, false)
}

export function listConfigResources(
  { nodeId }: TopicsOptions,
  state: TopicsState,
  command: Call<'ListConfigResources'>,
): TopicsDecision {
  const { version, request } = command
  // v0 lists client metrics resources, of which there are none.
  const wanted = (type: number) =>
    version > 0 && (request.resourceTypes.length === 0 || request.resourceTypes.includes(type))
  const topics = wanted(topicResource) ? [...state.topics.keys()] : []
  const brokers = wanted(brokerResource) ? [String(nodeId)] : []
  const configResources = [
    ...topics.map((resourceName) => ({ resourceName, resourceType: topicResource })),
    ...brokers.map((resourceName) => ({ resourceName, resourceType: brokerResource })),
  ]
  return onlyAnswer(command, { configResources })
}

interface Resource {
  readonly resourceType: number
  readonly resourceName: string
  readonly configs: readonly ConfigEdit[]
}

function alter(
  options: TopicsOptions,
  state: TopicsState,
  command: Call<'AlterConfigs'> | Call<'IncrementalAlterConfigs'>,
  resources: readonly Resource[],
  replace: boolean,
): TopicsDecision {
  const changes: TopicsChange[] = []
  const counts = new Map<string, number>()
  for (const each of resources) counts.set(keyOf(each), (counts.get(keyOf(each)) ?? 0) + 1)
  const responses = resources.map((resource) => {
    const { resourceType, resourceName, configs } = resource
    const isTwice = counts.get(keyOf(resource))! > 1
    const isNobody = resourceType === topicResource && resourceName === ''
    const fault = isTwice
      ? refusal(ErrorCode.INVALID_REQUEST, 'The resource is in the request more than once.')
      : isNobody
        ? refusal(ErrorCode.INVALID_REQUEST, 'There are no settings of all topics: name one.')
        : resourceFault(options, state, resourceType, resourceName)
    if (fault !== undefined) return { resourceType, resourceName, ...fault }
    const current = replace ? new Map() : settingsOf(state, resourceType, resourceName)
    const edited = edit(options, state, resourceType, current, configs)
    if ('errorCode' in edited) return { resourceType, resourceName, ...edited }
    const list = configList(edited)
    changes.push({ type: 'configs-set', resourceType, resourceName, configs: list })
    return { resourceType, resourceName, errorCode: ErrorCode.NONE, errorMessage: null }
  })
  if (command.request.validateOnly) return onlyAnswer(command, { responses })
  const effects = configuring(options, state, changes)
  return { changes, replies: [answer(command, { responses })], effects }
}

function keyOf({ resourceType, resourceName }: Resource): string {
  return `${resourceType} ${resourceName}`
}

/** Logs to tell about their new settings, and the broker about its own. */
function configuring(
  { nodeId }: TopicsOptions,
  state: TopicsState,
  changes: readonly TopicsChange[],
): TopicsEffect[] {
  if (changes.length === 0) return []
  // Settings touch neither names nor numbers of topics.
  const topics = new Map(state.topics)
  const after: TopicsState = { ...state, topics, brokers: new Map(state.brokers) }
  for (const change of changes) applyToTopics(after, change)
  const brokersChanged = changes.some(
    (change) => change.type === 'configs-set' && change.resourceType === brokerResource,
  )
  const touched = [...after.topics.values()].filter(
    (topic) => brokersChanged || state.topics.get(topic.name) !== topic,
  )
  const logs = touched.flatMap((topic) => logPlans(after, nodeId, topic))
  const effects: TopicsEffect[] = [{ type: 'configure-logs', logs }]
  if (brokersChanged) {
    const configs = new Map<string, string>()
    for (const name of brokerConfigs.keys()) {
      configs.set(name, brokerConfig(after, nodeId, name) ?? '')
    }
    effects.push({ type: 'configure-broker', configs })
  }
  return effects
}

/** The settings after the edits, or why they cannot be. */
function edit(
  options: TopicsOptions,
  state: TopicsState,
  resourceType: number,
  current: ReadonlyMap<string, string>,
  edits: readonly ConfigEdit[],
): Map<string, string> | Refusal {
  const specs = resourceType === topicResource ? topicConfigs : brokerConfigs
  const isTopic = resourceType === topicResource
  const wrongCode = isTopic ? ErrorCode.INVALID_CONFIG : ErrorCode.INVALID_REQUEST
  const settings = new Map(current)
  const seen = new Set<string>()
  for (const each of edits) {
    const { name, configOperation, value } = each
    const malformed = editFault(options, each, seen)
    if (malformed !== undefined) return refusal(ErrorCode.INVALID_REQUEST, malformed)
    seen.add(name)
    if (configOperation === operation.delete || value === null) {
      settings.delete(name)
      continue
    }
    const spec = specs.get(name)
    if (spec === undefined) {
      const kind = isTopic ? 'topic' : 'broker'
      return refusal(wrongCode, `Unknown ${kind} config name: ${name}`)
    }
    const inForce = settings.get(name) ?? fallbackOf(options, state, spec)
    const next = editedValue(spec, configOperation, inForce, value)
    if (next === undefined) {
      const text = `Config ${name} is not a list, so it cannot be appended to`
      return refusal(wrongCode, text)
    }
    const fault = configFault(spec, next)
    if (fault !== undefined) return refusal(wrongCode, fault)
    settings.set(name, next)
  }
  return settings
}

function editedValue(
  spec: ConfigSpec,
  configOperation: number,
  inForce: string,
  value: string,
): string | undefined {
  if (configOperation === operation.set) return value
  if (spec.type !== 'list') return undefined
  const items = listItems(inForce)
  const given = listItems(value)
  const without = new Set(configOperation === operation.append ? items : given)
  if (configOperation === operation.append) {
    return [...items, ...given.filter((item) => !without.has(item))].join(',')
  }
  return items.filter((item) => !without.has(item)).join(',')
}

/** Why an edit makes no sense, whatever the config takes. */
function editFault(
  { brokerConfigs: fixed }: TopicsOptions,
  { name, configOperation, value }: ConfigEdit,
  seen: ReadonlySet<string>,
): string | undefined {
  if (seen.has(name)) return `Config ${name} is altered more than once`
  if (configOperation < operation.set || configOperation > operation.subtract) {
    return `Unknown operation type ${configOperation}`
  }
  if (configOperation !== operation.delete && value === null) {
    return `Null value not supported for config ${name}`
  }
  return fixed.has(name) ? `Cannot update these configs dynamically: ${name}` : undefined
}

function fallbackOf({ nodeId }: TopicsOptions, state: TopicsState, spec: ConfigSpec): string {
  const inherited =
    spec.synonym === undefined ? undefined : brokerConfig(state, nodeId, spec.synonym)
  return inherited ?? spec.byDefault
}

function settingsOf(
  state: TopicsState,
  resourceType: number,
  resourceName: string,
): ReadonlyMap<string, string> {
  const settings =
    resourceType === topicResource
      ? state.topics.get(resourceName)?.configs
      : state.brokers.get(resourceName)
  return settings ?? new Map()
}

function resourceFault(
  { nodeId }: TopicsOptions,
  state: TopicsState,
  resourceType: number,
  resourceName: string,
): Refusal | undefined {
  if (resourceType === topicResource) {
    if (state.topics.has(resourceName)) return undefined
    const fault = topicNameFault(resourceName)
    if (fault !== undefined) return refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, fault)
    const text = `The topic '${resourceName}' does not exist.`
    return refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, text)
  }
  if (resourceType !== brokerResource) {
    const text = `There are no configs of resource type ${resourceType} here.`
    return refusal(ErrorCode.INVALID_REQUEST, text)
  }
  if (resourceName === '' || resourceName === String(nodeId)) return undefined
  const text = `Unexpected broker id '${resourceName}': this is broker ${nodeId}.`
  return refusal(ErrorCode.INVALID_REQUEST, text)
}

function describeTopic(
  { nodeId }: TopicsOptions,
  state: TopicsState,
  name: string,
): DescribedConfig[] {
  const settings = settingsOf(state, topicResource, name)
  return [...topicConfigs.values()].map((spec) => {
    const own = settings.get(spec.name)
    const synonyms: Synonym[] = []
    if (own !== undefined) synonyms.push({ name: spec.name, value: own, source: source.topic })
    if (spec.synonym !== undefined) synonyms.push(...brokerSynonyms(state, nodeId, spec.synonym))
    return described(spec, synonyms)
  })
}

function describeBroker(
  options: TopicsOptions,
  state: TopicsState,
  resourceName: string,
): DescribedConfig[] {
  const changeable = [...brokerConfigs.values()].map((spec) =>
    described(spec, brokerSynonyms(state, options.nodeId, spec.name)),
  )
  if (resourceName === '') {
    return changeable.filter(({ configSource }) => configSource === source.allBrokers)
  }
  const fixed = [...options.brokerConfigs].map(([name, value]) => ({
    name,
    value,
    readOnly: true,
    configSource: source.file,
    isSensitive: false,
    synonyms: [{ name, value, source: source.file }],
    configType: /^(true|false)$/.test(value)
      ? configTypes.boolean
      : /^\d+$/.test(value)
        ? configTypes.int
        : configTypes.string,
    documentation: null,
  }))
  return [...changeable, ...fixed]
}

/** What a broker-wide setting is set to, nearest first. */
function brokerSynonyms(state: TopicsState, nodeId: number, name: string): Synonym[] {
  const synonyms: Synonym[] = []
  const own = state.brokers.get(String(nodeId))?.get(name)
  if (own !== undefined) synonyms.push({ name, value: own, source: source.broker })
  const all = state.brokers.get('')?.get(name)
  if (all !== undefined) synonyms.push({ name, value: all, source: source.allBrokers })
  const byDefault = brokerConfigs.get(name)?.byDefault
  if (byDefault !== undefined) {
    synonyms.push({ name, value: byDefault, source: source.byDefault })
  }
  return synonyms
}

function described(spec: ConfigSpec, synonyms: readonly Synonym[]): DescribedConfig {
  const nearest = synonyms[0]
  return {
    name: spec.name,
    value: nearest?.value ?? spec.byDefault,
    readOnly: false,
    configSource: nearest?.source ?? source.byDefault,
    isSensitive: false,
    synonyms,
    configType: configTypes[spec.type],
    documentation: null,
  }
}
