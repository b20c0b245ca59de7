/** Looking at groups and clearing them away. Partitions that do not exist are refused here. */
import { ErrorCode } from '../../protocol/errors.ts'
import { forward, type Handlers } from './context.ts'
import { inPlace, knownOnly } from './known.ts'
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
    const topics = knownOnly(request.topics, context.catalog)
    const answer = await forward(context.groups, 'OffsetDelete', { ...request, topics }, context)
    if (answer.errorCode !== ErrorCode.NONE) return answer
    return {
      ...answer,
      topics: request.topics.map(({ name, partitions }, at) => {
        const answered = answer.topics?.[at]?.partitions
        const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return { name, partitions: inPlace(partitions, answered, unknown) }
      }),
    }
  },
}
