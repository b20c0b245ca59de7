/** Classic groups: every rule is the groups machine's; here requests become its commands. */
import type { ResponseInput } from '../../protocol/api.ts'
import type { Provisional } from '../machines/machine-host.ts'
import { askNow, callOf, forward, once, randomUuid } from './context.ts'
import type { Handlers, RequestContext } from './context.ts'
import { slicesOf } from './pieces.ts'

type LeftMember = NonNullable<ResponseInput<'LeaveGroup'>['members']>[number]

export const groupsHandlers: Handlers = {
  JoinGroup: (request, context) => {
    const memberId = randomUuid(context.random)
    const joined = context.groups.call((token) => ({
      ...callOf('JoinGroup', token, request, context),
      memberId,
    }))
    return holdingNothing(joined, context)
  },

  SyncGroup: (request, context) =>
    holdingNothing(forward(context.groups, 'SyncGroup', request, context), context),

  Heartbeat: (request, context) => forward(context.groups, 'Heartbeat', request, context),

  *LeaveGroup(request, context) {
    const members: LeftMember[] = []
    let last: Provisional<ResponseInput<'LeaveGroup'>> | undefined
    for (const leaving of slicesOf(request.members, context.turns.itemsMax)) {
      last = askNow(context.groups, 'LeaveGroup', { ...request, members: leaving }, context)
      members.push(...(last.response.members ?? []))
      yield 1 + leaving.length
    }
    return once(last?.durable, { ...last?.response, members })
  },
}

/** It may wait for the others for minutes; the machine has taken what it needs of the request. */
function holdingNothing<T>(waiting: Promise<T>, { room }: RequestContext): Promise<T> {
  room.shrink(0)
  return waiting
}
