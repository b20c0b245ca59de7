/** Configurations are the topics machine's; disks are looked at here. */
import type { Steps } from '../../base/steps.ts'
import type { RequestOf, ResponseInput } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { Catalog } from '../serving/catalog.ts'
import type { Partition } from '../serving/partition.ts'
import { clientGone } from '../turns.ts'
import { answerBytesOf } from './answer-bytes.ts'
import { forward, type Handlers, type RequestContext } from './context.ts'
import { slicesOf } from './pieces.ts'

type DescribableResource = RequestOf<'DescribeConfigs'>['resources'][number]
type DescribedResource = NonNullable<ResponseInput<'DescribeConfigs'>['results']>[number]
type LogDir = NonNullable<ResponseInput<'DescribeLogDirs'>['results']>[number]
type DescribedTopic = NonNullable<LogDir['topics']>[number]
type DescribedPartition = NonNullable<DescribedTopic['partitions']>[number]

/** What it costs the topics machine to describe a resource, beside items that are only looked up. */
const describedItems = 48

export const adminHandlers: Handlers = {
  *DescribeConfigs(request, context) {
    const resources = yield* resourcesOnce(request.resources)
    return describeConfigs({ ...request, resources }, context)
  },

  AlterConfigs: (request, context) => forward(context.topics, 'AlterConfigs', request, context),

  IncrementalAlterConfigs: (request, context) =>
    forward(context.topics, 'IncrementalAlterConfigs', request, context),

  ListConfigResources: (request, context) => {
    const tooMany = request.resourceTypes.length > context.config.filtersMax
    if (tooMany) return { errorCode: ErrorCode.INVALID_REQUEST }
    return forward(context.topics, 'ListConfigResources', request, context)
  },

  *DescribeLogDirs({ topics: asked }, { catalog, directory }) {
    const wanted = asked === null ? everything(catalog) : yield* named(asked, catalog)
    const topics: DescribedTopic[] = []
    for (const [name, ofTopic] of wanted) {
      const partitions: DescribedPartition[] = []
      topics.push({ name, partitions })
      for (const { index, log } of ofTopic) {
        partitions.push({ partitionIndex: index, partitionSize: log.sizeBytes })
        yield 1
      }
    }
    const { NONE } = ErrorCode
    return { errorCode: NONE, results: [{ errorCode: NONE, logDir: directory, topics }] }
  },
}

/** The resources that a request names, each once, with all keys that it asks of them. */
function* resourcesOnce(
  resources: RequestOf<'DescribeConfigs'>['resources'],
): Steps<readonly DescribableResource[]> {
  const found = new Map<string, DescribableResource & { configurationKeys: string[] | null }>()
  for (const { resourceType, resourceName, configurationKeys } of resources) {
    const keys = configurationKeys ?? []
    yield 1 / 2 + keys.length / 8
    const id = `${resourceType} ${resourceName}`
    const wanted = found.get(id)
    if (wanted === undefined) {
      const some = keys.length === 0 ? null : [...keys]
      found.set(id, { resourceType, resourceName, configurationKeys: some })
    } else if (keys.length === 0) wanted.configurationKeys = null
    else for (const key of keys) wanted.configurationKeys?.push(key)
  }
  return [...found.values()]
}

/** The topics machine is asked in pieces, the first of them at once: others need not wait for all of it. */
async function describeConfigs(
  request: RequestOf<'DescribeConfigs'>,
  context: RequestContext,
): Promise<ResponseInput<'DescribeConfigs'>> {
  const { peer, room, topics, turns } = context
  const results: DescribedResource[] = []
  let isGone = false
  const forget = peer.onGone(() => (isGone = true))
  try {
    const many = Math.max(1, Math.floor(turns.itemsMax / describedItems))
    for (const resources of slicesOf(request.resources, many)) {
      const asked = { ...request, resources }
      const described = await forward(topics, 'DescribeConfigs', asked, context)
      if (isGone) throw clientGone()
      room.grow(answerBytesOf(described.results))
      for (const result of described.results ?? []) results.push(result)
    }
    return { results }
  } finally {
    forget()
  }
}

function everything(catalog: Catalog): Map<string, Iterable<Partition>> {
  return new Map(Array.from(catalog.topics(), ({ name, partitions }) => [name, partitions]))
}

/** The partitions that a request names and that exist, each once. */
function* named(
  topics: NonNullable<RequestOf<'DescribeLogDirs'>['topics']>,
  catalog: Catalog,
): Steps<Map<string, Iterable<Partition>>> {
  const found = new Map<string, Set<Partition>>()
  for (const { topic, partitions } of topics) {
    for (const index of partitions) {
      yield 1
      const partition = catalog.partition(topic, index)
      if (partition === undefined) continue
      const ofTopic = found.get(topic) ?? new Set()
      found.set(topic, ofTopic.add(partition))
    }
  }
  return found
}
