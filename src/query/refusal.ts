/** What the query server says when it does not answer: `{ "error": { "code", "message" } }`, and a status. */
import { isHeadwaterError } from '../base/errors.ts'
import type { HeadwaterErrorCode } from '../base/errors.ts'

/** A refusal as it is answered. */
export interface Refusal {
  readonly error: { readonly code: RefusalCode; readonly message: string }
  readonly status: (typeof statusOf)[RefusalCode]
}

export type RefusalCode = keyof typeof statusOf

const statusOf = {
  'bad-request': 400,
  /** No such path, service or view. */
  'not-found': 404,
  /** The view is there; the key holds nothing. */
  'no-value': 404,
  'method-not-allowed': 405,
  /** A command larger than `bodyBytesMax`. */
  'body-too-large': 413,
  'url-too-long': 414,
  /** Another instance would have to answer (RFC 9110, 15.5.20); asking this one again is no use. */
  'partition-elsewhere': 421,
  'unsupported-media-type': 415,
  'query-failed': 500,
  /** A command whose decision failed; it changed nothing. */
  'not-decided': 500,
  /** A command was not sent. */
  'broker-away': 503,
  /** As many commands are asked as may be at once. */
  busy: 503,
  'not-ready': 503,
  /** The service has failed or was closed. */
  'service-ended': 503,
  /** What came of a command is not known; it may have been decided, or may still be. */
  'in-doubt': 504,
} as const

export function isRefusalCode(code: string): code is RefusalCode {
  return Object.hasOwn(statusOf, code)
}

/** Seconds after which a client may ask again, by what it was refused for. */
export const retryAfterSeconds: Partial<Record<RefusalCode, number>> = {
  'not-ready': 1,
  'broker-away': 1,
  busy: 1,
}

export function refusal(code: RefusalCode, message: string): Refusal {
  return { error: { code, message }, status: statusOf[code] }
}

/** The statuses of these codes, each with those that it stands for. */
export function statusesOf(
  codes: readonly RefusalCode[],
): { readonly status: number; readonly codes: readonly RefusalCode[] }[] {
  const statuses = [...new Set(codes.map((code) => statusOf[code]))]
  return statuses.map((status) => {
    return { status, codes: codes.filter((code) => statusOf[code] === status) }
  })
}

/** What reading a view threw, as it is answered. */
export function refusalOf(error: unknown): Refusal {
  const message = error instanceof Error ? error.message : String(error)
  const code = isHeadwaterError(error) ? codeOf[error.code] : undefined
  return refusal(code ?? 'query-failed', message)
}

const codeOf: Partial<Record<HeadwaterErrorCode, RefusalCode>> = {
  'input-invalid': 'bad-request',
  'not-ready': 'not-ready',
  'partition-elsewhere': 'partition-elsewhere',
  // It was closed while somebody waited for it.
  'service-closed': 'service-ended',
}
