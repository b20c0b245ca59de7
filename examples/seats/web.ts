/**
 * The web application: what a browser asks for becomes a command, its decision is the answer, and what follows
 * from it is read by who asked for it. It keeps nothing, so it does not matter at which instance a request arrives.
 */
import { readFileSync } from 'node:fs'
import { Hono } from 'hono'
import type { Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { secureHeaders } from 'hono/secure-headers'
import { CommandInDoubt, isHeadwaterError } from '../../src/index.ts'
import type { CommandAnswer, EventInit, EventPlace, RunningServices } from '../../src/index.ts'
import type { booking } from './booking.ts'
import { flights, letters, rows, seats } from './cabin.ts'
import { SeatCommands } from './contracts.ts'
import { Live } from './live.ts'
import type { LiveOptions, Reader } from './live.ts'
import type { SeatMap, seating } from './seating.ts'

export type SeatsApp = RunningServices<readonly [typeof booking, typeof seating]>

/** Characters of a passenger's name. */
export const nameCharsMax = 60
/** Bytes of a body. */
export const bodyBytesMax = 4_096
/** How long a decision is waited for before the browser is told to ask again. */
const decisionTimeout = '3s'
/** How often a page hears that it is still connected. */
const signOfLifeMs = 10_000

const small = bodyLimit({
  maxSize: bodyBytesMax,
  onError: (c) => c.json({ error: `send no more than ${bodyBytesMax} bytes` }, 413),
})
/** All that a browser is given, which loads nothing from anywhere else. */
const pages = [
  { path: '/', file: 'page.html', type: 'text/html' },
  { path: '/page.css', file: 'page.css', type: 'text/css' },
  { path: '/page.js', file: 'page.js', type: 'text/javascript' },
]
const contentSecurityPolicy = { defaultSrc: ["'self'"], imgSrc: ['data:'] }

export interface WebApplication extends Disposable {
  readonly fetch: Hono['fetch']
}

/** @param onBroken told why pages are not kept up to date any more; they are again as soon as that works */
export function webApplication(app: SeatsApp, onBroken: LiveOptions['onBroken']): WebApplication {
  const { seating } = app.query
  const changes: LiveOptions['changes'] = (from) =>
    seating.seatMaps.changes(from === undefined ? {} : { from })
  const live = new Live({ changes, onBroken })
  const routes = new Hono()
  routes.use(secureHeaders({ contentSecurityPolicy }))
  for (const { path, file, type } of pages) {
    const text = readFileSync(new URL(file, import.meta.url), 'utf8')
    routes.get(path, (c) => c.body(text, 200, { 'content-type': `${type}; charset=utf-8` }))
  }

  routes.get('/flights', async (c) => {
    const left = new Map<string, number>()
    for await (const [flight, row] of seating.seatsLeft.scan()) left.set(flight, row.left)
    return c.json(flights.map((flight) => ({ flight, left: left.get(flight) ?? seats.length })))
  })

  routes.get('/flights/:flight', async (c) => {
    const flight = c.req.param('flight')
    if (!flights.includes(flight)) return noFlight(c, flight)
    const { version, taken } = mapOf(await seating.seatMaps.get(flight, freshness(c)))
    return c.json({ flight, rows, letters, version, taken })
  })

  routes.get('/flights/:flight/live', async (c) => {
    const flight = c.req.param('flight')
    if (!flights.includes(flight)) return noFlight(c, flight)
    const headers = { 'cache-control': 'no-store', 'content-type': 'text/event-stream' }
    // Who asks for the headers alone takes nothing, and never leaves.
    if (c.req.method === 'HEAD') return c.body(null, 200, headers)
    const reader = live.read(flight)
    try {
      // After the reader is there, so that nothing that happens meanwhile is missed.
      reader.offer(mapOf(await seating.seatMaps.get(flight)))
      return c.body(eventsOf(reader), 200, headers)
    } catch (error) {
      reader.close()
      throw error
    }
  })

  routes.post('/flights/:flight/bookings', small, async (c) => {
    const wish: unknown = await c.req.json().catch(() => undefined)
    const { seat = '', passenger } = (wish ?? {}) as Record<string, unknown>
    if (typeof seat !== 'string' || !isName(passenger)) return refuseNames(c)
    const flight = c.req.param('flight')
    const command = { case: 'bookSeat', value: { seat, passenger } } as const
    return decided(c, await ask(c, { flight, command }))
  })

  routes.delete('/flights/:flight/bookings/:seat', async (c) => {
    const { flight, seat } = c.req.param()
    const passenger = c.req.query('passenger')
    if (!isName(passenger)) return refuseNames(c)
    const command = { case: 'cancelBooking', value: { seat, passenger } } as const
    return decided(c, await ask(c, { flight, command }))
  })

  routes.get('/passengers/:passenger', async (c) => {
    const bookings = await seating.bookings.get(c.req.param('passenger'), freshness(c))
    return c.json(bookings ?? [])
  })

  routes.onError(failed)
  return { fetch: routes.fetch, [Symbol.dispose]: () => live[Symbol.dispose]() }

  /** The id comes from the browser, which asks again with the same one: so it is decided once. */
  function ask(c: Context, command: EventInit<typeof SeatCommands>) {
    const id = c.req.header('idempotency-key')
    return app.ask(SeatCommands, command, {
      timeout: decisionTimeout,
      ...(id !== undefined && { id }),
    })
  }
}

function decided(c: Context, answer: CommandAnswer<typeof SeatCommands>): Response {
  const { accepted, id } = answer
  if (!accepted) return c.json({ accepted, id, reason: answer.reason }, 422)
  const after = answer.events.map(
    ({ stream, partition, offset }) => `${stream}/${partition}/${offset}`,
  )
  return c.json({ accepted, id, after: after.join() }, 201)
}

/** `?after=` is what a decision has said: the answer holds what followed from it. */
function freshness(c: Context): { after?: EventPlace[] } {
  const text = c.req.query('after') ?? ''
  if (text === '') return {}
  const after = text.split(',').map((place) => {
    const [, stream = place, partition, offset] = /^([^/]+)\/(\d+)\/(\d+)$/.exec(place) ?? []
    return { stream, partition: Number(partition), offset: Number(offset) }
  })
  return { after }
}

function mapOf(stored: SeatMap | undefined): SeatMap {
  return stored ?? { version: 0, taken: {} }
}

/** Seat maps as server-sent events, each of them whole: so a page that connects anew has missed nothing. */
function eventsOf(reader: Reader): ReadableStream {
  const encoder = new TextEncoder()
  return new ReadableStream(
    {
      start: (to) => to.enqueue(encoder.encode('retry: 500\n\n')),
      pull: async (to) => {
        const map = await reader.next(signOfLifeMs)
        if (reader.isOver) return to.close()
        to.enqueue(encoder.encode(map === undefined ? ':\n\n' : eventOf(map)))
      },
      cancel: () => reader.close(),
    },
    { highWaterMark: 0 },
  )
}

function eventOf(map: SeatMap): string {
  return `event: seats\ndata: ${JSON.stringify(map)}\n\n`
}

function isName(text: unknown): text is string {
  return typeof text === 'string' && text.trim() !== '' && text.length <= nameCharsMax
}

function noFlight(c: Context, flight: string): Response {
  return c.json({ error: `there is no flight ${flight}: GET /flights has them` }, 404)
}

function refuseNames(c: Context): Response {
  const error = `send { "seat": "4C", "passenger": "a name of up to ${nameCharsMax} characters" }`
  return c.json({ error }, 400)
}

function failed(error: Error, c: Context): Response {
  if (error instanceof CommandInDoubt) {
    return c.json({ error: error.message, id: error.id }, 504, { 'retry-after': '1' })
  }
  if (isHeadwaterError(error, 'input-invalid') || isHeadwaterError(error, 'record-invalid')) {
    return c.json({ error: error.message }, 400)
  }
  if (isHeadwaterError(error) && error.retriable) {
    return c.json({ error: error.message }, 503, { 'retry-after': '1' })
  }
  console.error(error)
  return c.json({ error: 'that failed; the log says why' }, 500)
}
