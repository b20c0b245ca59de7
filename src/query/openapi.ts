/** The OpenAPI 3.1 document of what can be asked of services, made of the views that they have. */
import { commandIdCharsMax } from '../events/commands.ts'
import type { AnyCommand } from '../events/event.ts'
import { schemaRef } from '../schema/json-schema.ts'
import type { JsonSchema } from '../schema/json-schema.ts'
import type { ViewReader } from '../streams/views/view-reader.ts'
import { listLimitMax, waitMsMax } from '../streams/views/view-options.ts'
import { statusesOf } from './refusal.ts'
import type { RefusalCode } from './refusal.ts'
import type { QueryService } from './view.ts'

/** The document, as it stands at `/openapi.json`. */
export function openApi(services: readonly QueryService[]): object {
  const schemas = new Map<string, JsonSchema>([['Error', errorSchema]])
  const paths = services.flatMap(({ name, views, decides }) => {
    const asked = Object.values(decides?.commands ?? {}).map((commands) => {
      return commandPath(name, commands, schemaRef(commands.schema, schemas))
    })
    const read = Object.entries(views).flatMap(([view, reader]) => {
      const value = reader.schema === undefined ? anyValue : schemaRef(reader.schema, schemas)
      return pathsOf({ service: name, view, reader, value })
    })
    return [...read, ...asked]
  })
  return {
    openapi: '3.1.0',
    info: {
      title: `Queries and commands of ${services.map(({ name }) => name).join(', ')}`,
      version: '1',
    },
    servers: [{ url: '/' }],
    paths: merged(paths),
    components: { schemas: Object.fromEntries(schemas) },
  }
}

/** What is read and what is asked under one name are one path. */
function merged(paths: readonly (readonly [string, object])[]): object {
  const items = new Map<string, object>()
  for (const [path, item] of paths) items.set(path, { ...items.get(path), ...item })
  return Object.fromEntries(items)
}

/** Plain state: whatever the service folds. */
const anyValue: JsonSchema = { description: 'plain data' }

const errorSchema: JsonSchema = {
  type: 'object',
  properties: {
    error: {
      type: 'object',
      properties: { code: { type: 'string' }, message: { type: 'string' } },
      required: ['code', 'message'],
    },
  },
  required: ['error'],
}

interface Described {
  readonly service: string
  readonly view: string
  readonly reader: ViewReader
  readonly value: JsonSchema
}

function pathsOf(o: Described): [path: string, item: object][] {
  const { service, view, reader } = o
  const path = `/v1/${service}/${encodeURIComponent(view)}`
  const isWindowed = reader.windowMs !== undefined
  const windows = isWindowed ? timeParameters : []
  const windowed = isWindowed ? [windowList(o)] : []
  const key = { name: 'key', schema: keySchema(reader) }
  return [
    [
      path,
      operation(o, 'ask', {
        summary: `The value of a key of ${view} in ?key=, or without one its entries`,
        parameters: [{ ...key, in: 'query' }, ...windows, ...listParameters, ...freshParameters],
        answer: { anyOf: [entryList(o), ...windowed, o.value] },
      }),
    ],
    [
      `${path}/{key}`,
      operation(o, 'get', {
        summary: `The value of a key of ${view}. '', '.' and '..' go into ?key= alone`,
        parameters: [{ ...key, in: 'path', required: true }, ...windows, ...freshParameters],
        answer: isWindowed ? { anyOf: [...windowed, o.value] } : o.value,
      }),
    ],
    [
      `${path}/changes`,
      operation(o, 'follow', {
        summary: `What rows of ${view} become, as server-sent events`,
        parameters: [{ ...key, in: 'query' }, ...feedParameters],
        answer: { type: 'string' },
        type: 'text/event-stream',
      }),
    ],
  ]
}

function operation(
  { service, view }: Described,
  verb: string,
  o: {
    readonly summary: string
    readonly parameters: object[]
    readonly answer: JsonSchema
    readonly type?: string
  },
): object {
  return {
    get: {
      operationId: `${verb}.${service}.${view}`,
      summary: o.summary,
      tags: [service],
      parameters: o.parameters,
      responses: {
        200: { description: 'the answer', ...content(o.answer, o.type) },
        ...refusals([
          'bad-request',
          'no-value',
          'not-found',
          'partition-elsewhere',
          'not-ready',
          'service-ended',
        ]),
      },
    },
  }
}

/** The responses of these codes. */
function refusals(codes: readonly RefusalCode[]): Readonly<Record<string, object>> {
  const error = content({ $ref: '#/components/schemas/Error' })
  const responses = statusesOf(codes).map(({ status, codes: of }) => {
    return [status, { description: of.join(', '), ...error }] as const
  })
  return Object.fromEntries(responses)
}

