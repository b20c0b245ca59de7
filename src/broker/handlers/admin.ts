/** Configurations are the topics machine's; disks are looked at here. */
import type { RequestOf } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { Catalog } from '../serving/catalog.ts'
import type { Partition } from '../serving/partition.ts'
import { forward, type Handlers } from './context.ts'

export const adminHandlers: Handlers = {
  DescribeConfigs: (request, context) =>
    forward(context.topics, 'DescribeConfigs', request, context),

  AlterConfigs: (request, context) => forward(context.topics, 'AlterConfigs', request, context),

  IncrementalAlterConfigs: (request, context) =>
    forward(context.topics, 'IncrementalAlterConfigs', request, context),

  ListConfigResources: (request, context) =>
    forward(context.topics, 'ListConfigResources', request, context),

  DescribeLogDirs: ({ topics }, { catalog, directory }) => {
    const wanted = topics === null ? everything(catalog) : named(topics, catalog)
    return {
      errorCode: ErrorCode.NONE,
      results: [
        {
          errorCode: ErrorCode.NONE,
          logDir: directory,
          topics: Array.from(wanted, ([name, partitions]) => ({
            name,
            partitions: Array.from(partitions, ({ index, log }) => ({
              partitionIndex: index,
              partitionSize: log.sizeBytes,
            })),
          })),
        },
      ],
    }
  },
}

function everything(catalog: Catalog): Map<string, Iterable<Partition>> {
  return new Map(Array.from(catalog.topics(), ({ name, partitions }) => [name, partitions]))
}

/** The partitions that a request names and that exist, each once. */
function named(
  topics: NonNullable<RequestOf<'DescribeLogDirs'>['topics']>,
  catalog: Catalog,
): Map<string, Iterable<Partition>> {
  const found = new Map<string, Set<Partition>>()
  for (const { topic, partitions } of topics) {
    for (const index of partitions) {
      const partition = catalog.partition(topic, index)
      if (partition === undefined) continue
      const ofTopic = found.get(topic) ?? new Set()
      found.set(topic, ofTopic.add(partition))
    }
  }
  return found
}
