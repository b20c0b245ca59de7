/** Asks for decisions over HTTP, as `asker` does by a broker: the client of `POST /v1/<service>/<commands>`. */
import { Writer, utf8String } from '../base/bytes.ts'
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import type { AnyCommand } from '../events/event.ts'
import { nodeRandom } from '../io/node-clock.ts'
import { nodeHttpAsk } from '../io/node-http-ask.ts'
import type { HttpAnswer } from '../io/ports.ts'
import { completeCheckOf } from '../schema/complete.ts'
import { answerBytesMax } from '../streams/asking/ask.ts'
import { CommandInDoubt, calledOff } from '../streams/commands/answer.ts'
import type { CommandAnswer } from '../streams/commands/answer.ts'
import { checkCommandId } from '../streams/commands/settings.ts'
import type { AskOptions } from '../streams/commands/settings.ts'
import { newIncarnation } from '../streams/runtime/instance.ts'
import type { Asks } from '../streams/runtime/asker.ts'
import { httpWaitMs, protobufType } from './commands.ts'
import { printIdempotencyKey } from './idempotency-key.ts'
import { isRefusalCode } from './refusal.ts'
import { askInTrace } from '../streams/tracing/questions.ts'

/** What the server's own time is given beyond the caller's, so that it is the server that says who knows what. */
const graceMs = 2_000

/**
 * Asks the service whose queries are at `url`, which ends in `/v1/<service>`. Rejects as `asker` does: with a
 * `CommandInDoubt` also when no answer came back; with `query-failed` when the server refuses or is none. Headers
 * are not sent along, but for those of a trace.
 */
export function remoteAsker(url: string): Asks {
  const base = url.replace(/\/+$/, '')
  return {
    ask: <C extends AnyCommand>(commands: C, message: unknown, options: AskOptions = {}) =>
      ask(base, commands, message, options),
  }
}

async function ask(
  base: string,
  commands: AnyCommand,
  message: unknown,
  options: AskOptions,
): Promise<CommandAnswer> {
  const timeoutMs = httpWaitMs(options)
  const { id = newIncarnation(nodeRandom), signal } = options
  checkCommandId(id)
  const key = printIdempotencyKey(id)
  if (key === undefined) throw notOverHttp(id)
  const body = bodyOf(commands, message)
  if (signal?.aborted === true) throw calledOff(commands.name)
  const url = `${base}/${encodeURIComponent(commands.name)}?timeout=${timeoutMs}ms`
  const answer = await unlessCalledOff(id, commands, signal, () =>
    askInTrace(nodeHttpAsk)(url, {
      headers: { 'content-type': protobufType, 'idempotency-key': key },
      timeoutMs: timeoutMs + graceMs,
      bytesMax: answerBytesMax,
      body,
    }),
  ).catch((error: unknown) => {
    throw isHeadwaterError(error) && !(error instanceof CommandInDoubt)
      ? new CommandInDoubt(id, commands.name, error.message, error)
      : error
  })
  const said = jsonOf(answer)
  if ((answer.status === 200 || answer.status === 422) && 'accepted' in said) {
    const told = said as unknown as CommandAnswer
    return told.accepted ? told : { ...told, details: told.details ?? undefined }
  }
  const { code = 'unknown', message: why = '' } = said.error ?? {}
  if (!isNotWritten(code)) {
    throw new CommandInDoubt(id, commands.name, `${url} answered ${answer.status}: ${why}`)
  }
  throw new HeadwaterError('query-failed', `${url} answered ${answer.status}: ${why}`, {
    outcome: 'not-written',
    retriable: code === 'not-ready' || code === 'broker-away' || code === 'busy',
  })
}

/** The request itself goes on for as long as it may. */
async function unlessCalledOff<T>(
  id: string,
  { name }: AnyCommand,
  signal: AbortSignal | undefined,
  ask: () => Promise<T>,
): Promise<T> {
  if (signal === undefined) return ask()
  const off = Promise.withResolvers<never>()
  const onAbort = (): void => off.reject(new CommandInDoubt(id, name, 'it was called off'))
  signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([off.promise, ask()])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/**
 * Whether a refusal says that the command has not been written. Others do not know: of those that are none of the
 * server's, a proxy's own may come after the command has gone through it.
 */
function isNotWritten(code: string): boolean {
  return code !== 'in-doubt' && code !== 'query-failed' && isRefusalCode(code)
}

function notOverHttp(id: string): HeadwaterError {
  return new HeadwaterError(
    'input-invalid',
    `the id ${JSON.stringify(id.slice(0, 40))} cannot be sent over HTTP: give printable ASCII`,
    { outcome: 'not-written' },
  )
}

function bodyOf(commands: AnyCommand, message: unknown): Uint8Array<ArrayBuffer> {
  const wrong = completeCheckOf(commands.schema)(message)
  if (wrong !== undefined) {
    throw new HeadwaterError(
      'record-invalid',
      `a command of stream '${commands.name}' cannot be sent: ${wrong}`,
      { outcome: 'not-written' },
    )
  }
  const writer = new Writer()
  commands.codec.encode(message as Record<string, unknown>, writer)
  return writer.finish().slice()
}

interface Body {
  readonly error?: { readonly code?: string; readonly message?: string }
}

/** Nothing known where it is no JSON: a proxy may have answered. */
function jsonOf({ body }: HttpAnswer): Body {
  try {
    const json: unknown = JSON.parse(utf8String(body))
    return typeof json === 'object' && json !== null ? json : {}
  } catch {
    return {}
  }
}
