/**
 * Commands over HTTP: `POST /v1/<service>/<commands>` with the message as JSON or as Protocol Buffers.
 *
 * The header `Idempotency-Key` is the command's id, and goes back with every answer. Accepted is 200, rejected 422;
 * 504 says that nobody knows, and that asking again with the same key is safe.
 */
import type { Context } from 'hono'
import { exactUtf8String } from '../base/bytes.ts'
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import type { Duration } from '../base/units.ts'
import type { AnyCommand } from '../events/event.ts'
import { messageFromJson } from '../schema/json.ts'
import { parseIdempotencyKey } from './idempotency-key.ts'
import { CommandInDoubt } from '../streams/commands/answer.ts'
import { askTimeoutMs } from '../streams/commands/settings.ts'
import type { AskOptions } from '../streams/commands/settings.ts'
import { refusal } from './refusal.ts'
import type { Refusal, RefusalCode } from './refusal.ts'
import { refuse, sendJson, shorten } from './reply.ts'
import { readQuery } from './target.ts'
import type { Decides, QueryService } from './view.ts'
import { headersOnBehalf } from '../streams/tracing/questions.ts'

/** Bytes that the body of a command may have: a message of 1 MiB fits, however it is written. */
export const bodyBytesMax = 4 * 1024 * 1024

/** How long an outcome may be waited for: a connection on which nothing moves for a minute is closed. */
const httpWaitMsMax = 50_000

/** Milliseconds. Throws `config-invalid`. */
export function httpWaitMs(options: AskOptions): number {
  const ms = askTimeoutMs(options)
  if (ms <= httpWaitMsMax) return ms
  throw new HeadwaterError(
    'config-invalid',
    `timeout is ${ms} ms, and over HTTP at most ${httpWaitMsMax} ms are waited: ask again under the same id then`,
    { outcome: 'not-written' },
  )
}

export const protobufType = 'application/x-protobuf'
const idHeader = 'Idempotency-Key'

/** The commands of a service under a name; undefined when it decides none of that name. */
export function findCommands(
  service: QueryService,
  name: string,
): { readonly commands: AnyCommand; readonly decides: Decides } | undefined {
  const { decides } = service
  if (decides === undefined || !Object.hasOwn(decides.commands, name)) return undefined
  return { commands: decides.commands[name]!, decides }
}

/** Why there is no such command. */
export function noCommands({ name, decides }: QueryService, stream: string): Refusal {
  const names = Object.keys(decides?.commands ?? {}).join(', ') || 'none'
  return refusal(
    'not-found',
    `service '${name}' decides no commands '${shorten(stream)}': those that it decides are ${names}`,
  )
}

/** Asks, and answers with what came of it. */
export async function askCommand(
  context: Context,
  { commands, decides }: { readonly commands: AnyCommand; readonly decides: Decides },
): Promise<Response> {
  const query = readQuery(context.req.url, ['timeout'])
  if ('error' in query) return refuse(context, query)
  const given = context.req.header(idHeader)
  const id = given === undefined ? undefined : parseIdempotencyKey(given)
  if (given !== undefined && id === undefined) return refuse(context, notAKey(given))
  if (id !== undefined) context.header(idHeader, given)
  const timeout = query.get('timeout') as Duration | undefined
  try {
    const waitMs = httpWaitMs({ ...(timeout !== undefined && { timeout }) })
    const message = await messageOf(context, commands)
    const answer = await decides.ask(commands, message, {
      ...(id !== undefined && { id }),
      timeout: `${waitMs}ms`,
      // A client that has gone holds no place of those who wait.
      signal: context.req.raw.signal,
      headers: headersOnBehalf((name) => context.req.header(name)),
    })
    context.header(idHeader, given ?? answer.id)
    return sendJson(context, answer, answer.accepted ? 200 : 422)
  } catch (error) {
    // Made up or not, it is what to ask again under.
    if (error instanceof CommandInDoubt) context.header(idHeader, given ?? error.id)
    return refuse(context, refusalOfAsk(error))
  }
}

function notAKey(given: string): Refusal {
  return refusal(
    'bad-request',
    `${idHeader} is ${JSON.stringify(shorten(given))}: give printable ASCII, bare or in quotes`,
  )
}

async function messageOf({ req }: Context, commands: AnyCommand): Promise<unknown> {
  const type = (req.header('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (type === protobufType) return commands.codec.decode(new Uint8Array(await req.arrayBuffer()))
  if (type !== 'application/json') throw new MediaTypeError(type)
  const json = parsed(new Uint8Array(await req.arrayBuffer()))
  const { schema, by = '' } = commands
  const key = schema.fields.find(({ localName }) => localName === by)!
  if (typeof json !== 'object' || json === null || !saysAny(json, [key.jsonName, key.name])) {
    throw wrongInput(`it names nothing that it is about: give '${key.jsonName}', which is its key`)
  }
  try {
    return messageFromJson(schema, json)
  } catch (cause) {
    throw wrongInput(`it is no ${schema.typeName}: ${cause instanceof Error ? cause.message : ''}`)
  }
}

/** Null is how the JSON mapping leaves a field out. */
function saysAny(json: object, names: readonly string[]): boolean {
  return Object.entries(json).some(([name, value]) => names.includes(name) && value !== null)
}

function parsed(bytes: Uint8Array): unknown {
  // With its faults replaced, it would be about another thing than it says.
  const text = exactUtf8String(bytes)?.replace(/^\uFEFF/, '')
  if (text === undefined) throw wrongInput('its body is not UTF-8')
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw wrongInput(`its body is no JSON: ${cause instanceof Error ? cause.message : ''}`)
  }
}

function wrongInput(why: string): HeadwaterError {
  return new HeadwaterError('input-invalid', `the command cannot be read: ${why}`)
}

class MediaTypeError extends Error {
  constructor(type: string) {
    super(`a body is 'application/json' or '${protobufType}', and this one is '${shorten(type)}'`)
  }
}

const codeOf: Readonly<Record<string, RefusalCode>> = {
  'buffer-full': 'busy',
  'config-invalid': 'bad-request',
  'input-invalid': 'bad-request',
  // The service makes the topics of its commands when it starts for the first time.
  'not-found': 'not-ready',
  'operator-failed': 'not-decided',
  'producer-closed': 'service-ended',
  'record-invalid': 'bad-request',
  'state-mismatch': 'not-decided',
}

function refusalOfAsk(error: unknown): Refusal {
  if (error instanceof MediaTypeError) return refusal('unsupported-media-type', error.message)
  if (!isHeadwaterError(error)) throw error
  if (error.outcome === 'unknown') return refusal('in-doubt', error.message)
  return refusal(codeOf[error.code] ?? 'broker-away', error.message)
}
