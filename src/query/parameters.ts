/** What a query's URL says, checked: keys, windows and limits, or a refusal that names the mistake. */

import { int64Key } from '../streams/stores/serde.ts'

/** A refusal as it is answered. */
export interface Refusal {
  readonly error: { readonly code: string; readonly message: string }
  readonly status: 400 | 404 | 503
}

const statusOf = {
  'bad-request': 400,
  /** No such path, service or view. */
  'not-found': 404,
  /** The view is there; the key holds nothing. */
  'no-value': 404,
  'not-ready': 503,
  /** The service has failed or was closed. */
  'service-ended': 503,
} as const

export function refusal(code: keyof typeof statusOf, message: string): Refusal {
  return { error: { code, message }, status: statusOf[code] }
}

/** How many entries a list has at most, and when the request does not say. */
export const listLimitMax = 10_000
const listLimitDefault = 100

/** The key a path names. */
export function parseKey(text: string, type: 'string' | 'int64'): string | bigint | Refusal {
  if (type === 'string') return text
  const key = int64Key(text)
  if (key !== undefined) return key
  return refusal('bad-request', `'${text}' is not a key of this view: its keys are whole numbers`)
}

/** `prefix` and `limit` of a list. */
export function listParameters(
  query: Record<string, string>,
): { prefix: string; limit: number } | Refusal {
  const { prefix = '', limit = String(listLimitDefault) } = query
  const count = Number(limit)
  if (!/^\d+$/.test(limit) || count < 1 || count > listLimitMax) {
    return refusal(
      'bad-request',
      `limit is '${limit}': write a whole number from 1 to ${listLimitMax}`,
    )
  }
  return { prefix, limit: count }
}

/** The start of the window that contains the time `window` names. */
export function parseWindow(window: string | undefined, windowMs: number): number | Refusal {
  if (window === undefined) {
    return refusal(
      'bad-request',
      'this view has windows: add ?window=2001-01-15T00:00:00Z for one, or ?from=…&to=… for several',
    )
  }
  const time = parseTime('window', window)
  return typeof time === 'object' ? time : Math.floor(time / windowMs) * windowMs
}

/** How many windows one request looks at. */
const rangeWindowsMax = 10_000

/** The start of the first window that starts at or after `from`, and where windows no longer start. */
export function parseRange(
  query: Record<string, string>,
  windowMs: number,
): { from: number; to: number } | Refusal {
  const from = parseTime('from', query['from'])
  if (typeof from === 'object') return from
  const to = parseTime('to', query['to'])
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

function parseTime(name: string, text: string | undefined): number | Refusal {
  const time = /^-?\d+$/.test(text ?? '') ? Number(text) : Date.parse(text ?? '')
  // Records in microseconds lie beyond the last date there is.
  if (Number.isSafeInteger(time)) return time
  return refusal(
    'bad-request',
    `${name} is '${text ?? ''}': write a time as in 2001-01-15T00:00:00Z or milliseconds since 1970`,
  )
}
