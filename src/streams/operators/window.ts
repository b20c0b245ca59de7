/**
 * A fold per key and tumbling window of event time.
 *
 * Windows are `[start, start + size)`, aligned to 1970. Time is *stream time*: the greatest timestamp
 * this operator has seen, never the wall clock, so a replay gives the same windows. A value whose window
 * ended `grace` or more before stream time is late: it is dropped and counted. So is a record without a
 * time, which would lie in no window and not in that of 1969.
 */
import type { AggregateStore } from '../stores/aggregate-store.ts'
import type { AggregateNode, TumblingWindow } from '../topology/topology.ts'
import { folder } from './aggregate.ts'
import type { OperatorCounts, Push } from './operator.ts'

/** What Kafka's records say when they have no timestamp. */
const noTimestamp = -1

export function windowedAggregate(
  node: AggregateNode,
  window: TumblingWindow,
  store: AggregateStore,
  { drops }: OperatorCounts,
): Push {
  const { sizeMs, graceMs } = window
  const openMs = sizeMs + graceMs
  const fold = folder(node, store)
  return (key, value, timestamp) => {
    if (key === null) {
      drops.noKey++
      return
    }
    if (timestamp === noTimestamp) {
      drops.noTime++
      return
    }
    if (timestamp > store.streamTime) store.streamTime = timestamp
    const start = windowStart(timestamp, sizeMs)
    if (start + openMs <= store.streamTime) drops.late++
    else fold(key, start, value, timestamp)
  }
}

/** The first millisecond of the window a timestamp lies in; times before 1970 included. */
function windowStart(timestamp: number, sizeMs: number): number {
  const past = timestamp % sizeMs
  return past < 0 ? timestamp - past - sizeMs : timestamp - past
}