/** How commands of a stream are asked. */
function commandPath(
  service: string,
  { name, reasons }: AnyCommand,
  message: JsonSchema,
): [path: string, item: object] {
  const path = `/v1/${service}/${encodeURIComponent(name)}`
  const id = {
    name: 'Idempotency-Key',
    in: 'header',
    schema: { type: 'string', minLength: 1, maxLength: commandIdCharsMax },
    description: 'the id of the command: asked again under it, it is decided once',
  }
  const timeout = {
    name: 'timeout',
    in: 'query',
    schema: { type: 'string' },
    description: 'how long the outcome is waited for, as in 10s',
  }
  const post = {
    operationId: `ask.${service}.${name}`,
    summary: `Asks for a command of ${name}`,
    tags: [service],
    parameters: [id, timeout],
    requestBody: { required: true, ...content(message) },
    responses: {
      200: { description: 'it is accepted', ...content(acceptedSchema) },
      422: { description: 'it is rejected', ...content(rejectedSchema(reasons)) },
      ...refusals([
        'bad-request',
        'not-found',
        'body-too-large',
        'unsupported-media-type',
        'not-decided',
        'broker-away',
        'busy',
        'not-ready',
        'service-ended',
        'in-doubt',
      ]),
    },
  }
  return [path, { post }]
}

const receiptSchema: JsonSchema = {
  type: 'object',
  properties: {
    stream: { type: 'string' },
    partition: { type: 'integer' },
    offset: { type: 'integer' },
    timestamp: { type: 'integer' },
  },
  required: ['stream', 'partition', 'offset', 'timestamp'],
}

const acceptedSchema: JsonSchema = {
  type: 'object',
  properties: {
    accepted: { const: true },
    id: { type: 'string' },
    events: { type: 'array', items: receiptSchema },
  },
  required: ['accepted', 'id', 'events'],
}

function rejectedSchema(reasons: readonly string[]): JsonSchema {
  return {
    type: 'object',
    properties: {
      accepted: { const: false },
      id: { type: 'string' },
      reason: { type: 'string', enum: reasons },
      details: { type: 'object' },
    },
    required: ['accepted', 'id', 'reason'],
  }
}

function content(schema: JsonSchema, type = 'application/json'): { content: object } {
  return { content: { [type]: { schema } } }
}

function keySchema({ keyType }: ViewReader): JsonSchema {
  if (keyType === 'string') return { type: 'string' }
  return { type: 'string', pattern: String.raw`^(0|-?[1-9]\d*)$` }
}

const time: JsonSchema = {
  type: 'string',
  description: 'RFC 3339 with its zone, or milliseconds since 1970',
}

const timeParameters = ['window', 'from', 'to'].map((name) => ({ name, in: 'query', schema: time }))

const listParameters = [
  { name: 'prefix', in: 'query', schema: { type: 'string' } },
  { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: listLimitMax } },
  { name: 'cursor', in: 'query', schema: { type: 'string' }, description: 'next of a page' },
  {
    name: 'partial',
    in: 'query',
    schema: { type: 'boolean' },
    description: 'rows of the partitions that can be had now are enough',
  },
]

const freshParameters = [
  {
    name: 'after',
    in: 'query',
    schema: { type: 'array', items: { type: 'string' } },
    description: '<stream>/<partition>/<offset> of events that the answer has to hold',
  },
  {
    name: 'waitMs',
    in: 'query',
    schema: { type: 'integer', minimum: 0, maximum: waitMsMax },
    description: 'how long to wait for that',
  },
  {
    name: 'maxLag',
    in: 'query',
    schema: { type: 'integer', minimum: 0 },
    description: 'how many records may lie before the view',
  },
]

const feedParameters = [
  { name: 'prefix', in: 'query', schema: { type: 'string' } },
  {
    name: 'Last-Event-ID',
    in: 'header',
    schema: { type: 'string' },
    description: 'the id of the event that was got last',
  },
]

function entryList(o: Described): JsonSchema {
  const numbers = { type: 'array', items: { type: 'integer' } }
  const partitions = {
    type: 'object',
    properties: { count: { type: 'integer' }, covered: numbers },
    required: ['count', 'covered'],
  }
  return list(o, { partitions })
}

function windowList(o: Described): JsonSchema {
  return list(o, {})
}

function list(
  { reader, value }: Described,
  more: Readonly<Record<string, JsonSchema>>,
): JsonSchema {
  const bounds = reader.windowMs === undefined ? {} : { start: time, end: time }
  const entry = {
    type: 'object',
    properties: { key: { type: 'string' }, ...bounds, value },
    required: ['key', ...Object.keys(bounds)],
  }
  return {
    type: 'object',
    properties: {
      entries: { type: 'array', items: entry },
      more: { type: 'boolean' },
      next: { type: ['string', 'null'] },
      ...more,
    },
    required: ['entries', 'more', 'next', ...Object.keys(more)],
  }
}
