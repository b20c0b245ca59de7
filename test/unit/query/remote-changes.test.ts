/** Feeds of changes that another process reads: the same items, opened anew where they break off. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as dial, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { HeadwaterError } from '../../../src/base/errors.ts'
import type { HttpFollow } from '../../../src/io/ports.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { connect } from '../../../src/query/client.ts'
import { frameOf, framesIn, framesType } from '../../../src/query/feed-frames.ts'
import type { Framed } from '../../../src/query/feed-frames.ts'
import { remoteChanges } from '../../../src/query/remote-feed.ts'
import { SimClock } from '../../../src/testing/sim-clock.ts'
import { asked } from './asked.ts'
import { board } from './board.ts'
import { next, quick, rowOf, sends } from './feeds.ts'

/** Something on the way to a server that can be cut, and lead elsewhere. */
async function wayTo(first: number) {
  let port: number | undefined = first
  const ends = new Set<Socket>()
  const server = createServer((socket) => {
    ends.add(socket.on('error', () => undefined).on('close', () => ends.delete(socket)))
    if (port === undefined) return socket.destroy()
    const onward = dial(port, '127.0.0.1').on('error', () => socket.destroy())
    onward.on('close', () => socket.destroy())
    socket.on('close', () => onward.destroy())
    socket.pipe(onward).pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    /** @param to where it leads from now on; nowhere when left out */
    cut: (to?: number) => {
      port = to
      for (const socket of ends) socket.destroy()
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of ends) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

describe('a feed of changes in another process', () => {
  it('tells what rows were and are, as they are stored', async () => {
    await using services = await asked()
    const { app, url } = await services.start(board, quick)
    await using sender = sends(services)
    const { perPage, perMinute, profiles } = connect<typeof board>(url)
    await app.query.perPage.get('p1', { after: await sender.click('p1') })
    const all = perPage.changes()[Symbol.asyncIterator]()
    const one = perPage.changes({ key: 'p2' })[Symbol.asyncIterator]()
    const windows = perMinute.changes({ prefix: 'p' })[Symbol.asyncIterator]()
    const rows = profiles.changes()[Symbol.asyncIterator]()
    for (const feed of [all, one, windows]) assert.equal((await next(feed)).type, 'begin')
    assert.equal((await next(rows)).type, 'begin')
    await sender.click('p1')
    assert.deepEqual(rowOf(await next(all)), ['p1', 1, 2, true])
    const change = await next(windows)
    assert.deepEqual(rowOf(change), ['p1', 1, 2, true])
    assert.deepEqual(change.type === 'change' && change.start, new Date(60_000))
    await sender.click('p2')
    assert.deepEqual(rowOf(await next(one)), ['p2', undefined, 1, true])
    await sender.profile('ada', Uint8Array.of(1, 255))
    const profile = await next(rows)
    assert.ok(profile.type === 'change' && profile.old === undefined)
    assert.deepEqual(profile.value?.photo, Uint8Array.of(1, 255))
    await Promise.all([all, one, windows, rows].map((feed) => feed.return!()))
  })

  it('goes on behind a place, and ends at once when its reader leaves', async () => {
    await using services = await asked()
    const { app, url } = await services.start(board, quick)
    await using sender = sends(services)
    const { perPage } = connect<typeof board>(url)
    const first = perPage.changes()[Symbol.asyncIterator]()
    const { id } = await next(first)
    await first.return!()
    for (const page of ['p1', 'p2']) {
      await app.query.perPage.get(page, { after: await sender.click(page) })
    }
    const seen: string[] = []
    for await (const item of perPage.changes({ from: id })) {
      if (item.type === 'change') seen.push(item.key)
      if (seen.length === 2) break
    }
    assert.deepEqual(
      seen.toSorted((a, b) => (a < b ? -1 : 1)),
      ['p1', 'p2'],
    )

    const called = new AbortController()
    const open = () => perPage.changes({ signal: called.signal })[Symbol.asyncIterator]()
    const [one, other] = [open(), open()]
    await Promise.all([next(one), next(other)])
    const waiting = [one.next(), other.next()]
    await delay(50)
    const started = performance.now()
    await one.return!()
    called.abort()
    for (const each of waiting) assert.equal((await each).done, true)
    const tookMs = performance.now() - started
    assert.ok(tookMs < 400, `${tookMs} ms: they waited for what was to come`)
    assert.equal((await open().next()).done, true)
  })

  it('is opened anew where it breaks off, at another instance too, and says so once', async () => {
    await using services = await asked()
    const a = await services.start(board, { ...quick, instanceId: 'a' }, { isShared: true })
    await using way = await wayTo(Number(new URL(a.url).port))
    await using sender = sends(services)
    const { perPage } = connect<typeof board>(`http://127.0.0.1:${way.port}/v1/board`)
    const feed = perPage.changes({ key: 'p1' })[Symbol.asyncIterator]()
    await next(feed)
    await sender.click('p1')
    assert.deepEqual(rowOf(await next(feed)), ['p1', undefined, 1, true])

    way.cut()
    const broken = await next(feed)
    assert.ok(broken.type === 'reconnecting', broken.type)
    assert.match(
      broken.why.message,
      /board\/perPage\/changes\?key=p1 broke off: the server has gone/,
    )
    const reopened = feed.next()
    await sender.click('p1')
    // Tried several times in vain meanwhile.
    await delay(1_000)
    const b = await services.start(board, { ...quick, instanceId: 'b' }, { isShared: true })
    way.cut(Number(new URL(b.url).port))
    const begin = await reopened
    assert.deepEqual(begin.value, { type: 'begin', id: broken.id })
    assert.deepEqual(rowOf(await next(feed)), ['p1', 1, 2, true])

    // A service that was closed may be followed elsewhere.
    await b.app.close()
    const closed = await next(feed)
    assert.ok(closed.type === 'reconnecting')
    assert.match(closed.why.message, /ended: .*closed/)
    way.cut(Number(new URL(a.url).port))
    await sender.click('p1')
    assert.equal((await next(feed)).type, 'begin')
    assert.deepEqual(rowOf(await next(feed)), ['p1', 2, 3, true])
    await feed.return!()
  })

  it('is refused with the reason when it cannot be opened', async () => {
    await using services = await asked()
    const { url } = await services.start(board, quick)
    const views = connect<typeof board>(url)
    const windows = views.perMinute.changes()[Symbol.asyncIterator]()
    const { id: other } = await next(windows)
    await windows.return!()
    for (const from of [other, 'x', '', 'a b', 'a\nb: c']) {
      await assert.rejects(views.perPage.changes({ from })[Symbol.asyncIterator]().next(), {
        code: 'input-invalid',
        message: /no place in .*changes.*: give the id of what was got last from the same feed/s,
      })
    }
    await assert.rejects(
      views.perPage.changes({ key: 'a', prefix: 'b' })[Symbol.asyncIterator]().next(),
      { code: 'input-invalid', message: /give key or prefix, not both/ },
    )
    const { views: none } = connect<{ queries?: typeof board.queries & { views: never } }>(url)
    await assert.rejects((none as typeof views.perPage).changes()[Symbol.asyncIterator]().next(), {
      code: 'query-failed',
      message: /answered 404: service 'board' has no view 'views'/,
    })
    const nobody = connect<typeof board>('http://127.0.0.1:1/v1/board').perPage
    await assert.rejects(nobody.changes()[Symbol.asyncIterator]().next(), {
      code: 'connection-failed',
      retriable: true,
    })
  })

  it('waits longer each time that it is opened in vain, and not for what is refused for good', async () => {
    const clock = new SimClock()
    const openedAt: number[] = []
    const away = () => new HeadwaterError('connection-failed', 'away', { retriable: true })
    const end: Framed = { type: 'end', error: { code: 'service-ended', message: 'closed' } }
    const answers = [
      () => answered(200, [begin, end]),
      ...Array.from({ length: 8 }, () => () => {
        throw away()
      }),
      () => answered(200, [begin]),
      () => answered(200, [begin], () => new Promise((resolve) => clock.after(12_000, resolve))),
      (from: string) => refused(400, `old ${from}`),
    ]
    const feed = remoteChanges({
      ...place,
      clock,
      random: { bytes: () => Uint8Array.of(255) },
      follow: async (_url, { headers }) => {
        openedAt.push(clock.monotonic())
        return answers.shift()!(headers['last-event-id']!)
      },
    })
    assert.deepEqual(await next(feed), begin)
    const types: string[] = []
    const all = (async () => {
      for await (const item of feed) types.push(item.type)
    })()
    let isOver = false
    const ended = assert
      .rejects(all, { code: 'input-invalid', message: /answered 400: old 1\.a/ })
      .finally(() => (isOver = true))
    while (!isOver) {
      await new Promise(setImmediate)
      clock.next()?.()
    }
    await ended
    const again = ['reconnecting', 'begin']
    assert.deepEqual(types, [...again, ...again, 'reconnecting'])
    const pauses = openedAt.slice(1).map((time, i) => time - openedAt[i]!)
    const growing = [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000]
    // One that was open for a while has nothing to do with those before.
    assert.deepEqual(pauses, [...growing, 10_000, 12_200])
  })

  it('reads so much of why it is refused, and no more', async () => {
    let given = 0
    async function* chunks() {
      for (; given < 100; given++) yield new Uint8Array(16 * 1024).fill(97)
    }
    const follow: HttpFollow = async () => ({ ...refused(500, ''), body: chunks() })
    const feed = remoteChanges({ ...place, clock: nodeClock, random: nodeRandom, follow })
    await assert.rejects(feed.next(), { code: 'query-failed', message: /answered 500: aaa/ })
    assert.ok(given < 6, `${given} pieces of 16 KiB were read`)
  })

  it('takes nothing else than its frames, and no more of one than there can be', async () => {
    const items: (Framed | undefined)[] = [
      { type: 'begin', id: '1.a' },
      undefined,
      { type: 'resumed-late', id: '1.b', partition: 0 },
    ]
    const whole = Buffer.concat(items.map(frameOf))
    async function* inPieces(bytes: Uint8Array, size: number) {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    for (const size of [1, 2, 3, 5, 7, whole.length]) {
      assert.deepEqual(await Array.fromAsync(framesIn(inPieces(whole, size))), items)
    }
    const cut = whole.subarray(0, whole.length - 1)
    assert.equal((await Array.fromAsync(framesIn(inPieces(cut, 9)))).length, 2)
    for (const wrong of [Buffer.from('<html>'), Buffer.of(0, 0, 0, 2, 1, 1)]) {
      await assert.rejects(Array.fromAsync(framesIn(inPieces(wrong, 4))), {
        code: 'query-failed',
        message: /something else than its frames/,
      })
    }
  })
})

const place = { url: 'http://h/v1/s/v/changes', timeoutMs: 1 }
const begin: Framed = { type: 'begin', id: '1.a' }

/** @param before what the answer waits for before it ends */
function answered(status: number, said: readonly Framed[], before?: () => Promise<void>) {
  async function* chunks() {
    yield new Uint8Array(Buffer.concat(said.map((each) => frameOf(each))))
    await before?.()
  }
  return { status, type: framesType, headers: new Headers(), body: chunks() }
}

function refused(status: number, message: string) {
  async function* chunks() {
    yield new Uint8Array(Buffer.from(JSON.stringify({ error: { code: 'bad-request', message } })))
  }
  return { status, type: 'application/json', headers: new Headers(), body: chunks() }
}
