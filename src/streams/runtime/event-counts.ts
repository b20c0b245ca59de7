/** How often what happened to a service, counted from the events that tell of it. */
import type { ServiceEvent } from './service-event.ts'

/** Counts since the instance started. */
export interface EventCounts {
  /** Times the group has given it partitions. */
  readonly rebalances: number
  /** Times its tasks were opened, with how many came back from their changelogs, and how long that took in all. */
  readonly opens: { readonly count: number; readonly restoredTasks: number; readonly ms: number }
  /** Records, or runs of them, whose functions took long. */
  readonly slowRecords: number
  /** Times it has lost its broker. */
  readonly outages: number
}

export const noEvents: EventCounts = {
  rebalances: 0,
  opens: { count: 0, restoredTasks: 0, ms: 0 },
  slowRecords: 0,
  outages: 0,
}

/** The counts after one more event. */
export function counted(counts: EventCounts, event: ServiceEvent): EventCounts {
  switch (event.type) {
    case 'assigned':
      return { ...counts, rebalances: counts.rebalances + 1 }
    case 'opened': {
      const { count, restoredTasks, ms } = counts.opens
      const opens = {
        count: count + 1,
        restoredTasks: restoredTasks + event.restored,
        ms: ms + event.ms,
      }
      return { ...counts, opens }
    }
    case 'slow-record':
      return { ...counts, slowRecords: counts.slowRecords + 1 }
    case 'broker-lost':
      return { ...counts, outages: counts.outages + 1 }
    case 'state':
    case 'revoked':
    case 'lost':
    case 'orphans-ended':
    case 'repair':
    case 'skipped':
    case 'discarded':
    case 'stalled':
    case 'broker-found':
    case 'stopping':
    case 'failed':
      return counts
  }
}
