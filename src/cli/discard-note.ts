/** What operators discard, as a note: how many, why, where, and an example to look at. */
import type { DiscardReason } from '../streams/operators/discards.ts'
import type { ServiceEvent } from '../streams/runtime/service-event.ts'
import type { Note } from './note.ts'
import { formatCount } from './output.ts'

type Discarded = Extract<ServiceEvent, { type: 'discarded' }>

const verbs: Readonly<Record<DiscardReason, string>> = {
  noKey: 'dropped for want of a key',
  noValue: 'dropped for want of a value',
  noTime: 'dropped for want of a time',
  late: 'dropped because their window was closed',
  unmatched: 'dropped because the table has no row of their key',
  skipped: 'skipped because they failed',
  deadLettered: 'put aside as dead letters',
}

export function discardNote(event: Discarded): Note {
  const { type, reason, operator, records, topic, partition, offset, error } = event
  const place = `partition ${partition} of topic '${topic}'`
  const which = offset === undefined ? `a row of ${place}` : `record ${offset} of ${place}`
  const why = error === undefined ? '' : ` (${error.message})`
  const text = `has ${formatCount(records)} records ${verbs[reason]} in ${operator}, for example ${which}${why}`
  const failed = error === undefined ? {} : { code: error.code, message: error.message }
  const told = { type, reason, operator, records, topic, partition, offset, ...failed }
  return { level: 'warn', kind: `${type} ${reason} ${operator}`, text, event: told }
}
