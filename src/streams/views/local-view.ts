/** A table as callers in the process of its service see it. */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Key } from '../stores/serde.ts'
import { placeAfter, readCursor, writeCursor } from './cursor.ts'
import type { ViewReader } from './view-reader.ts'
import type { Page, PageOptions, ScanOptions, TableView, WindowEntry, WindowView } from './views.ts'

/** How many rows a page has, unless said. */
export const pageLimitDefault = 100

/** The view of this name of a service. */
export function localView(
  service: string,
  view: string,
  reader: ViewReader,
): TableView<Key, unknown> | WindowView<Key, unknown> {
  return reader.windowMs === undefined
    ? tableView(service, view, reader)
    : windowView(reader, reader.windowMs)
}

function tableView(service: string, view: string, reader: ViewReader): TableView<Key, unknown> {
  return {
    get: async (key) => reader.get(key),
    async *scan({ prefix = '', limit = Infinity }: ScanOptions = {}) {
      checkLimit(limit)
      for (const { key, value } of reader.scan(prefix, limit)) yield [key, value] as const
    },
    async page({ prefix = '', limit = pageLimitDefault, cursor }: PageOptions = {}) {
      checkLimit(limit)
      const listing = { service, view, signature: reader.signature, prefix }
      const from = cursor === undefined ? undefined : readCursor(listing, cursor)
      const rows = reader.scan(prefix, limit + 1, from)
      const given = rows.slice(0, limit)
      const place = placeAfter(given, from, listing)
      const more = rows.length > given.length
      return {
        entries: given.map(({ key, value }) => [key, value] as const),
        more,
        next: more && place !== undefined ? writeCursor(listing, place) : undefined,
        partitions: { count: reader.partitions, covered: reader.held() },
      } satisfies Page<Key, unknown>
    },
  }
}

/** Throws unless `limit` is a whole number of at least 1, or Infinity. */
export function checkLimit(limit: number): void {
  if (limit === Infinity || (Number.isSafeInteger(limit) && limit >= 1)) return
  throw new HeadwaterError(
    'input-invalid',
    `limit is ${limit}: give a whole number of at least 1, or none for all rows`,
  )
}

/** Why a listing that is not whole is none, for those who did not ask for a part. */
export function partialScan(
  service: string,
  view: string,
  held: number,
  partitions: number,
): HeadwaterError {
  return new HeadwaterError(
    'partition-elsewhere',
    `this instance of service '${service}' holds ${held} of the ${partitions} partitions of view ` +
      `'${view}', others hold the rest: ask each for its part with { partial: true }, which gives the ` +
      'rows of those it holds',
    { retriable: true },
  )
}

/** Milliseconds of a Date. Throws for one that is none. */
export function timeOf(name: string, date: Date): number {
  const time = date.getTime()
  if (!Number.isNaN(time)) return time
  throw new HeadwaterError('input-invalid', `${name} is an invalid Date: give a moment`)
}

/** How many windows one range may span. */
export const rangeWindowsMax = 10_000

function windowView(reader: ViewReader, windowMs: number): WindowView<Key, unknown> {
  const startOf = (ms: number): number => Math.floor(ms / windowMs) * windowMs
  return {
    get: async (key, at) => reader.getWindow(key, startOf(timeOf('at', at))),
    async *range(key, from, to): AsyncGenerator<WindowEntry<unknown>> {
      const first = startOf(timeOf('from', from) + windowMs - 1)
      const end = timeOf('to', to)
      const windows = Math.ceil((end - first) / windowMs)
      if (windows > rangeWindowsMax) throw longRange(windows)
      for (let start = first; start < end; start += windowMs) {
        const value = windowHere(reader, key, start)
        if (value === undefined) continue
        yield { start: new Date(start), end: new Date(start + windowMs), value }
      }
    },
  }
}

/** The value of a window, if its partition is here: a range is of this instance, as a scan is. */
function windowHere(reader: ViewReader, key: Key, start: number): unknown {
  try {
    return reader.getWindow(key, start)
  } catch (error) {
    if (!isHeadwaterError(error, 'partition-elsewhere')) throw error
    return undefined
  }
}

function longRange(windows: number): HeadwaterError {
  return new HeadwaterError(
    'input-invalid',
    `from and to span ${windows} windows: ask for at most ${rangeWindowsMax} at once`,
  )
}
