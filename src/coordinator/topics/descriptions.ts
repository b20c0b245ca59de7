/**
 * Reading configs of topics (resource type 2) and brokers (4): DescribeConfigs and ListConfigResources.
 *
 * A description holds every config there is, with the value in force, where it comes from, and the
 * values it would fall back to (KIP-226).
 */
import type { Steps } from '../../base/steps.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import type { Input } from '../../protocol/schema.ts'
import { onlyAnswer } from '../answer.ts'
import type { Call } from '../commands.ts'
import type { TopicsDecision } from './changes.ts'
import { brokerConfigs, configTypes, topicConfigs, type ConfigSpec } from './configs.ts'
import type { TopicsOptions } from './options.ts'
import { resourceFault, settingsOf } from './settings.ts'
import { brokerResource, topicResource, type TopicsState } from './state.ts'

type Resource = RequestOf<'DescribeConfigs'>['resources'][number]
type DescribedResource = Input<ResponseOf<'DescribeConfigs'>['results'][number]>
type DescribedConfig = Input<ResponseOf<'DescribeConfigs'>['results'][number]['configs'][number]>
type Synonym = { readonly name: string; readonly value: string; readonly source: number }

/** Resources that could have configs and have none here: client metrics (KIP-714), groups (KIP-848). */
const unusedResources = new Set([16, 32])
/** Where a value comes from: `DescribeConfigs` sources. */
const source = { topic: 1, broker: 2, allBrokers: 3, file: 4, byDefault: 5 } as const

/** What it costs to describe a resource, beside items that are only looked up. */
const describedItems = 48

export function* describeConfigs(
  options: TopicsOptions,
  state: TopicsState,
  command: Call<'DescribeConfigs'>,
): Steps<TopicsDecision> {
  const { request } = command
  const results: DescribedResource[] = []
  for (const resource of request.resources) {
    const { resourceType, resourceName, configurationKeys } = resource
    const keys = new Set<string>()
    for (const key of configurationKeys ?? []) {
      keys.add(key)
      yield 1 / 2
    }
    results.push({
      resourceType,
      resourceName,
      ...describeResource(options, state, resource, keys, request.includeSynonyms),
    })
    yield describedItems
  }
  return onlyAnswer(command, { results })
}

/** The settings of a resource, all of them if there are no `keys`, or why there are none. */
function describeResource(
  options: TopicsOptions,
  state: TopicsState,
  { resourceType, resourceName }: Resource,
  keys: ReadonlySet<string>,
  includeSynonyms: boolean,
): DescribedResource {
  if (unusedResources.has(resourceType)) return { configs: [] }
  const fault = resourceFault(options, state, resourceType, resourceName)
  if (fault !== undefined) return fault
  const all =
    resourceType === topicResource
      ? describeTopic(options, state, resourceName)
      : describeBroker(options, state, resourceName)
  const configs = all
    .filter(({ name }) => keys.size === 0 || keys.has(name ?? ''))
    .map((config) => (includeSynonyms ? config : { ...config, synonyms: [] }))
  return { configs }
}

export function* listConfigResources(
  { nodeId }: TopicsOptions,
  state: TopicsState,
  command: Call<'ListConfigResources'>,
): Steps<TopicsDecision> {
  const { version, request } = command
  const types = new Set(request.resourceTypes)
  // v0 lists client metrics resources, of which there are none.
  const wanted = (type: number) => version > 0 && (types.size === 0 || types.has(type))
  const configResources: { readonly resourceName: string; readonly resourceType: number }[] = []
  for (const resourceName of wanted(topicResource) ? state.topics.keys() : []) {
    configResources.push({ resourceName, resourceType: topicResource })
    yield 1
  }
  if (wanted(brokerResource)) {
    configResources.push({ resourceName: String(nodeId), resourceType: brokerResource })
  }
  return onlyAnswer(command, { configResources })
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
