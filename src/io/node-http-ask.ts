/** Asking over HTTP by Node's own `fetch`, apart from the server so that whoever only asks loads none. */
import { HeadwaterError } from '../base/errors.ts'
import type { HttpAsk } from './ports.ts'

export const nodeHttpAsk: HttpAsk = async (url, { headers, timeoutMs }) => {
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, { headers: { ...headers }, signal })
    const body = new Uint8Array(await response.arrayBuffer())
    return { status: response.status, type: response.headers.get('content-type') ?? '', body }
  } catch (cause) {
    throw signal.aborted ? late(url, timeoutMs) : unanswered(url, cause)
  }
}

function late(url: string, timeoutMs: number): HeadwaterError {
  return new HeadwaterError(
    'timeout',
    `${shorten(url)} has not answered within ${timeoutMs} ms: see what it is busy with, or wait longer`,
    { retriable: true },
  )
}

function unanswered(url: string, cause: unknown): HeadwaterError {
  return new HeadwaterError(
    'connection-failed',
    `nobody answers at ${shorten(url)}: start the server, or correct the URL`,
    { retriable: true, cause },
  )
}

function shorten(url: string): string {
  return url.length > 200 ? `${url.slice(0, 200)}…` : url
}
