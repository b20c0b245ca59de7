/**
 * A fold per key and tumbling window of event time.
 *
 * Windows are `[start, start + size)`, aligned to 1970. Time is *stream time*, never the wall clock, so a
 * replay gives the same windows: the greatest timestamp this operator has seen, or for a record that came
 * through an inner topic the one its first task had seen (`moment.ts`). A value whose window ended `grace`
 * or more before that is late: it is dropped and counted. So is one whose window is gone already, and a
 * record without a time, which would lie in no window and not in that of 1969.
 */
import { planted } from '../../base/planted.ts'
import type { AggregateStore } from '../stores/aggregate-store.ts'
import type { Progress } from '../stores/progress-store.ts'
import type { AggregateNode, TumblingWindow } from '../topology/topology.ts'
import { folder, nameOf } from './aggregate.ts'
import type { Moment } from './moment.ts'
import type { OperatorContext, Push } from './operator.ts'

/** What Kafka's records say when they have no timestamp. */
const noTimestamp = -1

export function windowedAggregate(
  node: AggregateNode,
  window: TumblingWindow,
  store: AggregateStore,
  context: OperatorContext,
  { progress, moment }: { readonly progress: Progress; readonly moment: Moment },
): Push {
  const { sizeMs, graceMs } = window
  const openMs = sizeMs + graceMs
  const fold = folder(node, store, context)
  const noKey = context.discards.drop('noKey', nameOf(node))
  const noTime = context.discards.drop('noTime', nameOf(node))
  const late = context.discards.drop('late', nameOf(node))
  const isPlanted = planted.has('window-by-own-maximum')
  return (key, value, timestamp) => {
    if (key === null) return noKey()
    if (timestamp === noTimestamp) return noTime()
    const start = windowStart(timestamp, sizeMs)
    let time = isPlanted ? undefined : moment.carried
    if (time === undefined) {
      if (timestamp > progress.time) progress.time = timestamp
      time = progress.time
    }
    if (start + openMs <= time || store.isGone(start, progress.seen)) late()
    else fold(key, start, value, timestamp)
  }
}

/** The first millisecond of the window a timestamp lies in; times before 1970 included. */
function windowStart(timestamp: number, sizeMs: number): number {
  const past = timestamp % sizeMs
  return past < 0 ? timestamp - past - sizeMs : timestamp - past
}
