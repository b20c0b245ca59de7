/** Asking over HTTP by Node's own `fetch`, apart from the server so that whoever only asks loads none. */
import { concatBytes } from '../base/bytes.ts'
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import type { HttpAnswer, HttpAsk, HttpFollow } from './ports.ts'

/**
 * Questions that one process has at one server at a time, each on a connection of its own: `fetch` opens as many
 * as there are, and a server that has too many of them (`connectionsMax`) closes those of everybody else as they
 * come.
 */
const askedAtOnceMax = 64

/** What one server is being asked. */
interface Line {
  inside: number
  readonly waiting: Set<() => void>
}

const lines = new Map<string, Line>()

export const nodeHttpAsk: HttpAsk = async (url, { headers, timeoutMs, bytesMax, body }) => {
  const signal = AbortSignal.timeout(timeoutMs)
  const origin = URL.parse(url)?.origin ?? url
  try {
    await enter(origin, signal)
  } catch {
    throw late(url, timeoutMs)
  }
  try {
    const how = body === undefined ? {} : { method: 'POST', body }
    const init = { headers: { ...headers }, ...how, signal }
    return await fetchWhole(url, init, bytesMax)
  } catch (cause) {
    if (signal.aborted) throw late(url, timeoutMs)
    throw isHeadwaterError(cause) ? cause : unanswered(url, cause)
  } finally {
    leave(origin)
  }
}

/** Not in the line of those that are answered at once: it would keep its place for good. */
export const nodeHttpFollow: HttpFollow = async (url, o) => {
  const { headers, timeoutMs, quietMsMax, signal } = o
  const quiet = new AbortController()
  const within = async <T>(ms: number, waited: Promise<T>, why: HeadwaterError): Promise<T> => {
    const timer = setTimeout(() => quiet.abort(why), ms)
    try {
      return await waited
    } finally {
      clearTimeout(timer)
    }
  }
  const init = { headers: { ...headers }, signal: AbortSignal.any([signal, quiet.signal]) }
  const response = await within(timeoutMs, fetch(url, init), late(url, timeoutMs)).catch(
    (cause: unknown) => {
      throw quiet.signal.aborted ? quiet.signal.reason : unanswered(url, cause)
    },
  )
  const { status, headers: said } = response
  return { status, type: said.get('content-type') ?? '', headers: said, body: chunks() }

  async function* chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined> {
    const reader = response.body?.getReader()
    if (reader === undefined) return
    try {
      for (;;) {
        const { value } = await within(quietMsMax, reader.read(), silent(url, quietMsMax))
        if (value === undefined) return
        yield value
      }
    } catch (cause) {
      throw quiet.signal.aborted ? quiet.signal.reason : brokenOff(url, cause)
    } finally {
      void reader.cancel().catch(() => undefined)
    }
  }
}

async function fetchWhole(url: string, init: RequestInit, bytesMax: number): Promise<HttpAnswer> {
  const response = await fetch(url, init)
  const body = await bodyOf(response, url, bytesMax)
  const { status, headers: said } = response
  return { status, type: said.get('content-type') ?? '', headers: said, body }
}

async function bodyOf(
  { body }: Response,
  url: string,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  // Who stops taking ends the connection.
  for await (const chunk of body ?? []) {
    size += chunk.length
    if (size > bytesMax) throw tooLong(url, bytesMax)
    chunks.push(chunk)
  }
  return concatBytes(chunks)
}

/** Resolves when it is one's turn; rejects when the time is up before. */
async function enter(origin: string, signal: AbortSignal): Promise<void> {
  const line = lines.get(origin) ?? { inside: 0, waiting: new Set() }
  lines.set(origin, line)
  if (line.inside < askedAtOnceMax) return void line.inside++
  // Who leaves hands over the place.
  await new Promise<void>((resolve, reject) => {
    const giveUp = (): void => {
      line.waiting.delete(go)
      reject(new Error('too late'))
    }
    const go = (): void => {
      signal.removeEventListener('abort', giveUp)
      resolve()
    }
    signal.addEventListener('abort', giveUp, { once: true })
    line.waiting.add(go)
  })
}

function leave(origin: string): void {
  const line = lines.get(origin)!
  const [next] = line.waiting
  if (next !== undefined) {
    line.waiting.delete(next)
    next()
  } else if (--line.inside === 0) lines.delete(origin)
}

function late(url: string, timeoutMs: number): HeadwaterError {
  return new HeadwaterError(
    'timeout',
    `${shorten(url)} has not answered within ${timeoutMs} ms: see what it is busy with, or wait longer`,
    { retriable: true },
  )
}

function silent(url: string, quietMsMax: number): HeadwaterError {
  return new HeadwaterError(
    'timeout',
    `nothing has come from ${shorten(url)} for ${quietMsMax} ms, no sign of life either: see whether the ` +
      'server is there, and what a proxy in between holds back',
    { retriable: true },
  )
}

function brokenOff(url: string, cause: unknown): HeadwaterError {
  return new HeadwaterError(
    'connection-lost',
    `the answer of ${shorten(url)} broke off: the server has gone, or the connection`,
    { retriable: true, cause },
  )
}

function tooLong(url: string, bytesMax: number): HeadwaterError {
  return new HeadwaterError(
    'query-failed',
    `${shorten(url)} answers with more than ${bytesMax} bytes, which no answer has: see who listens there`,
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
