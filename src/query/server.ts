/**
 * Views over HTTP: `GET /v1/<service>/<view>/<key>` and its siblings; and commands, which are asked by POST.
 *
 * Messages are written in Protocol Buffers' own JSON mapping, so every language reads them. The server only
 * reads: it holds no state, joins no consumer group and never waits for a service. What it answers is right, or
 * it says why there is no answer; a list says of which partitions it is. What another instance of the service
 * holds it asks that one for, where the group knows its address.
 */
import { Hono } from 'hono'
import type { Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { HttpAsk } from '../io/ports.ts'
import { hopHeader, refusalOfHop } from '../streams/asking/peer.ts'
import { askOnBehalf } from '../streams/tracing/questions.ts'
import { askCommand, bodyBytesMax, findCommands, noCommands } from './commands.ts'
import { freshNames } from '../streams/asking/remote-view.ts'
import { changes, feedNames } from './feeds.ts'
import { list } from './lists.ts'
import { lookUp, windowNames } from './lookups.ts'
import { openApi } from './openapi.ts'
import type { Question } from './question.ts'
import { refusal, refusalOf } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { refuse, sendJson, shorten } from './reply.ts'
import { keyInPath, queryWithKey, rawPath, rawQuery, readQuery, urlCharsMax } from './target.ts'
import type { EndOfService, QueryService } from './view.ts'

/**
 * The HTTP application over the services that `services` names at the time of a request.
 * @param ask how other instances are asked
 * Errors are `{ "error": { "code", "message" } }`; `refusal.ts` has the codes with their statuses.
 */
export function queryApp(services: () => readonly QueryService[], ask: HttpAsk): Hono {
  const app = new Hono({ getPath: (request) => rawPath(request.url) })
  const route = (path: string, answer: Answer, posted?: Answer): void => {
    app.get(path, unlessTooLong(answer))
    if (posted !== undefined) app.post(path, bounded, unlessTooLong(posted))
    app.all(
      path,
      unlessTooLong((context) => refuseMethod(context, methodsAt(services(), context))),
    )
  }
  route('/', (context) => {
    const query = readQuery(context.req.url, [])
    if ('error' in query) return refuse(context, query)
    return sendJson(context, { services: services().map(describe) })
  })
  route('/openapi.json', (context) => {
    const query = readQuery(context.req.url, [])
    return 'error' in query ? refuse(context, query) : sendJson(context, openApi(services()))
  })
  route('/v1/:service', (context) => {
    const query = readQuery(context.req.url, [])
    if ('error' in query) return refuse(context, query)
    const found = findService(services(), context.req.param('service')!)
    return 'error' in found ? refuse(context, found) : sendJson(context, describe(found))
  })
  const listed: Answer = (context) => {
    const methods = methodsAt(services(), context)
    if (methods === 'POST') return refuseMethod(context, methods)
    const place = findView(services(), context)
    if ('error' in place) return refuse(context, place)
    return listOrLookUp(questionOf(place, context, ask))
  }
  route('/v1/:service/:view', listed, (context) => postCommand(services(), context))
  route('/v1/:service/:view/changes', (context) => {
    const place = findView(services(), context, false)
    if ('error' in place) return refuse(context, place)
    const query = readQuery(context.req.url, feedNames)
    if ('error' in query) return refuse(context, query)
    return changes({ ...place, context, ask, isHop: false }, query)
  })
  route('/v1/:service/:view/:key{.*}', (context) => {
    const place = findView(services(), context)
    if ('error' in place) return refuse(context, place)
    const text = keyInPath(context.req.path)
    if (typeof text === 'object') return refuse(context, text)
    const names = place.reader.windowMs === undefined ? [] : windowNames
    const query = readQuery(context.req.url, [...names, ...freshNames])
    if ('error' in query) return refuse(context, query)
    const question = questionOf(place, context, ask)
    return lookUp(question, { text, query, raw: queryWithKey(context.req.url) })
  })
  app.notFound(
    unlessTooLong((context) => refuse(context, nothingThere(context.req.path, services()))),
  )
  app.onError((error, context) => refuse(context, refusalOf(error)))
  return app
}

/** A body beyond its bound is refused as it comes. */
const bounded = bodyLimit({
  maxSize: bodyBytesMax,
  onError: (context) => {
    const why = `the body is longer than ${bodyBytesMax} bytes: store what is large elsewhere`
    return refuse(context, refusal('body-too-large', why))
  },
})

function postCommand(
  services: readonly QueryService[],
  context: Context,
): Response | Promise<Response> {
  const service = findService(services, context.req.param('service')!)
  if ('error' in service) return refuse(context, service)
  const name = context.req.param('view')!
  const found = findCommands(service, name)
  // A view is there, and takes no commands.
  if (found === undefined && Object.hasOwn(service.views, name)) return refuseMethod(context)
  const end = service.ended()
  if (end !== undefined) return refuse(context, ended(service, end))
  if (found !== undefined) return askCommand(context, found)
  const isStarting = service.decides === undefined && !service.ready()
  return refuse(context, isStarting ? starting(service) : noCommands(service, name))
}

const reading = 'GET, HEAD'

/** The methods that a path takes: views are read, commands asked, and a name may be of both. */
function methodsAt(services: readonly QueryService[], context: Context): string {
  const view = context.req.param('view')
  const service = services.find(({ name }) => name === context.req.param('service'))
  const isKey = context.req.param('key') !== undefined
  if (service === undefined || view === undefined || isKey) return reading
  if (findCommands(service, view) === undefined) return reading
  return Object.hasOwn(service.views, view) ? `${reading}, POST` : 'POST'
}

function refuseMethod(context: Context, methods = reading): Response {
  const { method, path } = context.req
  const why = `${method} is nothing for ${shorten(path)}: it takes ${methods.replaceAll(', ', ' and ')}`
  return refuse(context, refusal('method-not-allowed', why), methods)
}

type Answer = (context: Context) => Response | Promise<Response>

/** Without a promise where there is none: a middleware would make every answer wait for a turn. */
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
  const commands = Object.values(service.decides?.commands ?? {}).map((each) => ({
    name: each.name,
    message: each.schema.typeName,
    reasons: each.reasons,
    ask: `/v1/${service.name}/${encodeURIComponent(each.name)}`,
  }))
  return { name: service.name, ready: isReady, views, ...(commands.length > 0 && { commands }) }
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

type Place = Pick<Question, 'service' | 'view' | 'reader'>

/** @param isOwn whether it is asked of what this instance holds, for which that has to be complete */
function findView(
  services: readonly QueryService[],
  context: Context,
  isOwn = true,
): Place | Refusal {
  const service = findService(services, context.req.param('service')!)
  if ('error' in service) return service
  const end = service.ended()
  if (end !== undefined) return ended(service, end)
  const name = context.req.param('view')!
  const reader = Object.hasOwn(service.views, name) ? service.views[name] : undefined
  if ((isOwn || reader === undefined) && !service.ready()) return starting(service)
  if (reader === undefined) {
    const names = Object.keys(service.views).join(', ') || 'none'
    return refusal(
      'not-found',
      `service '${service.name}' has no view '${shorten(name)}': its views are ${names}`,
    )
  }
  return { service: service.name, view: name, reader }
}

function ended({ name }: QueryService, { code, message }: EndOfService): Refusal {
  return refusal('service-ended', `service '${name}' has ended (${code}): ${message}`)
}

function starting({ name }: QueryService): Refusal {
  return refusal(
    'not-ready',
    `service '${name}' is starting, getting its partitions or restoring their tables: ask again soon`,
  )
}

/** Others are asked in the name of the trace that the request is of. Throws as `isHop` does. */
function questionOf(place: Place, context: Context, ask: HttpAsk): Question {
  const onBehalf = askOnBehalf(ask, (name) => context.req.header(name))
  return { ...place, context, ask: onBehalf, isHop: isHop(place, context) }
}

/** Whether another instance asks; its mark goes back to it with whatever is answered. Throws `not-ready` when this one may not answer it. */
function isHop({ reader }: Place, context: Context): boolean {
  const mark = context.req.header(hopHeader)
  if (mark === undefined) return false
  const { signature } = reader
  const refused = refusalOfHop({ ...reader.standing(), signature }, mark)
  if (refused !== undefined) throw refused
  context.header(hopHeader, mark)
  return true
}

const listNames = ['prefix', 'limit', 'cursor', 'partial']

function listOrLookUp(question: Question): Response | Promise<Response> {
  const { context, reader } = question
  const names = reader.windowMs === undefined ? [] : windowNames
  const query = readQuery(context.req.url, ['key', ...names, ...listNames, ...freshNames])
  if ('error' in query) return refuse(context, query)
  const key = query.get('key')
  const others = key === undefined ? names : listNames
  const wrong = others.find((name) => query.has(name))
  if (wrong !== undefined) {
    const why =
      key === undefined ? 'goes with a key, and there is none' : 'is for lists, not for a key'
    return refuse(context, refusal('bad-request', `${wrong} ${why}`))
  }
  if (key === undefined) return list(question, query)
  return lookUp(question, { text: key, query, raw: rawQuery(context.req.url) })
}
