/**
 * Views over HTTP: `GET /v1/<service>/<view>/<key>` and its siblings, as JSON.
 *
 * Messages are written in Protocol Buffers' own JSON mapping, so every language reads them; a client that
 * asks for `losslessType` gets plain data as it is stored, in which bigints, dates and bytes survive. The server only reads:
 * it holds no state, joins no consumer group and never waits for a service.
 */
import { toJson } from '@bufbuild/protobuf'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { Hono } from 'hono'
import type { Context } from 'hono'
import { Writer } from '../base/bytes.ts'
import { plainCodec } from '../streams/stores/plain.ts'
import type { Key } from '../streams/stores/serde.ts'
import type { ViewReader, ViewRow } from '../streams/views/view-reader.ts'
import { listParameters, parseKey, parseRange, parseWindow, refusal } from './parameters.ts'
import type { Refusal } from './parameters.ts'
import type { QueryService } from './view.ts'

/** The media type of values in the encoding that loses nothing: plain data of format `plain/1`. */
export const losslessType = 'application/vnd.headwater.plain-1'

/**
 * The HTTP application over the services that `services` names at the time of a request.
 * Errors are `{ "error": { "code", "message" } }` with status 400, 404 or 503.
 */
export function queryApp(services: () => readonly QueryService[]): Hono {
  const app = new Hono()
  app.get('/', (context) =>
    context.body(print({ services: services().map(describe) }), 200, asJson),
  )
  app.get('/v1/:service', (context) => {
    const found = findService(services(), context.req.param('service'))
    return 'error' in found
      ? refuse(context, found)
      : context.body(print(describe(found)), 200, asJson)
  })
  app.get('/v1/:service/:view', (context) => {
    const view = findView(services(), context.req.param('service'), context.req.param('view'))
    return 'error' in view ? refuse(context, view) : list(context, view)
  })
  app.get('/v1/:service/:view/:key{.+}', (context) => {
    const view = findView(services(), context.req.param('service'), context.req.param('view'))
    return 'error' in view ? refuse(context, view) : lookUp(context, view, context.req.param('key'))
  })
  app.notFound((context) =>
    refuse(
      context,
      refusal('not-found', `nothing is at ${context.req.path}: GET / lists what there is`),
    ),
  )
  app.onError((error, context) => {
    const message = error instanceof Error ? error.message : String(error)
    return context.body(print({ error: { code: 'query-failed', message } }), 500, asJson)
  })
  return app
}

const asJson = { 'content-type': 'application/json; charset=utf-8' }

