/** Changes of a view as a body that goes on, at the pace of its client (`paced.ts`). */
import { nodeClock } from '../io/node-clock.ts'
import type { Feed, ViewReader } from '../streams/views/view-reader.ts'
import { feedFormFor } from './feed-forms.ts'
import type { FeedForm } from './feed-forms.ts'
import { pacedBody } from './paced.ts'
import { parseKey } from './parameters.ts'
import type { Question } from './question.ts'
import { refusal, refusalOf } from './refusal.ts'
import { headersOf, refuse } from './reply.ts'
import type { Query } from './target.ts'

export const feedNames = ['key', 'prefix']

/** How long a client hears nothing before it is told that the feed lives. */
const quietMs = 10_000

export function changes(question: Question, query: Query): Response {
  const { context, reader } = question
  const text = query.get('key')
  const prefix = query.get('prefix')
  if (text !== undefined && prefix !== undefined) {
    return refuse(context, refusal('bad-request', 'give key or prefix, not both'))
  }
  const key = text === undefined ? undefined : parseKey(text, reader.keyType)
  if (typeof key === 'object') return refuse(context, key)
  const from = context.req.header('last-event-id')
  const left = new AbortController()
  const feed = reader.changes({
    signal: left.signal,
    ...(key !== undefined && { key }),
    ...(prefix !== undefined && { prefix }),
    ...(from !== undefined && { from }),
  })
  const form = feedFormFor(context.req.header('accept'))
  const headers = { ...headersOf(form.type), 'x-accel-buffering': 'no' }
  const end = async (): Promise<void> => {
    left.abort()
    await feed.return(undefined)
  }
  const next = () => nextOf({ feed, reader, form })
  return new Response(pacedBody({ next, end }, nodeClock), { status: 200, headers })
}

interface Sent {
  readonly feed: Feed
  readonly reader: ViewReader
  readonly form: FeedForm
}

interface Next {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly isLast: boolean
}

/** What comes next: an item, a sign of life, or why there is no more. */
async function nextOf({ feed, reader, form }: Sent): Promise<Next> {
  const started = nodeClock.monotonic()
  try {
    while (nodeClock.monotonic() - started < quietMs) {
      const { value, done } = await feed.next()
      if (done === true) break
      if (value !== undefined) return { bytes: form.item(value, reader), isLast: false }
    }
    return { bytes: form.alive, isLast: false }
  } catch (error) {
    return { bytes: form.end(refusalOf(error).error), isLast: true }
  }
}
