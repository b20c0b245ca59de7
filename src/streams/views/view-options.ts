/** What callers may ask of a view, wherever they are: bounds and defaults, and the refusals of what is beyond. */
import { HeadwaterError } from '../../base/errors.ts'

/** How many rows a page has, unless said. */
export const pageLimitDefault = 100

/** How many rows an instance gives at once over HTTP. */
export const listLimitMax = 10_000

/** How many windows one range may span. */
export const rangeWindowsMax = 10_000

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
