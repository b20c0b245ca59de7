/** Configurations are the topics machine's; disks are looked at here. */
import type { Steps } from '../../base/steps.ts'
import type { RequestOf, ResponseInput } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { Catalog } from '../serving/catalog.ts'
import type { Partition } from '../serving/partition.ts'
import { forward, type Handlers } from './context.ts'

type LogDir = NonNullable<ResponseInput<'DescribeLogDirs'>['results']>[number]
type DescribedTopic = NonNullable<LogDir['topics']>[number]
type DescribedPartition = NonNullable<DescribedTopic['partitions']>[number]

export const adminHandlers: Handlers = {
  DescribeConfigs: (request, context) =>
    forward(context.topics, 'DescribeConfigs', request, context),

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
