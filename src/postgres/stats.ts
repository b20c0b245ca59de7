/** What a running sink counts, put together as services have it. */
import type { Ownership } from '../client/group/ownership.ts'
import { decisionsNow, droppedOf } from '../streams/operators/counts.ts'
import type { OperatorCounts } from '../streams/operators/counts.ts'
import type { Condition } from '../streams/runtime/condition.ts'
import type { Repairs } from '../streams/runtime/repairs.ts'
import type { DatabaseOutage } from './outage.ts'
import type { SinkPlaces } from './places.ts'
import type { SinkStats } from './running.ts'

export interface SinkSources {
  readonly condition: Condition
  readonly outage: DatabaseOutage
  readonly counts: OperatorCounts
  readonly places: SinkPlaces
  readonly repairs: Repairs
  readonly commits: number
  readonly recordsSkipped: number
  readonly held: Ownership | undefined
  readonly isReady: boolean
}

export function sinkStats(o: SinkSources): SinkStats {
  const { condition, outage, counts, places, held } = o
  const isAway = outage.isOn && !condition.hasEnded
  const isKnown = held !== undefined && !condition.isCutOff && !condition.hasEnded
  return {
    recordsIn: counts.taken,
    recordsOut: counts.emitted,
    recordsDropped: droppedOf(counts),
    recordsLate: 0,
    drops: { ...counts.drops },
    failures: { ...counts.failures },
    decisions: decisionsNow(counts),
    remembered: { commands: 0, bytes: 0 },
    recordsSkipped: o.recordsSkipped,
    lag: isKnown && (isAway || condition.inner === 'running') ? places.lag : undefined,
    state: isAway ? 'reconnecting' : condition.state,
    ready: o.isReady,
    inputs: {},
    calls: {},
    peers: {},
    assignment: held && assignmentOf(held),
    commits: o.commits,
    repairs: o.repairs.count,
    lastError: o.repairs.lastError,
    databaseOutages: outage.count,
    databaseAwayMs: outage.awayMs,
    databaseRetries: outage.retries,
    ...condition.events,
  }
}

function assignmentOf({ generation, memberId, partitions }: Ownership) {
  const tasks = partitions.map(({ topic, partition }) => `${topic}/${partition}`)
  return { generation, memberId, tasks, inputs: [] }
}
