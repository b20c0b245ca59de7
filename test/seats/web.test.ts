/** The web application, request by request, on services that run. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { booking } from '../../examples/seats/booking.ts'
import { flights, seats } from '../../examples/seats/cabin.ts'
import { Live, readersMax } from '../../examples/seats/live.ts'
import { seating } from '../../examples/seats/seating.ts'
import { bodyBytesMax, nameCharsMax, webApplication } from '../../examples/seats/web.ts'
import type { SeatsApp, WebApplication } from '../../examples/seats/web.ts'
import { HeadwaterError, embedded, run } from '../../src/index.ts'
import type { EmbeddedBroker } from '../../src/index.ts'

let directory: string
let broker: EmbeddedBroker
let app: SeatsApp
let web: WebApplication
const faults: unknown[] = []

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-seats-'))
  broker = await embedded(directory, { durability: 'memory' })
  app = await run([booking, seating], { broker })
  web = webApplication(app, (error) => faults.push(error))
})
after(async () => {
  web[Symbol.dispose]()
  await app.close()
  await broker.close()
  await rm(directory, { recursive: true, force: true })
})

describe('the web application', () => {
  it('serves a page that needs nothing else', async () => {
    const response = await web.fetch(new Request('http://x/'))
    assert.match(response.headers.get('content-type')!, /^text\/html/)
    assert.match(response.headers.get('content-security-policy')!, /^default-src 'self'/)
    const named = [...(await response.text()).matchAll(/(?:src|href)="(?!data:)([^"]*)"/g)]
    assert.equal(named.length, 2)
    for (const [, path] of named) assert.equal((await ask(path!)).status, 200, path)
  })

  it('says what was decided, and lets who asked read what came of it', async () => {
    const decision = await book('HW101', { seat: '4C', passenger: 'Ada' })
    assert.equal(decision.status, 201)
    assert.equal(decision.body.accepted, true)
    const { after } = decision.body
    const [mine, map] = [
      await ask(`/passengers/Ada?after=${after}`),
      await ask(`/flights/HW101?after=${after}`),
    ]
    assert.deepEqual(mine.body, [{ flight: 'HW101', seat: '4C' }])
    assert.deepEqual(map.body.taken, { '4C': 'Ada' })
    assert.equal(map.body.version, 1)

    const refused = await book('HW101', { seat: '4C', passenger: 'Ben' })
    assert.equal(refused.status, 422)
    assert.deepEqual([refused.body.accepted, refused.body.reason], [false, 'seat-taken'])
    assert.deepEqual((await ask('/passengers/Ben')).body, [])
  })

  it('decides once what is asked twice under one key', async () => {
    const headers = { 'idempotency-key': 'wish-1' }
    const wish = { passenger: 'Cleo' }
    const answers = [await book('HW204', wish, headers), await book('HW204', wish, headers)]
    assert.equal(answers[0]!.status, 201)
    assert.deepEqual(answers[1], answers[0])
    const { after } = answers[1]!.body
    const { body } = await ask(`/passengers/Cleo?after=${after}`)
    assert.deepEqual(body, [{ flight: 'HW204', seat: '1A' }])
  })

  it('gives a seat back, and counts what is left', async () => {
    await book('HW310', { seat: '2B', passenger: 'Dora' })
    const { after } = (await book('HW310', { seat: '2C', passenger: 'Dora' })).body
    const path = '/flights/HW310/bookings/2B?passenger='
    assert.equal((await ask(`${path}Ben`, { method: 'DELETE' })).body.reason, 'not-booked')
    assert.deepEqual((await ask(`/passengers/Dora?after=${after}`)).body.length, 2)
    const back = await ask(`${path}Dora`, { method: 'DELETE' })
    assert.equal(back.status, 201)
    const { body } = await ask(`/passengers/Dora?after=${back.body.after}`)
    assert.deepEqual(body, [{ flight: 'HW310', seat: '2C' }])
    await app.caughtUp()
    const list = (await ask('/flights')).body as { flight: string; left: number }[]
    assert.deepEqual(
      list.map(({ flight }) => flight),
      flights,
    )
    assert.equal(list.find(({ flight }) => flight === 'HW310')!.left, seats.length - 1)
  })

  it('refuses what nobody can decide, or answer', async () => {
    const name = (length: number) => ({ seat: '8D', passenger: 'x'.repeat(length) })
    assert.equal((await book('HW415', name(nameCharsMax))).status, 201)
    assert.equal((await book('HW415', name(nameCharsMax + 1))).status, 400)
    assert.equal((await book('HW415', { passenger: ' ' })).status, 400)
    assert.equal((await book('HW415', { seat: 4, passenger: 'Ada' })).status, 400)
    for (const body of ['seat 4C', 'null', '[]', '7', '']) {
      assert.equal((await book('HW415', body)).status, 400, body)
    }
    const large = JSON.stringify({ passenger: 'Ada', more: 'x'.repeat(bodyBytesMax) })
    assert.equal((await book('HW415', large)).status, 413)
    assert.equal((await book('HW999', { passenger: 'Ada' })).body.reason, 'no-such-flight')
    const longId = { 'idempotency-key': 'x'.repeat(201) }
    assert.equal((await book('HW415', { passenger: 'Ada' }, longId)).status, 400)
    assert.equal((await ask('/flights/HW415/bookings/8D', { method: 'DELETE' })).status, 400)
    for (const path of ['/flights/HW999', '/flights/HW999/live', '/elsewhere']) {
      assert.equal((await web.fetch(new Request(`http://x${path}`))).status, 404, path)
    }
    for (const after of ['nothing', 'seat-events/x/1', 'seat-events/0/1.5', 'seat-events/0/']) {
      assert.equal((await ask(`/passengers/Ada?after=${after}`)).status, 400, after)
    }
  })
})

describe('a page that is kept up to date', () => {
  it('is told what is so, and then what becomes of it', async () => {
    const before = (await book('HW522', { seat: '1A', passenger: 'Ada' })).body
    await ask(`/flights/HW522?after=${before.after}`)
    await using page = await open('HW522')
    assert.deepEqual(await page.next(), { version: 1, taken: { '1A': 'Ada' } })
    await book('HW688', { seat: '1A', passenger: 'Ada' })
    await book('HW522', { seat: '1B', passenger: 'Ben' })
    assert.deepEqual(await page.next(), { version: 2, taken: { '1A': 'Ada', '1B': 'Ben' } })
  })

  it('sees the newest, and not all that was, when it has not read for a while', async () => {
    await using page = await open('HW688')
    const { version } = await page.next()
    for (const seat of ['5A', '5B', '5C', '5D']) await book('HW688', { seat, passenger: 'Eve' })
    await using other = await open('HW688')
    while ((await other.next()).version < version + 4);
    assert.equal((await page.next()).version, version + 4)
  })

  it('is one of so many, and makes room when it closes', async () => {
    const pages = await Promise.all(Array.from({ length: readersMax }, () => open('HW101')))
    const refused = await web.fetch(new Request('http://x/flights/HW101/live'))
    await refused.body!.cancel()
    assert.equal(refused.status, 503)
    assert.equal(refused.headers.get('retry-after'), '1')
    await pages.pop()![Symbol.asyncDispose]()
    await using again = await open('HW101')
    assert.ok((await again.next()).version > 0)
    for (const page of pages) await page[Symbol.asyncDispose]()
  })

  it('takes the place of no page when only its headers are asked for', async () => {
    const method = 'HEAD'
    for (let asked = 0; asked < readersMax; asked++) {
      const head = await web.fetch(new Request('http://x/flights/HW101/live', { method }))
      assert.equal(head.headers.get('content-type'), 'text/event-stream')
    }
    await using page = await open('HW101')
    assert.ok((await page.next()).version > 0)
  })

  it('has had no feed that broke off', () => {
    assert.deepEqual(faults, [])
  })

  it('goes on where it was when the feed breaks off, which is said once', async () => {
    const places: (string | undefined)[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    const said: unknown[] = []
    using _live = new Live({
      changes: async function* (from) {
        places.push(from)
        if (places.length === 3) resolve()
        if (places.length === 1) yield { type: 'begin', id: 'place' }
        throw new Error('the connection is gone')
      },
      onBroken: (error) => said.push(error),
    })
    await promise
    assert.deepEqual(places, [undefined, 'place', 'place'])
    assert.equal(said.length, 1)
  })

  it('ends when something may have been missed, so that whoever connects anew sees what is so', async () => {
    const { promise: isOpen, resolve: open } = Promise.withResolvers<void>()
    const places: (string | undefined)[] = []
    using live = new Live({
      changes: async function* (from) {
        places.push(from)
        await isOpen
        yield { type: 'begin', id: 'place' }
        if (places.length > 1) yield { type: 'resumed-late', id: 'after', partition: 0 }
        throw new HeadwaterError('not-ready', 'it breaks off')
      },
      onBroken: () => {},
    })
    // What it has read may have changed before the feed began.
    const reader = live.read('HW101')
    const next = reader.next(60_000)
    open()
    assert.equal(await next, undefined)
    assert.equal(reader.isOver, true)
    const later = live.read('HW101')
    await later.next(60_000)
    assert.equal(later.isOver, true)
    assert.deepEqual(places, [undefined, 'place'])
  })

  it('ends when the place of the feed is one no more', async () => {
    const places: (string | undefined)[] = []
    const { promise: isLost, resolve: lose } = Promise.withResolvers<void>()
    const { promise: hasBegun, resolve: begun } = Promise.withResolvers<void>()
    using live = new Live({
      changes: async function* (from) {
        places.push(from)
        if (places.length > 1) return
        yield { type: 'begin', id: 'of another feed' }
        begun()
        await isLost
        throw new HeadwaterError('input-invalid', 'it is no place in this feed')
      },
      onBroken: () => {},
    })
    await hasBegun
    const reader = live.read('HW101')
    const next = reader.next(60_000)
    lose()
    assert.equal(await next, undefined)
    assert.equal(reader.isOver, true)
    while (places.length === 1) await delay(10)
    assert.equal(places[1], undefined)
  })
})

interface Answer {
  readonly status: number
  // oxlint-disable-next-line no-explicit-any -- the shape is what the tests check
  readonly body: any
}

async function ask(path: string, init?: RequestInit): Promise<Answer> {
  const response = await web.fetch(new Request(`http://x${path}`, init))
  const text = await response.text()
  return {
    status: response.status,
    body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text,
  }
}

function book(flight: string, wish: object | string, headers: Record<string, string> = {}) {
  const body = typeof wish === 'string' ? wish : JSON.stringify(wish)
  const length = { 'content-length': String(body.length) }
  return ask(`/flights/${flight}/bookings`, {
    method: 'POST',
    body,
    headers: { ...length, ...headers },
  })
}

interface SeatMap {
  readonly version: number
  readonly taken: Readonly<Record<string, string>>
}

/** A page's feed of a flight. */
async function open(flight: string) {
  const response = await web.fetch(new Request(`http://x/flights/${flight}/live`))
  const type = response.headers.get('content-type')
  if (type !== 'text/event-stream') assert.fail(`${response.status}: ${await response.text()}`)
  const reader = response.body!.getReader()
  return {
    next: async (): Promise<SeatMap> => {
      for (;;) {
        const { value } = await reader.read()
        const data = /data: (.*)/.exec(new TextDecoder().decode(value as Uint8Array))?.[1]
        if (data !== undefined) return JSON.parse(data) as SeatMap
      }
    },
    [Symbol.asyncDispose]: () => reader.cancel(),
  }
}
