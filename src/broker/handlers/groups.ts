/** Classic groups: every rule is the groups machine's; here requests become its commands. */
import { callOf, forward, randomUuid, type Handlers } from './context.ts'

export const groupsHandlers: Handlers = {
  JoinGroup: (request, context) => {
    const memberId = randomUuid(context.random)
    return context.groups.call((token) => ({
      ...callOf('JoinGroup', token, request, context),
      memberId,
    }))
  },

  SyncGroup: (request, context) => forward(context.groups, 'SyncGroup', request, context),

  Heartbeat: (request, context) => forward(context.groups, 'Heartbeat', request, context),

  LeaveGroup: (request, context) => forward(context.groups, 'LeaveGroup', request, context),
}
