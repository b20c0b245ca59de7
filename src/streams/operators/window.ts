/**
 * A fold per key and tumbling window of event time.
 *
 * Windows are `[start, start + size)`, aligned to 1970. Time is *stream time*: the greatest timestamp
 * this operator has seen, never the wall clock, so a replay gives the same windows. A value whose window
 * ended `grace` or more before stream time is late: it is dropped and counted.
 */
import type { AggregateStore } from '../stores/memory.ts'
import type { AggregateNode, TumblingWindow } from '../topology/topology.ts'
import { folder } from './aggregate.ts'
import type { OperatorCounts, Push } from './operator.ts'

export function windowedAggregate(
  node: AggregateNode,
  window: TumblingWindow,
  store: AggregateStore,
  counts: OperatorCounts,
): Push {
  const { sizeMs, graceMs } = window
  const openMs = sizeMs + graceMs
  const fold = folder(node, store)
  return (key, value, timestamp) => {
    if (key === null || value === null || value === undefined) {
      counts.dropped++
      return
    }
    if (timestamp > store.streamTime) store.streamTime = timestamp
    const start = windowStart(timestamp, sizeMs)
    if (start + openMs <= store.streamTime) {
      counts.late++
      return
    }
    fold(store.cell(key, start), key, value, timestamp)
  }
}

/** The first millisecond of the window a timestamp lies in; times before 1970 included. */
function windowStart(timestamp: number, sizeMs: number): number {
  const past = timestamp % sizeMs
  return past < 0 ? timestamp - past - sizeMs : timestamp - past
}
