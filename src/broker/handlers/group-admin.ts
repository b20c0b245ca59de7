/** Looking at groups and clearing them away. Partitions that do not exist are refused here. */
import { ErrorCode } from '../../protocol/errors.ts'
import { forward, type Handlers } from './context.ts'
import { groupOperations } from './operations.ts'

export const groupAdminHandlers: Handlers = {
  ListGroups: (request, context) => forward(context.groups, 'ListGroups', request, context),

  DescribeGroups: async (request, context) => {
    const described = await forward(context.groups, 'DescribeGroups', request, context)
    if (!request.includeAuthorizedOperations) return described
    const groups = described.groups?.map((group) => ({
      ...group,
      authorizedOperations: groupOperations,
    }))
    return { ...described, groups }
  },

  DeleteGroups: (request, context) => forward(context.groups, 'DeleteGroups', request, context),

  OffsetDelete: async (request, context) => {
    const isKnown = (name: string, index: number): boolean =>
      context.catalog.partition(name, index) !== undefined
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.filter(({ partitionIndex }) => isKnown(name, partitionIndex)),
    }))
    const answer = await forward(context.groups, 'OffsetDelete', { ...request, topics }, context)
    if (answer.errorCode !== ErrorCode.NONE) return answer
    const unknown = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions
        .filter(({ partitionIndex }) => !isKnown(name, partitionIndex))
        .map(({ partitionIndex }) => {
          const errorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
          return { partitionIndex, errorCode }
        }),
    }))
    const merged = answer.topics?.map(({ name, partitions }, at) => ({
      name,
      partitions: [...(partitions ?? []), ...(unknown[at]?.partitions ?? [])],
    }))
    return { ...answer, topics: merged }
  },
}
