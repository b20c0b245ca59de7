/** One question to a query server, and its answer or why there is none. */
import { utf8String } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import type { HeadwaterErrorCode } from '../base/errors.ts'

export interface Answer {
  readonly bytes: Uint8Array
  /** Why the body is no value; the server's own code, and the error for callers. */
  readonly failure: { readonly code: string; readonly error: HeadwaterError } | undefined
}

/** Asks for `url` in the media type `accept`. Rejects with `connection-failed` when nobody answers. */
export async function ask(url: string, accept: string): Promise<Answer> {
  const response = await request(url, accept)
  const bytes = new Uint8Array(await response.arrayBuffer())
  if (response.ok) return { bytes, failure: undefined }
  const { code, message } = readError(utf8String(bytes))
  const error = new HeadwaterError(
    ownCodes.get(code) ?? 'query-failed',
    `${shorten(url)} answered ${response.status}: ${message}`,
    // A service that has ended does not come back by itself.
    { retriable: ownCodes.has(code) },
  )
  return { bytes, failure: { code, error } }
}

/** What passes by itself, or elsewhere, and is called the same in the process of the service. */
const ownCodes: ReadonlyMap<string, HeadwaterErrorCode> = new Map([
  ['not-ready', 'not-ready'],
  ['partition-elsewhere', 'partition-elsewhere'],
])

async function request(url: string, accept: string): Promise<Response> {
  try {
    return await fetch(url, { headers: { accept } })
  } catch (cause) {
    throw new HeadwaterError(
      'connection-failed',
      `no query server answers at ${shorten(url)}: start one with \`headwater start\` or ` +
        '`headwater run`, or correct the URL',
      { retriable: true, cause },
    )
  }
}

function shorten(url: string): string {
  return url.length > 200 ? `${url.slice(0, 200)}…` : url
}

function readError(body: string): { code: string; message: string } {
  try {
    const { error } = JSON.parse(body) as { error: { code: string; message: string } }
    return { code: String(error.code), message: String(error.message) }
  } catch {
    return { code: 'unknown', message: body.slice(0, 200) }
  }
}
