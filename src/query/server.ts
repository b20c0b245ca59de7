/**
 * Views over HTTP: `GET /v1/<service>/<view>/<key>` and its siblings.
 *
 * Messages are written in Protocol Buffers' own JSON mapping, so every language reads them. The server only
 * reads: it holds no state, joins no consumer group and never waits for a service. What it answers is right, or
 * it says why there is no answer; a list says of which partitions it is.
 */
import { Hono } from 'hono'
import type { Context } from 'hono'
import type { Key } from '../streams/stores/serde.ts'
import { placeAfter, readCursor, writeCursor } from '../streams/views/cursor.ts'
import type { ViewReader, ViewRow } from '../streams/views/view-reader.ts'
import { encodingFor, jsonType, printJson } from './encoding.ts'
import type { Encoding, Entry } from './encoding.ts'
import { openApi } from './openapi.ts'
import { parseKey, parseLimit, parseRange, parseWindow, timeText } from './parameters.ts'
import { refusal, refusalOf, retryAfterSeconds } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { keyInPath, rawPath, readQuery, urlCharsMax } from './target.ts'
import type { Query } from './target.ts'
import type { QueryService } from './view.ts'

/** Bytes of written entries after which a list ends, and says that there is more. */
export const listBytesMax = 8 * 1024 * 1024

/**
 * The HTTP application over the services that `services` names at the time of a request.
 * Errors are `{ "error": { "code", "message" } }`; `refusal.ts` has the codes with their statuses.
 */
export function queryApp(services: () => readonly QueryService[]): Hono {
  const app = new Hono({ getPath: (request) => rawPath(request.url) })
  const route = (path: string, answer: Answer): void => {
    app.get(path, unlessTooLong(answer))
    app.all(path, unlessTooLong(refuseMethod))
  }
  route('/', (context) => {
    const query = readQuery(context.req.url, [])
    if ('error' in query) return refuse(context, query)
    return sendJson(context, { services: services().map(describe) })
  })
  route('/openapi.json', (context) => sendJson(context, openApi(services())))
  route('/v1/:service', (context) => {
    const query = readQuery(context.req.url, [])
    if ('error' in query) return refuse(context, query)
    const found = findService(services(), context.req.param('service')!)
    return 'error' in found ? refuse(context, found) : sendJson(context, describe(found))
  })
  route('/v1/:service/:view', (context) => {
    const place = findView(services(), context)
    return 'error' in place ? refuse(context, place) : listOrLookUp(context, place)
  })
  route('/v1/:service/:view/:key{.*}', (context) => {
    const place = findView(services(), context)
    if ('error' in place) return refuse(context, place)
    const text = keyInPath(context.req.path)
    if (typeof text === 'object') return refuse(context, text)
    const query = readQuery(context.req.url, place.view.windowMs === undefined ? [] : windowNames)
    return 'error' in query ? refuse(context, query) : lookUp(context, place, text, query)
  })
  app.notFound(
    unlessTooLong((context) => refuse(context, nothingThere(context.req.path, services()))),
  )
  app.onError((error, context) => refuse(context, refusalOf(error)))
  return app
}

function sendJson(context: Context, value: unknown): Response {
  return context.body(printJson(value), 200, { 'content-type': jsonType })
}

function refuse(context: Context, { error, status }: Refusal): Response {
  const headers: Record<string, string> = { 'content-type': jsonType }
  const seconds = retryAfterSeconds[error.code]
  if (seconds !== undefined) headers['retry-after'] = String(seconds)
  if (status === 405) headers['allow'] = 'GET, HEAD'
  return context.body(printJson({ error }), status, headers)
}

function refuseMethod(context: Context): Response {
  const { method, path } = context.req
  return refuse(
    context,
    refusal(
      'method-not-allowed',
      `${method} is nothing for ${shorten(path)}: it takes GET and HEAD`,
    ),
  )
}

type Answer = (context: Context) => Response

/** Without a promise: a middleware would make every answer wait for a turn. */
function unlessTooLong(answer: Answer): Answer {
  return (context) => {
    if (context.req.url.length <= urlCharsMax) return answer(context)
    const why = `the URL is longer than ${urlCharsMax} characters`
    return refuse(context, refusal('url-too-long', why))
  }
}

function nothingThere(path: string, services: readonly QueryService[]): Refusal {
  const there = ['/', '/openapi.json', ...services.map(({ name }) => `/v1/${name}`)]
  return refusal(
    'not-found',
    `nothing is at ${shorten(path)}: there are ${there.join(', ')}, and what / lists`,
  )
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}

function describe(service: QueryService) {
  const isReady = service.ready()
  const views = Object.entries(service.views).map(([name, view]) => {
    const path = `/v1/${service.name}/${encodeURIComponent(name)}`
    return {
      name,
      entries: isReady ? view.size() : null,
      partitions: { count: view.partitions, covered: isReady ? view.held() : [] },
      key: view.keyType,
      value: view.schema?.typeName ?? 'JSON',
      ...(view.windowMs === undefined
        ? { get: `${path}?key={key}` }
        : {
            windowMs: view.windowMs,
            get: `${path}?key={key}&window={time}`,
            range: `${path}?key={key}&from={time}&to={time}`,
          }),
      list: `${path}?prefix={prefix}&limit={limit}&cursor={next}`,
    }
  })
  return { name: service.name, ready: isReady, views }
}

function findService(services: readonly QueryService[], name: string): QueryService | Refusal {
  const service = services.find((candidate) => candidate.name === name)
  if (service) return service
  const names = services.map((candidate) => candidate.name).join(', ')
  return refusal(
    'not-found',
    `there is no service '${shorten(name)}': the services here are ${names}`,
  )
}

