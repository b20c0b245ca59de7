/** What callers may ask of a view, wherever they are: bounds and defaults, and the refusals of what is beyond. */
import { HeadwaterError } from '../../base/errors.ts'
import type { Wanted } from './freshness.ts'
import type { ReadOptions } from './views.ts'

/** How many rows a page has, unless said. */
export const pageLimitDefault = 100

/** How many rows an instance gives at once. */
export const listLimitMax = 10_000

/** How many windows one range may span. */
export const rangeWindowsMax = 10_000

/** How long an answer is waited for that has to hold an event: unless said, and at most. */
const waitMsDefault = 5_000
export const waitMsMax = 60_000

/** How fresh an answer has to be; undefined when it may be of any age. Throws for what is no such wish. */
export function wantedOf(o: ReadOptions = {}): Wanted | undefined {
  const { after = [], waitMs = waitMsDefault, maxLag } = o
  const places = 'stream' in after ? [after] : after
  whole('waitMs', waitMs, waitMsMax)
  if (maxLag !== undefined) whole('maxLag', maxLag, Number.MAX_SAFE_INTEGER)
  if (maxLag !== undefined) return { after: places, waitMs, maxLag }
  return places.length === 0 ? undefined : { after: places, waitMs }
}

function whole(name: string, value: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return
  throw new HeadwaterError(
    'input-invalid',
    `${name} is ${value}: give a whole number from 0 to ${most}`,
  )
}

/** Throws unless a page may have so many rows, wherever it is asked for. */
export function checkPageLimit(limit: number): void {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= listLimitMax) return
  throw new HeadwaterError(
    'input-invalid',
    `limit is ${limit}: a page has a whole number of rows from 1 to ${listLimitMax}; scan has no such bound`,
  )
}

/** Throws unless `limit` is a whole number of at least 1, or Infinity. */
export function checkLimit(limit: number): void {
  if (limit === Infinity || (Number.isSafeInteger(limit) && limit >= 1)) return
  throw new HeadwaterError(
    'input-invalid',
    `limit is ${limit}: give a whole number of at least 1, or none for all rows`,
  )
}

/** Milliseconds of a Date. Throws for one that is none. */
export function timeOf(name: string, date: Date): number {
  const time = date.getTime()
  if (!Number.isNaN(time)) return time
  throw new HeadwaterError('input-invalid', `${name} is an invalid Date: give a moment`)
}

/** The start of the window that holds a time, in milliseconds. */
export function windowStart(ms: number, windowMs: number): number {
  return Math.floor(ms / windowMs) * windowMs
}

/** The start of the first window that starts in a range, and where the range ends, in milliseconds. */
export function windowRange(
  { from, to }: { readonly from: Date; readonly to: Date },
  windowMs: number,
): { readonly from: number; readonly to: number } {
  const first = windowStart(timeOf('from', from) + windowMs - 1, windowMs)
  const end = timeOf('to', to)
  const windows = Math.ceil((end - first) / windowMs)
  if (windows > rangeWindowsMax) throw longRange(windows)
  return { from: first, to: end }
}

function longRange(windows: number): HeadwaterError {
  return new HeadwaterError(
    'input-invalid',
    `from and to span ${windows} windows: ask for at most ${rangeWindowsMax} at once`,
  )
}