function print(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

function refuse(context: Context, { error, status }: Refusal): Response {
  return context.body(print({ error }), status, asJson)
}

function describe(service: QueryService) {
  const views = Object.entries(service.views).map(([name, view]) => {
    const path = `/v1/${service.name}/${name}`
    return {
      name,
      entries: service.ready() ? view.size() : null,
      key: view.keyType,
      value: view.schema?.typeName ?? 'JSON',
      ...(view.windowMs === undefined
        ? { get: `${path}/{key}` }
        : {
            windowMs: view.windowMs,
            get: `${path}/{key}?window={time}`,
            range: `${path}/{key}?from={time}&to={time}`,
          }),
      list: `${path}?prefix={prefix}&limit={limit}`,
    }
  })
  return { name: service.name, ready: service.ready(), views }
}

function findService(services: readonly QueryService[], name: string): QueryService | Refusal {
  const service = services.find((candidate) => candidate.name === name)
  if (service) return service
  const names = services.map((candidate) => candidate.name).join(', ')
  return refusal('not-found', `there is no service '${name}': the services here are ${names}`)
}

function findView(
  services: readonly QueryService[],
  serviceName: string,
  viewName: string,
): ViewReader | Refusal {
  const service = findService(services, serviceName)
  if ('error' in service) return service
  const view = Object.hasOwn(service.views, viewName) ? service.views[viewName] : undefined
  if (view === undefined) {
    const names = Object.keys(service.views).join(', ') || 'none'
    return refusal(
      'not-found',
      `service '${serviceName}' has no view '${viewName}': its views are ${names}`,
    )
  }
  const end = service.ended()
  if (end !== undefined) {
    const why = `service '${serviceName}' has ended (${end.code}): ${end.message}`
    return refusal('service-ended', why)
  }
  if (!service.ready()) {
    return refusal('not-ready', `service '${serviceName}' is restoring its tables: ask again soon`)
  }
  return view
}

function list(context: Context, view: ViewReader): Response {
  const parameters = listParameters(context.req.query())
  if ('error' in parameters) return refuse(context, parameters)
  const { prefix, limit } = parameters
  const entries = view.scan(prefix, limit + 1)
  const more = entries.length > limit
  const shown = entries.slice(0, limit)
  return answer(context, view, (plain, name) => ({
    entries: shown.map((entry) => ({ ...position(view, entry, name), value: plain(entry.value) })),
    more,
  }))
}

function position(view: ViewReader, { key, windowStart }: ViewRow, name: Naming) {
  if (windowStart === undefined || view.windowMs === undefined) return { key: name(key) }
  return { key: name(key), ...windowBounds(windowStart, view.windowMs) }
}

function windowBounds(start: number, windowMs: number) {
  return { start: timeText(start), end: timeText(start + windowMs) }
}

/** A record may claim a time beyond the last date there is; it is written in milliseconds then. */
function timeText(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString()
}

function lookUp(context: Context, view: ViewReader, text: string): Response {
  const key = parseKey(text, view.keyType)
  if (typeof key === 'object') return refuse(context, key)
  const query = context.req.query()
  if (view.windowMs === undefined) return found(context, view, view.get(key), text)
  if ('from' in query || 'to' in query) return range(context, view, view.windowMs, key)
  const start = parseWindow(query['window'], view.windowMs)
  if (typeof start === 'object') return refuse(context, start)
  const where = `${text} in the window that begins at ${timeText(start)}`
  return found(context, view, view.getWindow(key, start), where)
}

function found(context: Context, view: ViewReader, value: unknown, where: string): Response {
  if (value !== undefined) return answer(context, view, (plain) => plain(value))
  return refuse(context, refusal('no-value', `nothing is stored under ${where}`))
}

function range(context: Context, view: ViewReader, windowMs: number, key: Key): Response {
  const bounds = parseRange(context.req.query(), windowMs)
  if ('error' in bounds) return refuse(context, bounds)
  const windows: { start: number; value: unknown }[] = []
  for (let start = bounds.from; start < bounds.to; start += windowMs) {
    const value = view.getWindow(key, start)
    if (value !== undefined) windows.push({ start, value })
  }
  return answer(context, view, (plain, name) => ({
    entries: windows.map(({ start, value }) => ({
      key: name(key),
      ...windowBounds(start, windowMs),
      value: plain(value),
    })),
    more: false,
  }))
}

type Naming = (key: Key) => Key
type Plain = (value: unknown) => unknown

/** Writes what `compose` makes of the view's values and keys, in the encoding the request accepts. */
function answer(
  context: Context,
  view: ViewReader,
  compose: (plain: Plain, name: Naming) => unknown,
): Response {
  if (context.req.header('accept')?.includes(losslessType)) {
    const writer = new Writer()
    plainCodec.encode(compose(view.schema === undefined ? asIs : allFields, asIs), writer)
    return context.body(writer.finish().slice(), 200, { 'content-type': losslessType })
  }
  const body = compose((value) => plainValue(view.schema, value), String)
  return context.body(print(body), 200, asJson)
}

const asIs = <T>(value: T): T => value

/** A message with the fields it only has by default as its own. */
function allFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(allFields)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  const fields: [string, unknown][] = []
  for (const name in value) fields.push([name, allFields(value[name as keyof typeof value])])
  return Object.fromEntries(fields)
}

function plainValue(schema: DescMessage | undefined, value: unknown): unknown {
  if (schema !== undefined) {
    return toJson(schema, value as MessageShape<DescMessage>, { alwaysEmitImplicit: true })
  }
  return JSON.parse(JSON.stringify(value, (_name, part: unknown) => printable(part)))
}

function printable(part: unknown): unknown {
  if (typeof part === 'bigint') return String(part)
  return part instanceof Uint8Array ? base64(part) : part
}

function base64(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}
