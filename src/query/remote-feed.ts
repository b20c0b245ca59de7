/**
 * A feed of changes that is read over HTTP, and opened anew when it is broken off.
 *
 * The place behind the last item that its reader has taken is all that it keeps, and is good at any instance; so
 * nothing is lost, and what was taken is not told twice. Whoever is refused for what was asked is not asked again.
 */
import { concatBytes } from '../base/bytes.ts'
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import type { Clock, HttpFollow, HttpStream, Random } from '../io/ports.ts'
import { readAnswer } from '../streams/asking/ask.ts'
import { keyText, queryText } from '../streams/asking/remote-view.ts'
import type { Key } from '../streams/stores/serde.ts'
import { notHere } from '../streams/views/changes.ts'
import type { ChangesOptions, RemoteChange } from '../streams/views/views.ts'
import { framesIn, framesType } from './feed-frames.ts'
import type { FeedEnd, Framed } from './feed-frames.ts'

/** How long nothing may come of a feed, which gives a sign of life every ten seconds. */
const quietMsMax = 35_000
/** Pauses before it is opened anew: the first, and the longest. */
const firstPauseMs = 200
const lastPauseMs = 10_000
/** A feed that was open for so long had nothing to do with what broke off the one before. */
const steadyMs = 10_000
/** Of a refusal. */
const refusalBytesMax = 64 * 1024

export interface RemoteFeed {
  readonly url: string
  /** Milliseconds in which it is to be answered. */
  readonly timeoutMs: number
  readonly follow: HttpFollow
  readonly clock: Clock
  readonly random: Random
}

type Change = RemoteChange<Key, unknown>

export function remoteChanges(
  feed: RemoteFeed,
  wish: ChangesOptions<Key> = {},
): AsyncIterableIterator<Change> {
  const left = new AbortController()
  const signals = wish.signal === undefined ? [left.signal] : [left.signal, wish.signal]
  const changes = follow(feed, wish, AbortSignal.any(signals))
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    next: () => changes.next(),
    // The return of a generator waits for the next that waits.
    return: () => {
      left.abort()
      return changes.return(undefined)
    },
  }
}

async function* follow(
  feed: RemoteFeed,
  wish: ChangesOptions<Key>,
  signal: AbortSignal,
): AsyncGenerator<Change, undefined> {
  const { clock, random } = feed
  const query = queryOf(wish)
  let { from } = wish
  // Before it has begun, whatever is wrong is for whoever opens it.
  let hasBegun = false
  let isTold = false
  for (let failures = 0; !signal.aborted;) {
    const openedAt = clock.monotonic()
    try {
      for await (const item of read(feed, { query, from, signal })) {
        hasBegun = true
        isTold = false
        from = item.id
        yield item
      }
    } catch (why) {
      if (signal.aborted) return
      if (!hasBegun || !(isHeadwaterError(why) && why.retriable)) throw why
      // However long it takes to open it anew.
      if (!isTold) yield { type: 'reconnecting', id: from!, why }
      isTold = true
    }
    if (clock.monotonic() - openedAt >= steadyMs) failures = 0
    await pause(clock, pauseMs(++failures, random), signal)
  }
}

interface Opening {
  readonly query: string
  readonly from: string | undefined
  readonly signal: AbortSignal
}

/** Throws what breaks it off, `retriable` where it may be opened anew; it has no other end. */
async function* read(
  { url, timeoutMs, follow: open }: RemoteFeed,
  { query, from, signal }: Opening,
): AsyncGenerator<Exclude<Change, { type: 'reconnecting' }>, undefined> {
  const headers = { accept: framesType, ...(from !== undefined && { 'last-event-id': from }) }
  const asked = query === '' ? url : `${url}?${query}`
  const answer = await open(asked, { headers, timeoutMs, quietMsMax, signal })
  if (answer.status !== 200 || answer.type !== framesType) throw await refusalIn(answer, asked)
  for await (const framed of framesIn(answer.body)) {
    if (framed === undefined) continue
    if (framed.type === 'end')
      throw failure(framed.error.code, `${url} ended: ${framed.error.message}`)
    yield changeOf(framed)
  }
  throw new HeadwaterError('connection-lost', `${url} ended without saying why`, {
    retriable: true,
  })
}

function changeOf(item: Exclude<Framed, FeedEnd>): Exclude<Change, { type: 'reconnecting' }> {
  if (item.type !== 'change') return item
  const { windowStart: start, ...rest } = item
  return { ...rest, ...(start !== undefined && { start: new Date(start) }) }
}

/** What an answer says that is no feed. */
async function refusalIn(answer: HttpStream, url: string): Promise<HeadwaterError> {
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  for await (const chunk of answer.body) {
    chunks.push(chunk)
    size += chunk.length
    if (size > refusalBytesMax) break
  }
  const said = { ...answer, body: concatBytes(chunks) }
  const { code, error } = readAnswer(said, { url, accept: framesType }).failure!
  return failure(code, error.message, mayPass(answer.status))
}

/** Whether another instance may answer, or the same one later; also in place of a service that has ended. */
function mayPass(status: number): boolean {
  return status >= 500 || status === 408 || status === 429
}

function failure(code: string, message: string, retriable = true): HeadwaterError {
  if (code === 'bad-request') return new HeadwaterError('input-invalid', message)
  return new HeadwaterError(code === 'not-ready' ? code : 'query-failed', message, { retriable })
}

/** Throws `input-invalid` for a key that is none, and for a place that no header can hold. */
function queryOf({ key, prefix, from }: ChangesOptions<Key>): string {
  if (from !== undefined && !/^[\w.]*$/.test(from)) {
    throw notHere(`'${from.slice(0, 40)}' is no place in changes`)
  }
  return queryText({
    ...(key !== undefined && { key: keyText(key) }),
    ...(prefix !== undefined && { prefix: keyText(prefix) }),
  })
}

/** Half of it fixed and half random, so that readers of a server that comes back do so one by one. */
function pauseMs(failures: number, random: Random): number {
  const full = Math.min(lastPauseMs, firstPauseMs * 2 ** Math.min(failures - 1, 16))
  return full / 2 + (full / 2) * (random.bytes(1)[0]! / 255)
}

/** Resolves also when `signal` says so. */
function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = clock.after(delayMs, end)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}
