/** What a running service counts, put together. */
import type { Ownership } from '../../client/group/group-member.ts'
import { droppedOf } from '../operators/counts.ts'
import type { OperatorCounts } from '../operators/counts.ts'
import type { Repairs } from './repairs.ts'
import type { AssignmentStats, ServiceStats } from './running.ts'
import type { ServiceState } from './service-event.ts'
import type { TaskSet } from './task-set.ts'

export interface StatsSources {
  readonly state: ServiceState
  readonly recordsIn: number
  readonly recordsSkipped: number
  readonly counts: OperatorCounts
  readonly set: TaskSet
  readonly held: Ownership | undefined
  /** Whether what is held has been opened. */
  readonly isOpen: boolean
  readonly repairs: Repairs
  readonly calls: ServiceStats['calls']
}

export function statsOf(o: StatsSources): ServiceStats {
  const { counts, set, held, isOpen, repairs } = o
  const inputs: Record<string, { records: number; done: boolean }> = {}
  for (const { plan, records, isDone } of set.inputs) {
    inputs[plan.node.name] = { records, done: isDone }
  }
  return {
    recordsIn: o.recordsIn - counts.marks - counts.applied,
    recordsOut: counts.emitted,
    recordsDropped: droppedOf(counts),
    recordsLate: counts.drops.late,
    drops: { ...counts.drops },
    failures: { ...counts.failures },
    recordsSkipped: o.recordsSkipped,
    lag: isOpen ? set.lag : undefined,
    state: o.state,
    inputs,
    calls: o.calls,
    assignment: held && assignmentOf(held, set),
    repairs: repairs.count,
    lastError: repairs.lastError,
  }
}

function assignmentOf({ generation, memberId }: Ownership, set: TaskSet): AssignmentStats {
  const tasks = [...set.tasks].map(({ id }) => id)
  return { generation, memberId, tasks, inputs: [...set.inputs].map(({ plan }) => plan.node.name) }
}
