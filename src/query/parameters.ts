/** The parameters of a query, checked: keys, windows and limits, or a refusal that names the mistake. */
import { instantForms, parseInstant } from '../base/rfc3339.ts'
import { int64Key } from '../streams/stores/serde.ts'
import type { Key } from '../streams/stores/serde.ts'
import type { EventPlace, Wanted } from '../streams/views/freshness.ts'
import {
  listLimitMax,
  pageLimitDefault,
  rangeWindowsMax,
  wantedOf,
  windowStart,
} from '../streams/views/view-options.ts'
import { refusal } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import type { Query } from './target.ts'

/** The key a URL names. */
export function parseKey(text: string, type: 'string' | 'int64'): Key | Refusal {
  if (type === 'string') return text
  const key = int64Key(text)
  if (key !== undefined) return key
  const shown = text.slice(0, 40)
  return refusal('bad-request', `'${shown}' is not a key of this view: its keys are whole numbers`)
}

/** How many entries a list is to have. */
export function parseLimit(query: Query): number | Refusal {
  const text = query.get('limit') ?? String(pageLimitDefault)
  const limit = Number(text)
  if (/^\d{1,9}$/.test(text) && limit >= 1 && limit <= listLimitMax) return limit
  const shown = text.slice(0, 40)
  return refusal(
    'bad-request',
    `limit is '${shown}': write a whole number from 1 to ${listLimitMax}`,
  )
}

/** Whether some of the partitions are enough for a list. */
export function parsePartial(query: Query): boolean | Refusal {
  const text = query.get('partial') ?? 'false'
  if (text === 'true' || text === 'false') return text === 'true'
  return refusal('bad-request', `partial is '${text.slice(0, 40)}': write true or false`)
}

/** How fresh an answer has to be; undefined when it may be of any age. Throws `input-invalid` for a wrong bound. */
export function parseWanted(query: Query): Wanted | Refusal | undefined {
  const [waitMs, maxLag] = ['waitMs', 'maxLag'].map((name) => numberOf(query, name))
  const after: EventPlace[] = []
  for (const text of query.get('after')?.split(',') ?? []) {
    const [, stream, partition, offset] = /^([\w.-]+)\/(\d{1,9})\/(\d{1,15})$/.exec(text) ?? []
    if (stream === undefined) {
      const shown = text.slice(0, 40)
      return refusal('bad-request', `after is '${shown}': write <stream>/<partition>/<offset>`)
    }
    after.push({ stream, partition: Number(partition), offset: Number(offset) })
  }
  return wantedOf({
    after,
    ...(waitMs !== undefined && { waitMs }),
    ...(maxLag !== undefined && { maxLag }),
  })
}

/** NaN for what is no number, which nobody takes. */
function numberOf(query: Query, name: string): number | undefined {
  const text = query.get(name)
  if (text === undefined) return undefined
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
}

/** The start of the window that contains the time `window` names. */
export function parseWindow(query: Query, windowMs: number): number | Refusal {
  const window = query.get('window')
  if (window === undefined) {
    return refusal(
      'bad-request',
      'this view has windows: add ?window=2001-01-15T00:00:00Z for one, or ?from=…&to=… for several',
    )
  }
  const time = parseTime('window', window)
  return typeof time === 'object' ? time : windowStart(time, windowMs)
}

/** The start of the first window that starts at or after `from`, and where windows no longer start. */
export function parseRange(
  query: Query,
  windowMs: number,
): { readonly from: number; readonly to: number } | Refusal {
  const from = parseTime('from', query.get('from') ?? '')
  if (typeof from === 'object') return from
  const to = parseTime('to', query.get('to') ?? '')
  if (typeof to === 'object') return to
  const first = Math.ceil(from / windowMs) * windowMs
  const windows = Math.ceil((to - first) / windowMs)
  if (windows > rangeWindowsMax) {
    return refusal(
      'bad-request',
      `from and to span ${windows} windows: ask for at most ${rangeWindowsMax} at once`,
    )
  }
  return { from: first, to }
}

function parseTime(name: string, text: string): number | Refusal {
  const time = parseInstant(text)
  if (time !== undefined) return time
  const shown = text.slice(0, 40)
  const hint = / \d\d:\d\d$/.test(text) ? ', where a plus sign is written %2B' : ''
  return refusal('bad-request', `${name} is '${shown}': write ${instantForms}${hint}`)
}

/** A time as it is answered, which `parseInstant` takes. */
export function timeText(ms: number): string {
  const date = new Date(ms)
  const year = date.getUTCFullYear()
  return year >= 0 && year <= 9999 ? date.toISOString() : String(ms)
}
