/**
 * Listings of several instances as one: each gives the first rows of the partitions it holds, in order, and says
 * whether it has more.
 *
 * Behind the last row of one that has more there may be others of its own, before rows that the rest gave. So the
 * merged listing ends with the first such last row, and the next one goes on from there.
 */
import type { Key } from '../stores/serde.ts'
import { compareRows } from './rows.ts'

/** What a row is sorted by. */
export interface Ranked {
  readonly key: Key
  /** Absent without windows. */
  readonly windowStart?: number
}

/** The first rows of some partitions, in order, without a gap. */
export interface Part<T extends Ranked> {
  readonly rows: readonly T[]
  /** Whether more rows are behind them. */
  readonly more: boolean
}

/** The first rows of all parts together, without a gap: at most `limit` after the first `skip`. */
export function mergeParts<T extends Ranked>(
  parts: readonly Part<T>[],
  { skip, limit }: { readonly skip: number; readonly limit: number },
): Part<T> {
  const ends = parts.flatMap(({ rows, more }) => {
    const last = rows.at(-1)
    return more && last !== undefined ? [rankOf(last)] : []
  })
  const end = ends.toSorted(compareRows)[0]
  const all = parts
    .flatMap(({ rows }) => rows.map((row) => ({ ...rankOf(row), row })))
    .toSorted(compareRows)
  const sure = all.filter((each) => end === undefined || compareRows(each, end) <= 0)
  const rows = sure.slice(skip, skip + limit).map(({ row }) => row)
  const more = parts.some((part) => part.more) || skip + rows.length < all.length
  return { rows, more }
}

function rankOf({ key, windowStart }: Ranked): { text: string; start: number | undefined } {
  return { text: String(key), start: windowStart }
}
