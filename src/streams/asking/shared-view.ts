/**
 * A table as callers in the process of its service see it: of this instance, and of the others where it is known
 * at which address they are asked.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import type { HttpAsk } from '../../io/ports.ts'
import type { Key } from '../stores/serde.ts'
import type { FeedWish } from '../views/changes.ts'
import { placeAfter, readCursor, writeCursor } from '../views/cursor.ts'
import type { Listing } from '../views/cursor.ts'
import type { Wanted } from '../views/freshness.ts'
import type { RowPlace } from '../views/rows.ts'
import {
  checkLimit,
  checkPageLimit,
  pageLimitDefault,
  timeOf,
  wantedOf,
  windowRange,
  windowStart,
} from '../views/view-options.ts'
import type { ViewReader, ViewRow, WindowRow } from '../views/view-reader.ts'
import type {
  ChangesOptions,
  Page,
  PageOptions,
  ReadOptions,
  ScanOptions,
  TableView,
  ViewChange,
  WindowEntry,
  WindowView,
  WithChanges,
} from '../views/views.ts'
import { losslessType } from './ask.ts'
import { asksOthers, gather, heldByNobody } from './gather.ts'
import type { Covered, Gathering } from './gather.ts'
import { askPeer, peerAt } from './peer.ts'
import type { Peer } from './peer.ts'
import { RemoteView, scanPageRows, valueOf } from './remote-view.ts'
import type { ListedEntry } from './remote-view.ts'

export interface SharedView {
  readonly service: string
  readonly view: string
  readonly reader: ViewReader
  readonly http: HttpAsk
}

/** The view of this name of a service. */
export function sharedView(
  o: SharedView,
): (TableView<Key, unknown> | WindowView<Key, unknown>) & WithChanges<Key, unknown> {
  const { windowMs } = o.reader
  const view = windowMs === undefined ? tableView(o) : windowView(o, windowMs)
  return { ...view, changes: (wish) => changesOf(o.reader, wish) }
}

/** Whoever leaves ends the feed at once: the `return` of a generator waits for the `next` that waits. */
function changesOf(
  reader: ViewReader,
  wish: ChangesOptions<Key> = {},
): AsyncIterableIterator<ViewChange<Key, unknown>> {
  const left = new AbortController()
  const signals = wish.signal === undefined ? [left.signal] : [left.signal, wish.signal]
  const items = itemsOf(reader, { ...wish, signal: AbortSignal.any(signals) })
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    next: () => items.next(),
    return: () => {
      left.abort()
      return items.return(undefined)
    },
  }
}

async function* itemsOf(
  reader: ViewReader,
  wish: FeedWish,
): AsyncGenerator<ViewChange<Key, unknown>, undefined> {
  for await (const item of reader.changes(wish)) {
    if (item === undefined) continue
    if (item.type !== 'change') yield item
    else {
      const { windowStart: start, ...rest } = item
      yield { ...rest, ...(start !== undefined && { start: new Date(start) }) }
    }
  }
}

function tableView(o: SharedView): TableView<Key, unknown> {
  const { service, view, reader } = o
  const listingOf = (prefix: string): Listing => {
    return { service, view, signature: reader.signature, prefix }
  }
  return {
    get: (key, options) =>
      here(o, key, {
        options,
        read: () => reader.get(key),
        ask: (owner, left) => owner.get(key, left),
      }),
    async *scan(options: ScanOptions = {}) {
      const { prefix = '', limit = Infinity, partial = false } = options
      checkLimit(limit)
      const wanted = wantedOf(options)
      const rows = await whenFresh(reader, wanted, () => {
        return asksOthers({ ...o, partial }) ? undefined : reader.scan(prefix, limit)
      })
      for (const { key, value } of rows ?? []) yield [key, value] as const
      if (rows !== undefined) return
      yield* scanAll(o, { listing: listingOf(prefix), limit, partial, wanted })
    },
    async page(options: PageOptions = {}) {
      const { prefix = '', limit = pageLimitDefault, cursor, partial = false } = options
      checkPageLimit(limit)
      const wanted = wantedOf(options)
      const listing = listingOf(prefix)
      const from = cursor === undefined ? undefined : readCursor(listing, cursor)
      const { rows, more, covered } = await pageOf(o, { listing, limit, partial, wanted, from })
      const place = placeAfter(rows, from, listing)
      return {
        entries: rows.map(({ key, value }) => [key, value] as const),
        more,
        next: more && place !== undefined ? writeCursor(listing, place) : undefined,
        partitions: { count: reader.partitions, covered },
      } satisfies Page<Key, unknown>
    },
  }
}

interface Listed {
  readonly listing: Listing
  readonly limit: number
  readonly partial: boolean
  readonly wanted: Wanted | undefined
}

