/** One question to a query server, and its answer or why there is none. */
import { utf8String } from '../../base/bytes.ts'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { HeadwaterErrorCode } from '../../base/errors.ts'
import type { HttpAnswer, HttpAsk } from '../../io/ports.ts'
import { askInTrace } from '../tracing/questions.ts'

/** The media type of values in the encoding that loses nothing: plain data of format `plain/1`. */
export const losslessType = 'application/vnd.headwater.plain-1'

/** How long a server may take to answer a client, unless said. */
export const askTimeoutMsDefault = 30_000

/**
 * Bytes of an answer's body that are taken: a list of 8 MiB ends with a whole row, a record has at most 100 MiB,
 * and in base64 that is a third more. Whoever says more is no query server.
 */
export const answerBytesMax = 160 * 1024 * 1024

export interface Answer {
  readonly bytes: Uint8Array
  /** Why the body is no value; the server's own code, and the error for callers. */
  readonly failure: { readonly code: string; readonly error: HeadwaterError } | undefined
}

export interface AskOptions {
  /** The media type that is wanted; of another one is no answer. */
  readonly accept: string
  readonly timeoutMs: number
}

/**
 * Asks for `url`. Rejects with `connection-failed` when nobody answers, with `timeout`, and with `query-failed` when
 * there is more than `answerBytesMax`.
 * @param http who carries the question
 */
export async function ask(
  http: HttpAsk,
  url: string,
  { accept, timeoutMs }: AskOptions,
): Promise<Answer> {
  const options = { headers: { accept }, timeoutMs, bytesMax: answerBytesMax }
  const answer = await askInTrace(http)(url, options).catch((error: unknown) => {
    throw isHeadwaterError(error, 'connection-failed') ? noServer(url, error) : error
  })
  return readAnswer(answer, { url, accept })
}

/** What an answer says. */
export function readAnswer(
  { status, type, body }: HttpAnswer,
  { url, accept }: { readonly url: string; readonly accept: string },
): Answer {
  if (status === 200 && mediaTypeOf(type) === accept) return { bytes: body, failure: undefined }
  const { code, message } = status === 200 ? ofAnotherKind(type, accept) : readError(body)
  const error = new HeadwaterError(
    ownCodes.get(code) ?? forGood.get(code) ?? 'query-failed',
    `${shorten(url)} answered ${status}: ${message}`,
    // A service that has ended does not come back by itself; what a proxy has lost sight of may.
    { retriable: ownCodes.has(code) || (code === unknownCode && proxyStatuses.has(status)) },
  )
  return { bytes: body, failure: { code, error } }
}

/** What passes by itself, or elsewhere, and is called the same in the process of the service. */
const ownCodes: ReadonlyMap<string, HeadwaterErrorCode> = new Map([
  ['not-ready', 'not-ready'],
  ['partition-elsewhere', 'partition-elsewhere'],
])

/** What is the caller's fault, also where the question had to be written longer to be passed on. */
const forGood: ReadonlyMap<string, HeadwaterErrorCode> = new Map([
  ['url-too-long', 'input-invalid'],
])

/** Of what no query server has said. */
const unknownCode = 'unknown'

/** By which proxies say that they reach no server behind them, or too late. */
const proxyStatuses: ReadonlySet<number> = new Set([502, 503, 504])

function mediaTypeOf(type: string): string {
  return type.split(';', 1)[0]!.trim().toLowerCase()
}

function ofAnotherKind(type: string, accept: string): { code: string; message: string } {
  return {
    code: unknownCode,
    message:
      `it sent '${type.slice(0, 80)}' and not ${accept}, so no query server of this version has answered: ` +
      'correct the URL, or see what a proxy in between makes of it',
  }
}

function noServer(url: string, cause: HeadwaterError): HeadwaterError {
  return new HeadwaterError(
    'connection-failed',
    `no query server answers at ${shorten(url)}: start one with \`headwater start\` or ` +
      '`headwater run`, or correct the URL',
    { retriable: true, cause },
  )
}

function shorten(url: string): string {
  return url.length > 200 ? `${url.slice(0, 200)}…` : url
}

function readError(body: Uint8Array): { code: string; message: string } {
  const text = utf8String(body)
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string } }
    return { code: String(error.code), message: String(error.message) }
  } catch {
    return { code: unknownCode, message: text.slice(0, 200) }
  }
}
