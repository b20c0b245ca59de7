/** What is stored under a key: here, or with the instance that owns the key's partition. */
import { isHeadwaterError } from '../base/errors.ts'
import { heldByNobody } from '../streams/asking/gather.ts'
import { askPeer, peerAt } from '../streams/asking/peer.ts'
import type { Peer } from '../streams/asking/peer.ts'
import type { Key } from '../streams/stores/serde.ts'
import { encodingFor } from './encoding.ts'
import { listBytesMax } from './lists.ts'
import { parseKey, parseRange, parseWanted, parseWindow, timeText } from './parameters.ts'
import type { Question } from './question.ts'
import { refusal } from './refusal.ts'
import { headersOf, refuse, send, shorten } from './reply.ts'
import { queryWith } from './target.ts'
import type { Query } from './target.ts'

export const windowNames = ['window', 'from', 'to']

/** What is asked of a key. */
export interface KeyQuestion {
  readonly text: string
  readonly query: Query
  /** The same as the query of a URL. */
  readonly raw: string
}

export function lookUp(question: Question, o: KeyQuestion): Response | Promise<Response> {
  const { context, reader, isHop } = question
  const key = parseKey(o.text, reader.keyType)
  if (typeof key === 'object') return refuse(context, key)
  const wanted = parseWanted(o.query)
  if (wanted !== undefined && 'error' in wanted) return refuse(context, wanted)
  const fresh = wanted && reader.wanting(wanted)
  const passOn = (error: unknown): Promise<Response> => {
    const owner = isHop || !isHeadwaterError(error, 'partition-elsewhere') || ownerOf(question, key)
    if (typeof owner !== 'object') throw error
    return forward(question, owner, { raw: o.raw, waitMs: fresh?.leftMs })
  }
  if (fresh !== undefined) return fresh.read(() => lookUpHere(question, key, o)).catch(passOn)
  try {
    return lookUpHere(question, key, o)
  } catch (error) {
    return passOn(error)
  }
}

/** Who holds a key that is not here; undefined when its address is not known. Throws `not-ready`. */
function ownerOf(question: Question, key: Key): Peer | undefined {
  const { reader } = question
  const partition = reader.partitionOf(key)
  const where = reader.whereIs(partition)
  if (where === 'nowhere') throw heldByNobody(question, [partition])
  if (typeof where === 'string') return undefined
  return peerAt(where.address, question)
}

/** The owner's answer, as it is. It may wait for what is left of the time, if there is any to wait. */
async function forward(
  { context, ask }: Question,
  owner: Peer,
  { raw, waitMs }: { readonly raw: string; readonly waitMs: number | undefined },
): Promise<Response> {
  const { accept } = encodingFor(context.req.header('accept'))
  const query = waitMs === undefined ? raw : queryWith(raw, 'waitMs', waitMs)
  const peerQuestion = { query, accept, ...(waitMs !== undefined && { waitMs }) }
  const { status, type, body } = await askPeer(ask, owner, peerQuestion)
  return new Response(body, { status, headers: headersOf(type) })
}

function lookUpHere(question: Question, key: Key, { text, query }: KeyQuestion): Response {
  const { context, reader } = question
  const { windowMs } = reader
  if (windowMs === undefined) return found(question, reader.get(key), quote(text))
  if (query.has('from') || query.has('to')) return range(question, key, query)
  const start = parseWindow(query, windowMs)
  if (typeof start === 'object') return refuse(context, start)
  const where = `${quote(text)} in the window that begins at ${timeText(start)}`
  return found(question, reader.getWindow(key, start), where)
}

function quote(key: string): string {
  return `'${shorten(key)}'`
}

function found({ context, reader }: Question, value: unknown, where: string): Response {
  if (value === undefined) {
    return refuse(context, refusal('no-value', `nothing is stored under ${where}`))
  }
  const encoding = encodingFor(context.req.header('accept'))
  return send(context, encoding, encoding.value(reader.schema, value))
}

function range({ context, reader }: Question, key: Key, query: Query): Response {
  const windowMs = reader.windowMs!
  if (query.has('window')) {
    return refuse(context, refusal('bad-request', 'give window, or from and to, not both'))
  }
  const bounds = parseRange(query, windowMs)
  if ('error' in bounds) return refuse(context, bounds)
  const encoding = encodingFor(context.req.header('accept'))
  const entries: unknown[] = []
  let total = 0
  for (const { windowStart: start, value } of reader.windows(key, bounds.from, bounds.to)) {
    if (total >= listBytesMax) {
      const frame = { more: true, next: timeText(start) }
      return send(context, encoding, encoding.list(entries, frame))
    }
    const entry = { key, window: { start, end: start + windowMs }, value }
    const { written, bytes } = encoding.entry(reader.schema, entry)
    entries.push(written)
    total += bytes
  }
  return send(context, encoding, encoding.list(entries, { more: false, next: null }))
}