async function* scanAll(
  o: SharedView,
  { listing, limit, ...rest }: Listed,
): AsyncGenerator<readonly [Key, unknown]> {
  let left = limit
  let from: RowPlace | undefined
  for (let more = true; more && left > 0;) {
    const page = await pageOf(o, { listing, limit: Math.min(left, scanPageRows), ...rest, from })
    for (const { key, value } of page.rows) yield [key, value] as const
    left -= page.rows.length
    from = placeAfter(page.rows, from, listing)
    more = page.more
  }
}

async function pageOf(
  o: SharedView,
  { listing, limit, partial, wanted, from }: Listed & { readonly from: RowPlace | undefined },
): Promise<Covered<ViewRow>> {
  const { prefix } = listing
  const fresh = wanted && o.reader.wanting(wanted)
  const gathering: Gathering<ViewRow> = {
    ...o,
    place: from,
    limit,
    partial,
    own: (stretch) => {
      const rows = o.reader.scan(prefix, stretch.limit + 1, stretch.place)
      return { rows: rows.slice(0, stretch.limit), more: rows.length > stretch.limit }
    },
    ask: async (peer, stretch) => {
      const cursor = stretch.place && writeCursor(listing, stretch.place)
      const left = wanted && fresh && { ...wanted, waitMs: fresh.leftMs }
      const query = { prefix, limit: stretch.limit, cursor, partial: false, wanted: left }
      const { entries, more, partitions } = await remote(o, peer).list(query)
      return { rows: entries.map(rowOf), more, covered: partitions.covered }
    },
  }
  return fresh === undefined ? gather(gathering) : fresh.read(() => gather(gathering))
}

function rowOf(entry: ListedEntry): ViewRow {
  return { key: entry.key, value: valueOf(entry) }
}

function windowView(o: SharedView, windowMs: number): WindowView<Key, unknown> {
  const { reader } = o
  return {
    get: async (key, at, options) => {
      const start = windowStart(timeOf('at', at), windowMs)
      return here(o, key, {
        options,
        read: () => reader.getWindow(key, start),
        ask: (owner, left) => owner.get(key, at, left),
      })
    },
    async *range(key, from, to, options): AsyncGenerator<WindowEntry<unknown>> {
      const range = windowRange({ from, to }, windowMs)
      const wanted = wantedOf(options)
      const rows = await whenFresh(reader, wanted, () => windowsHere(reader, key, range))
      for (const { windowStart: start, value } of rows ?? []) {
        yield { start: new Date(start), end: new Date(start + windowMs), value }
      }
      // Of one whose owner has no address there is nothing here.
      if (rows === undefined) yield* ownerOf(o, key)?.range(key, from, to, wanted) ?? []
    },
  }
}

/** All at once, as what is yielded may be taken when the partition has gone; undefined when it is elsewhere. */
function windowsHere(
  reader: ViewReader,
  key: Key,
  { from, to }: { readonly from: number; readonly to: number },
): readonly WindowRow[] | undefined {
  try {
    return [...reader.windows(key, from, to)]
  } catch (error) {
    if (isHeadwaterError(error, 'partition-elsewhere')) return undefined
    throw error
  }
}

/** What `read` returns, as soon as that is as fresh as it has to be. */
function whenFresh<T>(
  reader: ViewReader,
  wanted: Wanted | undefined,
  read: () => T,
): T | Promise<T> {
  return wanted === undefined ? read() : reader.wanting(wanted).read(read)
}

interface KeyRead<T> {
  readonly options: ReadOptions | undefined
  /** What is here. */
  readonly read: () => T
  readonly ask: (owner: RemoteView, left: Wanted | undefined) => Promise<T>
}

/** What is here, or what the owner says; `partition-elsewhere` when its address is not known. */
async function here<T>(o: SharedView, key: Key, { options, read, ask }: KeyRead<T>): Promise<T> {
  const wanted = wantedOf(options)
  const fresh = wanted && o.reader.wanting(wanted)
  try {
    return fresh === undefined ? read() : await fresh.read(read)
  } catch (error) {
    if (!isHeadwaterError(error, 'partition-elsewhere')) throw error
    const owner = ownerOf(o, key)
    if (owner === undefined) throw error
    return ask(owner, wanted && fresh && { ...wanted, waitMs: fresh.leftMs })
  }
}

/** Who holds a key that is not here; undefined when its address is not known. Throws `not-ready`. */
function ownerOf(o: SharedView, key: Key): RemoteView | undefined {
  const { reader } = o
  const partition = reader.partitionOf(key)
  const where = reader.whereIs(partition)
  if (where === 'nowhere') throw heldByNobody(o, [partition])
  if (typeof where === 'string') return undefined
  return remote(o, peerAt(where.address, o))
}

function remote({ service, view, http }: SharedView, peer: Peer): RemoteView {
  return new RemoteView(service, view, (query, waitMs) => {
    return askPeer(http, peer, { query, accept: losslessType, waitMs })
  })
}
