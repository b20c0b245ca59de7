/** Asking over HTTP by Node's own `fetch`, apart from the server so that whoever only asks loads none. */
import { HeadwaterError } from '../base/errors.ts'
import type { HttpAnswer, HttpAsk } from './ports.ts'

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

export const nodeHttpAsk: HttpAsk = async (url, { headers, timeoutMs, body }) => {
  const signal = AbortSignal.timeout(timeoutMs)
  const origin = URL.parse(url)?.origin ?? url
  try {
    await enter(origin, signal)
  } catch {
    throw late(url, timeoutMs)
  }
  try {
    const how = body === undefined ? {} : { method: 'POST', body }
    return await fetchWhole(url, { headers: { ...headers }, ...how, signal })
  } catch (cause) {
    throw signal.aborted ? late(url, timeoutMs) : unanswered(url, cause)
  } finally {
    leave(origin)
  }
}

async function fetchWhole(url: string, init: RequestInit): Promise<HttpAnswer> {
  const response = await fetch(url, init)
  const body = new Uint8Array(await response.arrayBuffer())
  const { status, headers: said } = response
  return { status, type: said.get('content-type') ?? '', headers: said, body }
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
