/** Answers and refusals as responses. */
import type { Context } from 'hono'
import { jsonType, printJson } from './encoding.ts'
import type { Encoding } from './encoding.ts'
import { retryAfterSeconds } from './refusal.ts'
import type { Refusal } from './refusal.ts'

/**
 * The headers of every answer. It is of now and in the encoding that was asked for, and proxies that are not told
 * so give it to others, and later.
 */
export function headersOf(type: string): Record<string, string> {
  return { 'cache-control': 'no-store', 'content-type': type }
}

export function send(
  context: Context,
  { type }: Encoding,
  body: string | Uint8Array<ArrayBuffer>,
): Response {
  return context.body(body, 200, headersOf(type))
}

export function sendJson(context: Context, value: unknown, status: 200 | 422 = 200): Response {
  return context.body(printJson(value), status, headersOf(jsonType))
}

/** @param allow the methods that a path takes, where that is what is refused */
export function refuse(
  context: Context,
  { error, status }: Refusal,
  allow = 'GET, HEAD',
): Response {
  const headers = headersOf(jsonType)
  const seconds = retryAfterSeconds[error.code]
  if (seconds !== undefined) headers['retry-after'] = String(seconds)
  if (status === 405) headers['allow'] = allow
  return context.body(printJson({ error }), status, headers)
}

/** A text from outside, as far as an error shows it. */
export function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}
