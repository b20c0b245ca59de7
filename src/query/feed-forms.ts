/** The two forms that a feed is sent in: server-sent events for everybody, frames for the typed client. */
import type { FeedItem, RowChange } from '../streams/views/changes.ts'
import type { ViewReader } from '../streams/views/view-reader.ts'
import { jsonOrNull, losslessValue } from './encoding.ts'
import { frameOf, framesType } from './feed-frames.ts'
import { timeText } from './parameters.ts'
import type { Refusal } from './refusal.ts'

export interface FeedForm {
  readonly type: string
  item(item: FeedItem, reader: ViewReader): Uint8Array<ArrayBuffer>
  /** Says that the feed lives. */
  readonly alive: Uint8Array<ArrayBuffer>
  /** Why there is no more. */
  end(error: Refusal['error']): Uint8Array<ArrayBuffer>
}

export function feedFormFor(accept: string | undefined): FeedForm {
  return accept?.includes(framesType) ? frames : serverSentEvents
}

const encoder = new TextEncoder()

/** HTML Standard, 9.2: each with an id by which a client goes on, at any instance. */
const serverSentEvents: FeedForm = {
  type: 'text/event-stream; charset=utf-8',
  item: (item, reader) => {
    const data = item.type === 'change' ? jsonOfChange(item, reader) : dataOf(item)
    return eventOf(`id: ${item.id}\nevent: ${item.type}`, data)
  },
  alive: encoder.encode(':\n\n'),
  end: (error) => eventOf('event: end', { error }),
}

function eventOf(head: string, data: object): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${head}\ndata: ${JSON.stringify(data)}\n\n`)
}

function dataOf({ type: _type, id: _id, ...data }: Exclude<FeedItem, RowChange>): object {
  return data
}

function jsonOfChange(change: RowChange, { schema, windowMs }: ViewReader): object {
  const { key, windowStart, old, value, isOldKnown } = change
  const bounds =
    windowStart === undefined || windowMs === undefined
      ? {}
      : { start: timeText(windowStart), end: timeText(windowStart + windowMs) }
  const before = isOldKnown ? { old: jsonOrNull(schema, old) } : {}
  return { key: String(key), ...bounds, ...before, value: jsonOrNull(schema, value) }
}

const frames: FeedForm = {
  type: framesType,
  item: (item, { schema }) => {
    if (item.type !== 'change') return frameOf(item)
    const { old, value } = item
    return frameOf({
      ...item,
      old: losslessValue(schema, old),
      value: losslessValue(schema, value),
    })
  },
  alive: frameOf(undefined),
  end: (error) => frameOf({ type: 'end', error }),
}
