/** Configurations are the topics machine's; disks are looked at here. */
import { ErrorCode } from '../../protocol/errors.ts'
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
    const wanted = Array.from(catalog.topics(), ({ name, partitions }) => {
      const asked = topics?.find(({ topic }) => topic === name)?.partitions
      const shown = partitions.filter(({ index }) => topics === null || asked?.includes(index))
      return {
        name,
        partitions: shown.map(({ index, log }) => ({
          partitionIndex: index,
          partitionSize: log.sizeBytes,
        })),
      }
    })
    return {
      errorCode: ErrorCode.NONE,
      results: [
        {
          errorCode: ErrorCode.NONE,
          logDir: directory,
          topics: wanted.filter(({ partitions }) => partitions.length > 0),
        },
      ],
    }
  },
}
