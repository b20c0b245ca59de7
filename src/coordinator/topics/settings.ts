/**
 * Changing configs of topics (resource type 2) and brokers (4): AlterConfigs and IncrementalAlterConfigs.
 *
 * AlterConfigs replaces all settings of a resource; IncrementalAlterConfigs edits single ones (KIP-339).
 * A resource with one wrong setting is left alone.
 */
import type { Steps } from '../../base/steps.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { Input } from '../../protocol/schema.ts'
import { answer, onlyAnswer } from '../answer.ts'
import type { Call, LogPlan, TopicsEffect } from '../commands.ts'
import { applyToTopics } from './apply.ts'
import type { TopicsChange, TopicsDecision } from './changes.ts'
import { brokerConfigs, configFault, listItems, topicConfigs, type ConfigSpec } from './configs.ts'
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

type AlteredResource = Input<ResponseOf<'AlterConfigs'>['responses'][number]>
type ConfigEdit = RequestOf<'IncrementalAlterConfigs'>['resources'][number]['configs'][number]

/** What it costs to work out all settings of a topic, beside items that are only looked up. */
const settingItems = 16

/** What an edit does: `IncrementalAlterConfigs` operations. */
const operation = { set: 0, delete: 1, append: 2, subtract: 3 } as const

export function* alterConfigs(
  options: TopicsOptions,
  state: TopicsState,
  command: Call<'AlterConfigs'>,
): Steps<TopicsDecision> {
  const { request } = command
  const resources: Resource[] = []
  for (const { resourceType, resourceName, configs: set } of request.resources) {
    const configOperation = operation.set
    const configs = set.map(({ name, value }) => ({ name, value, configOperation }))
    resources.push({ resourceType, resourceName, configs })
    yield 1 + configs.length
  }
  return yield* alter(options, state, command, resources, true)
}

export function* alterConfigsIncrementally(
  options: TopicsOptions,
  state: TopicsState,
  command: Call<'IncrementalAlterConfigs'>,
): Steps<TopicsDecision> {
  return yield* alter(options, state, command, command.request.resources, false)
}

interface Resource {
  readonly resourceType: number
  readonly resourceName: string
  readonly configs: readonly ConfigEdit[]
}

function* alter(
  options: TopicsOptions,
  state: TopicsState,
  command: Call<'AlterConfigs'> | Call<'IncrementalAlterConfigs'>,
  resources: readonly Resource[],
  replace: boolean,
): Steps<TopicsDecision> {
  const changes: TopicsChange[] = []
  const counts = new Map<string, number>()
  for (const each of resources) {
    counts.set(keyOf(each), (counts.get(keyOf(each)) ?? 0) + 1)
    yield 1
  }
  const responses: AlteredResource[] = []
  for (const resource of resources) {
    const { resourceType, resourceName, configs } = resource
    const isTwice = counts.get(keyOf(resource))! > 1
    const edited = isTwice
      ? refusal(ErrorCode.INVALID_REQUEST, 'The resource is in the request more than once.')
      : alterResource(options, state, resource, replace)
    yield 2 + configs.length
    if ('errorCode' in edited) {
      responses.push({ resourceType, resourceName, ...edited })
      continue
    }
    const list = configList(edited)
    changes.push({ type: 'configs-set', resourceType, resourceName, configs: list })
    const none = { errorCode: ErrorCode.NONE, errorMessage: null }
    responses.push({ resourceType, resourceName, ...none })
  }
  if (command.request.validateOnly) return onlyAnswer(command, { responses })
  const effects = yield* configuring(options, state, changes)
  return { changes, replies: [answer(command, { responses })], effects }
}

/** The settings of a resource after its edits, or why they cannot be. */
function alterResource(
  options: TopicsOptions,
  state: TopicsState,
  { resourceType, resourceName, configs }: Resource,
  replace: boolean,
): Map<string, string> | Refusal {
  if (resourceType === topicResource && resourceName === '') {
    return refusal(ErrorCode.INVALID_REQUEST, 'There are no settings of all topics: name one.')
  }
  const fault = resourceFault(options, state, resourceType, resourceName)
  if (fault !== undefined) return fault
  const current = replace ? new Map() : settingsOf(state, resourceType, resourceName)
  return edit(options, state, resourceType, current, configs)
}

function keyOf({ resourceType, resourceName }: Resource): string {
  return `${resourceType} ${resourceName}`
}

/** Logs to tell about their new settings, and the broker about its own. */
function* configuring(
  { nodeId }: TopicsOptions,
  state: TopicsState,
  changes: readonly TopicsChange[],
): Steps<TopicsEffect[]> {
  if (changes.length === 0) return []
  // Settings touch neither names nor numbers of topics.
  const topics = new Map(state.topics)
  const after: TopicsState = { ...state, topics, brokers: new Map(state.brokers) }
  const touched = new Set<string>()
  let brokersChanged = false
  for (const change of changes) {
    applyToTopics(after, change)
    if (change.type === 'configs-set') {
      if (change.resourceType === brokerResource) brokersChanged = true
      else touched.add(change.resourceName)
    }
    yield 1
  }
  const logs: LogPlan[] = []
  for (const name of brokersChanged ? topics.keys() : touched) {
    const plans = logPlans(after, nodeId, topics.get(name)!)
    for (const plan of plans) logs.push(plan)
    yield settingItems + plans.length
  }
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

export function settingsOf(
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

export function resourceFault(
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