/** A view, and what it is called. */
interface Place {
  readonly service: string
  readonly name: string
  readonly view: ViewReader
}

function findView(services: readonly QueryService[], context: Context): Place | Refusal {
  const service = findService(services, context.req.param('service')!)
  if ('error' in service) return service
  const end = service.ended()
  if (end !== undefined) {
    const why = `service '${service.name}' has ended (${end.code}): ${end.message}`
    return refusal('service-ended', why)
  }
  if (!service.ready()) {
    return refusal(
      'not-ready',
      `service '${service.name}' is starting, getting its partitions or restoring their tables: ` +
        'ask again soon',
    )
  }
  const name = context.req.param('view')!
  const view = Object.hasOwn(service.views, name) ? service.views[name] : undefined
  if (view === undefined) {
    const names = Object.keys(service.views).join(', ') || 'none'
    return refusal(
      'not-found',
      `service '${service.name}' has no view '${shorten(name)}': its views are ${names}`,
    )
  }
  return { service: service.name, name, view }
}

const listNames = ['prefix', 'limit', 'cursor']
const windowNames = ['window', 'from', 'to']

function listOrLookUp(context: Context, place: Place): Response {
  const { view } = place
  const names = view.windowMs === undefined ? [] : windowNames
  const query = readQuery(context.req.url, ['key', ...names, ...listNames])
  if ('error' in query) return refuse(context, query)
  const key = query.get('key')
  const others = key === undefined ? names : listNames
  const wrong = others.find((name) => query.has(name))
  if (wrong !== undefined) {
    const why =
      key === undefined ? 'goes with a key, and there is none' : 'is for lists, not for a key'
    return refuse(context, refusal('bad-request', `${wrong} ${why}`))
  }
  return key === undefined ? list(context, place, query) : lookUp(context, place, key, query)
}

function list(context: Context, place: Place, query: Query): Response {
  const limit = parseLimit(query)
  if (typeof limit === 'object') return refuse(context, limit)
  const { service, name, view } = place
  const prefix = query.get('prefix') ?? ''
  const listing = { service, view: name, signature: view.signature, prefix }
  const cursor = query.get('cursor')
  const from = cursor === undefined ? undefined : readCursor(listing, cursor)
  const encoding = encodingFor(context.req.header('accept'))
  const { entries, rows, more } = writeRows(
    view,
    encoding,
    view.rows(prefix, limit + 1, from),
    limit,
  )
  const after = placeAfter(rows, from, listing)
  return send(
    context,
    encoding,
    encoding.list(entries, {
      more,
      next: more && after !== undefined ? writeCursor(listing, after) : null,
      partitions: { count: view.partitions, covered: view.held() },
    }),
  )
}

/** Writes rows up to `limit` and `listBytesMax`. */
function writeRows(
  view: ViewReader,
  encoding: Encoding,
  from: Iterable<ViewRow>,
  limit: number,
): { entries: unknown[]; rows: ViewRow[]; more: boolean } {
  const entries: unknown[] = []
  const rows: ViewRow[] = []
  let total = 0
  for (const row of from) {
    if (rows.length === limit || total >= listBytesMax) return { entries, rows, more: true }
    const { written, bytes } = encoding.entry(view.schema, entryOf(view, row))
    entries.push(written)
    rows.push(row)
    total += bytes
  }
  return { entries, rows, more: false }
}

function entryOf({ windowMs }: ViewReader, { key, windowStart, value }: ViewRow): Entry {
  if (windowStart === undefined || windowMs === undefined) return { key, value }
  return { key, window: { start: windowStart, end: windowStart + windowMs }, value }
}

function lookUp(context: Context, { view }: Place, text: string, query: Query): Response {
  const key = parseKey(text, view.keyType)
  if (typeof key === 'object') return refuse(context, key)
  if (view.windowMs === undefined) return found(context, view, view.get(key), quote(text))
  if (query.has('from') || query.has('to')) return range(context, view, key, query)
  const start = parseWindow(query, view.windowMs)
  if (typeof start === 'object') return refuse(context, start)
  const where = `${quote(text)} in the window that begins at ${timeText(start)}`
  return found(context, view, view.getWindow(key, start), where)
}

function quote(key: string): string {
  return `'${shorten(key)}'`
}

function found(context: Context, view: ViewReader, value: unknown, where: string): Response {
  if (value === undefined) {
    return refuse(context, refusal('no-value', `nothing is stored under ${where}`))
  }
  const encoding = encodingFor(context.req.header('accept'))
  return send(context, encoding, encoding.value(view.schema, value))
}

function range(context: Context, view: ViewReader, key: Key, query: Query): Response {
  const windowMs = view.windowMs!
  if (query.has('window')) {
    return refuse(context, refusal('bad-request', 'give window, or from and to, not both'))
  }
  const bounds = parseRange(query, windowMs)
  if ('error' in bounds) return refuse(context, bounds)
  const encoding = encodingFor(context.req.header('accept'))
  const entries: unknown[] = []
  let total = 0
  for (let start = bounds.from; start < bounds.to; start += windowMs) {
    const value = view.getWindow(key, start)
    if (value === undefined) continue
    if (total >= listBytesMax) {
      const frame = { more: true, next: timeText(start) }
      return send(context, encoding, encoding.list(entries, frame))
    }
    const entry = { key, window: { start, end: start + windowMs }, value }
    const { written, bytes } = encoding.entry(view.schema, entry)
    entries.push(written)
    total += bytes
  }
  return send(context, encoding, encoding.list(entries, { more: false, next: null }))
}

function send(
  context: Context,
  { type }: Encoding,
  body: string | Uint8Array<ArrayBuffer>,
): Response {
  return context.body(body, 200, { 'content-type': type })
}
