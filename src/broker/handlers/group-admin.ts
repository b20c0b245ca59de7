/** Looking at groups and clearing them away. */
import { forward, type Handlers } from '../context.ts'
import { groupOperations } from '../operations.ts'

export const groupAdminHandlers: Handlers = {
  ListGroups: (request, context) => forward(context.groups, 'ListGroups', request, context),

  DescribeGroups: async (request, context) => {
    const described = await forward(context.groups, 'DescribeGroups', request, context)
    if (!request.includeAuthorizedOperations) return described
    const groups = described.groups.map((group) => ({
      ...group,
      authorizedOperations: groupOperations,
    }))
    return { ...described, groups }
  },

  DeleteGroups: (request, context) => forward(context.groups, 'DeleteGroups', request, context),

  OffsetDelete: (request, context) => forward(context.groups, 'OffsetDelete', request, context),
}
