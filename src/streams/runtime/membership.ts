/** By what names an instance joins the group of its service, and what it says there. */
import type { Random } from '../../io/ports.ts'
import { subscribedTopics } from '../plan/assignment.ts'
import type { Plan } from '../plan/plan.ts'
import { offerOf, taskAssignor } from '../plan/task-assignor.ts'
import { groupInstanceId, instanceName, newIncarnation, instanceIdDefault } from './instance.ts'
import { transactionalIdOf } from './orphans.ts'
import { queryAddressOf } from './settings.ts'

/** Throws `config-invalid` for an address that nobody could dial. */
export function membershipOf(
  plan: Plan,
  o: {
    readonly instanceId?: string
    readonly queryAddress?: string
    readonly random: Random
  },
) {
  const { service } = plan.topology
  const topics = subscribedTopics(plan)
  const name = instanceName(o.instanceId ?? instanceIdDefault, topics)
  const transactionalId = transactionalIdOf(service, name)
  const queryAddress = queryAddressOf(o.queryAddress)
  const incarnation = newIncarnation(o.random)
  const offered = { transactionalId, incarnation, ...(queryAddress && { queryAddress }) }
  return {
    topics,
    transactionalId,
    queryAddress,
    instanceId: groupInstanceId(service, name),
    assignor: taskAssignor(offerOf(plan, offered)),
  }
}
