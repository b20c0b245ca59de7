/**
 * Changes of a view as server-sent events (HTML Standard, 9.2): each with an id by which a client goes on, at any
 * instance. Nothing is taken from the feed before the client has taken what was sent: one that never reads costs
 * what is on its way, and its connection is closed after `stallMsMax`.
 */
import type { FeedItem, RowChange } from '../streams/views/changes.ts'
import type { Feed, ViewReader } from '../streams/views/view-reader.ts'
import { jsonOrNull } from './encoding.ts'
import { parseKey, timeText } from './parameters.ts'
import type { Question } from './question.ts'
import { refusal, refusalOf } from './refusal.ts'
import { headersOf, refuse } from './reply.ts'
import type { Query } from './target.ts'

export const feedNames = ['key', 'prefix']

/** Times that a feed says that nothing has come, each half a second, before the client is told that it lives. */
const quietTimes = 20

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
  const headers = { ...headersOf('text/event-stream; charset=utf-8'), 'x-accel-buffering': 'no' }
  return new Response(streamOf(feed, reader, left), { status: 200, headers })
}

/** @param left ends the feed at once, also while nothing comes */
function streamOf(
  feed: Feed,
  reader: ViewReader,
  left: AbortController,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder()
  return new ReadableStream(
    {
      pull: async (controller) => {
        const text = await nextText(feed, reader)
        controller.enqueue(encoder.encode(text.written))
        if (text.isLast) controller.close()
      },
      cancel: async () => {
        left.abort()
        await feed.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
}

interface EventText {
  readonly written: string
  readonly isLast: boolean
}

/** What comes next: an event, a sign of life, or why there is no more. */
async function nextText(feed: Feed, reader: ViewReader): Promise<EventText> {
  try {
    for (let quiet = 0; quiet < quietTimes; quiet++) {
      const { value } = await feed.next()
      if (value !== undefined) return { written: eventOf(value as FeedItem, reader), isLast: false }
    }
    return { written: ':\n\n', isLast: false }
  } catch (error) {
    const { error: said } = refusalOf(error)
    return { written: `event: end\ndata: ${JSON.stringify({ error: said })}\n\n`, isLast: true }
  }
}

function eventOf(item: FeedItem, reader: ViewReader): string {
  const data = item.type === 'change' ? changeOf(item, reader) : dataOf(item)
  return `id: ${item.id}\nevent: ${item.type}\ndata: ${JSON.stringify(data)}\n\n`
}

function dataOf({ type: _type, id: _id, ...data }: Exclude<FeedItem, RowChange>): object {
  return data
}

function changeOf(change: RowChange, { schema, windowMs }: ViewReader): object {
  const { key, windowStart, old, value, isOldKnown } = change
  const bounds =
    windowStart === undefined || windowMs === undefined
      ? {}
      : { start: timeText(windowStart), end: timeText(windowStart + windowMs) }
  const before = isOldKnown ? { old: jsonOrNull(schema, old) } : {}
  return { key: String(key), ...bounds, ...before, value: jsonOrNull(schema, value) }
}
