/** What a running service counts, put together. */
import type { Ownership } from '../../client/group/group-member.ts'
import { decisionsNow, droppedOf } from '../operators/counts.ts'
import type { OperatorCounts } from '../operators/counts.ts'
import type { Answering, InstanceNow } from './answering.ts'
import type { Condition } from './condition.ts'
import type { Opener } from './open.ts'
import type { Repairs } from './repairs.ts'
import type { AssignmentStats, ServiceStats } from './running.ts'
import type { TaskSet } from './task-set.ts'

export interface StatsSources {
  readonly condition: Condition
  readonly commits: number
  readonly opener: Pick<Opener, 'recordsSkipped' | 'limits'>
  readonly counts: OperatorCounts
  readonly set: TaskSet
  readonly now: Pick<InstanceNow, 'held' | 'isOpen'>
  readonly repairs: Repairs
  readonly answering: Pick<Answering, 'isAnswering' | 'peers'>
}

export function statsOf(o: StatsSources): ServiceStats {
  const { condition, counts, set, repairs } = o
  const { held, isOpen } = o.now
  const inputs: Record<string, { records: number; done: boolean }> = {}
  for (const { plan, records, isDone } of set.inputs) {
    const { name } = plan.node
    const others = inputs[name] ?? { records: 0, done: true }
    inputs[name] = { records: others.records + records, done: others.done && isDone }
  }
  const isRunning = condition.inner === 'running'
  return {
    recordsIn: counts.taken - counts.marks,
    recordsOut: counts.emitted,
    recordsDropped: droppedOf(counts),
    recordsLate: counts.drops.late,
    drops: { ...counts.drops },
    failures: { ...counts.failures },
    decisions: decisionsNow(counts),
    remembered: set.remembered,
    recordsSkipped: o.opener.recordsSkipped,
    lag: isOpen && isRunning && !condition.isCutOff ? set.lag : undefined,
    state: condition.state,
    ready: o.answering.isAnswering,
    peers: o.answering.peers.stats(),
    inputs,
    calls: o.opener.limits.stats(),
    assignment: held && assignmentOf(held, set),
    commits: o.commits,
    repairs: repairs.count,
    lastError: repairs.lastError,
    ...condition.events,
  }
}

function assignmentOf({ generation, memberId }: Ownership, set: TaskSet): AssignmentStats {
  const tasks = [...set.tasks].map(({ id }) => id)
  return { generation, memberId, tasks, inputs: [...set.inputs].map(({ id }) => id) }
}
