/** Lists of a view: the rows of this instance, merged with those that the others give. */
import type { ViewReader, ViewRow } from '../streams/views/view-reader.ts'
import { gather } from '../streams/asking/gather.ts'
import type { Covered, Stretch } from '../streams/asking/gather.ts'
import { askPeer } from '../streams/asking/peer.ts'
import { freshQuery, queryText } from '../streams/asking/remote-view.ts'
import { placeAfter, readCursor, writeCursor } from '../streams/views/cursor.ts'
import type { Listing } from '../streams/views/cursor.ts'
import type { Wanted } from '../streams/views/freshness.ts'
import type { Part } from '../streams/views/merge.ts'
import { encodingFor } from './encoding.ts'
import type { Encoding, Entry, WrittenRow } from './encoding.ts'
import { parseLimit, parsePartial, parseWanted } from './parameters.ts'
import type { Question } from './question.ts'
import { refuse, send } from './reply.ts'
import type { Query } from './target.ts'

/** Bytes of written entries after which a list ends, and says that there is more. */
export const listBytesMax = 8 * 1024 * 1024

export async function list(question: Question, query: Query): Promise<Response> {
  const { context, service, view, reader, isHop } = question
  const limit = parseLimit(query)
  if (typeof limit === 'object') return refuse(context, limit)
  const partial = parsePartial(query)
  if (typeof partial === 'object') return refuse(context, partial)
  const listing = { service, view, signature: reader.signature, prefix: query.get('prefix') ?? '' }
  const cursor = query.get('cursor')
  const place = cursor === undefined ? undefined : readCursor(listing, cursor)
  const wanted = parseWanted(query)
  if (wanted !== undefined && 'error' in wanted) return refuse(context, wanted)
  const fresh = wanted && reader.wanting(wanted)
  const encoding = encodingFor(context.req.header('accept'))
  const writing = { reader, encoding, prefix: listing.prefix }
  const find = (): Covered<WrittenRow<unknown>> | Promise<Covered<WrittenRow<unknown>>> => {
    if (isHop) return { ...writeRows(writing, { place, limit }), covered: reader.held() }
    const left = wanted && fresh && { ...wanted, waitMs: fresh.leftMs }
    return gatherRows(question, { listing, encoding, partial, place, limit, wanted: left })
  }
  const found = await (fresh === undefined ? find() : fresh.read(find))
  const { rows, more } = cutLong(found)
  const after = placeAfter(rows, place, listing)
  return send(
    context,
    encoding,
    encoding.list(
      rows.map(({ written }) => written),
      {
        more,
        next: more && after !== undefined ? writeCursor(listing, after) : null,
        partitions: { count: reader.partitions, covered: found.covered },
      },
    ),
  )
}

interface Listed extends Stretch {
  readonly listing: Listing
  readonly encoding: Encoding
  readonly partial: boolean
  readonly wanted: Wanted | undefined
}

function gatherRows(
  { ask, ...question }: Question,
  { listing, encoding, wanted, ...rest }: Listed,
): Promise<Covered<WrittenRow<unknown>>> {
  const { prefix } = listing
  const { service, view, reader } = question
  return gather<WrittenRow<unknown>>({
    service,
    view,
    reader,
    ...rest,
    own: (stretch) => writeRows({ reader, encoding, prefix }, stretch),
    ask: async (peer, { place, limit }) => {
      const cursor = place === undefined ? {} : { cursor: writeCursor(listing, place) }
      const query = queryText({ prefix, limit, ...cursor, ...freshQuery(wanted) })
      const { accept } = encoding
      const peerQuestion = { query, accept, waitMs: wanted?.waitMs ?? 0 }
      const { bytes, failure } = await askPeer(ask, peer, peerQuestion)
      if (failure !== undefined) throw failure.error
      return encoding.readList(bytes)
    },
  })
}

interface Writing {
  readonly reader: ViewReader
  readonly encoding: Encoding
  readonly prefix: string
}

/** Writes rows up to a limit and `listBytesMax`. */
function writeRows(
  { reader, encoding, prefix }: Writing,
  { place, limit }: Stretch,
): Part<WrittenRow<unknown>> {
  const rows: WrittenRow<unknown>[] = []
  let total = 0
  for (const row of reader.rows(prefix, limit + 1, place)) {
    if (rows.length === limit || total >= listBytesMax) return { rows, more: true }
    const { key, windowStart } = row
    const rank = windowStart === undefined ? { key } : { key, windowStart }
    const { written, bytes } = encoding.entry(reader.schema, entryOf(reader, row))
    rows.push({ ...rank, written, bytes })
    total += bytes
  }
  return { rows, more: false }
}

/** Several instances together may have given more than one answer holds. */
function cutLong({ rows, more }: Part<WrittenRow<unknown>>): Part<WrittenRow<unknown>> {
  let total = 0
  const end = rows.findIndex(({ bytes }) => (total += bytes) >= listBytesMax) + 1
  return end === 0 || end === rows.length
    ? { rows, more }
    : { rows: rows.slice(0, end), more: true }
}

function entryOf({ windowMs }: ViewReader, { key, windowStart, value }: ViewRow): Entry {
  if (windowStart === undefined || windowMs === undefined) return { key, value }
  return { key, window: { start: windowStart, end: windowStart + windowMs }, value }
}
