/** The first rows after a place, out of many in no order, without sorting or copying all of them. */
import type { KeyBounds } from '../stores/key-bounds.ts'
import type { ReadableStore } from '../stores/store.ts'
import type { Key } from '../stores/serde.ts'

/** Where a listing goes on. */
export interface RowPlace {
  /** The key's text, or the beginning of a long one. */
  readonly text: string
  /** The window's first millisecond; undefined without windows. */
  readonly start: number | undefined
  /** Undefined: after that row. A number: at the text itself, but for the first so many rows. */
  readonly skip: number | undefined
}

/** A row, and where its value is. */
export interface FoundRow {
  readonly text: string
  readonly key: Key
  readonly start: number | undefined
  readonly store: ReadableStore
}

/** The first `limit` rows with `prefix` after `place`, in the order of their keys' text and their windows. */
export function firstRows(
  stores: readonly ReadableStore[],
  o: { readonly prefix: string; readonly place: RowPlace | undefined; readonly limit: number },
): FoundRow[] {
  const skip = o.place?.skip ?? 0
  const wanted = o.limit + skip
  let found: FoundRow[] = []
  let last: FoundRow | undefined
  const bounds: KeyBounds = { prefix: o.prefix, from: o.place?.text ?? '', to: undefined }
  for (const store of stores) {
    for (const { key, start } of store.keys(bounds)) {
      const text = String(key)
      if (!text.startsWith(o.prefix)) continue
      const row = { text, key, start, store }
      if (o.place !== undefined && !isAfter(row, o.place)) continue
      if (last !== undefined && compareRows(row, last) > 0) continue
      // Sorting once in so many rows costs each of them little, whatever order they come in.
      if (found.push(row) < 2 * wanted + 1_000) continue
      found = sorted(found, wanted)
      last = found.at(-1)
      bounds.to = last?.text
    }
  }
  return sorted(found, wanted).slice(skip)
}

function isAfter({ text, start }: FoundRow, place: RowPlace): boolean {
  if (place.skip !== undefined) return text >= place.text
  if (text !== place.text) return text > place.text
  return (start ?? 0) > (place.start ?? 0)
}

function sorted(rows: FoundRow[], limit: number): FoundRow[] {
  return rows.sort(compareRows).slice(0, limit)
}

/** In the order of listings: by the keys' text and the windows. */
export function compareRows(
  a: Pick<FoundRow, 'text' | 'start'>,
  b: Pick<FoundRow, 'text' | 'start'>,
): number {
  if (a.text !== b.text) return a.text < b.text ? -1 : 1
  return (a.start ?? 0) - (b.start ?? 0)
}
