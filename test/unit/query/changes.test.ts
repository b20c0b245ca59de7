/** Feeds of what a view's rows become: in the process, and as server-sent events. */
import assert from 'node:assert/strict'
import { connect as dial } from 'node:net'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { setTimeout as delay } from 'node:timers/promises'
import { deleteRecords } from '../../../src/client/admin.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { asked } from './asked.ts'
import { board } from './board.ts'
import { next, quick, rowOf, sends } from './feeds.ts'
import { get, isWhole, until } from './group-of-instances.ts'

interface ServerEvent {
  readonly id: string
  readonly event: string
  // oxlint-disable-next-line no-explicit-any -- the shape is what the tests check
  readonly data: any
}

/** Events of a feed over HTTP; comments are counted as `comment`. */
async function* eventsOf(url: string, from?: string): AsyncGenerator<ServerEvent> {
  const headers = from === undefined ? {} : { 'last-event-id': from }
  const response = await fetch(url, { headers })
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type')!, /^text\/event-stream/)
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      yield eventIn(text.slice(0, end))
      text = text.slice(end + 2)
    }
  }
}

function eventIn(text: string): ServerEvent {
  if (text.startsWith(':')) return { id: '', event: 'comment', data: undefined }
  const fields = new Map(text.split('\n').map((line) => line.split(': ', 2) as [string, string]))
  const data: unknown = JSON.parse(text.slice(text.indexOf('data: ') + 6))
  return { id: fields.get('id') ?? '', event: fields.get('event') ?? '', data }
}

describe('a feed of changes', () => {
  it('tells what rows were and are, in the process', async () => {
    await using services = await asked()
    const { app } = await services.start(board, quick)
    await using sender = sends(services)
    const { perPage, perMinute, profiles } = app.query
    await perPage.get('p1', { after: await sender.click('p1') })
    const all = perPage.changes()[Symbol.asyncIterator]()
    const one = perPage.changes({ key: 'p2' })[Symbol.asyncIterator]()
    const windows = perMinute.changes({ prefix: 'p' })[Symbol.asyncIterator]()
    const rows = profiles.changes()[Symbol.asyncIterator]()
    for (const feed of [all, one, windows]) assert.equal((await next(feed)).type, 'begin')
    assert.equal((await next(rows)).type, 'begin')

    await perPage.get('p1', { after: await sender.click('p1') })
    assert.deepEqual(rowOf(await next(all)), ['p1', 1, 2, true])
    const change = await next(windows)
    assert.deepEqual(rowOf(change), ['p1', 1, 2, true])
    assert.deepEqual(change.type === 'change' && change.start, new Date(60_000))
    await sender.click('p2')
    assert.deepEqual(rowOf(await next(one)), ['p2', undefined, 1, true])
    const after = await sender.profile('ada', Uint8Array.of(1))
    const profile = await next(rows)
    assert.ok(profile.type === 'change' && profile.old === undefined)
    assert.equal(profile.value?.photo[0], 1)
    assert.equal((await profiles.get('ada', { after }))?.id, 'ada')
    await Promise.all([all, one, windows, rows].map((feed) => feed.return!()))
  })

  it('goes on where it was, at another instance, when the first is gone', async () => {
    await using services = await asked()
    const shared = { isShared: true }
    const a = await services.start(board, { instanceId: 'a', ...quick }, shared)
    const b = await services.start(board, { instanceId: 'b', ...quick }, shared)
    await until(() => isWhole([a.app, b.app], 8))
    await using sender = sends(services)
    const pages = Array.from({ length: 12 }, (_, n) => `p${n}`)
    const seen: string[] = []
    const take = (event: ServerEvent): string => {
      if (event.event === 'change') {
        const { key, old, value } = event.data
        seen.push(`${key} ${old} ${value}`)
      }
      return event.id
    }
    let last = ''
    const first = eventsOf(`${a.url}/perPage/changes`)
    last = take(await next(first))
    await Promise.all(pages.map((page) => sender.click(page)))
    while (seen.length < 5) last = take(await next(first))
    await first.return(undefined)
    await a.app.close()
    await Promise.all(pages.map((page) => sender.click(page)))
    const second = eventsOf(`${b.url}/perPage/changes`, last)
    while (seen.length < 24) take(await next(second))
    const told = pages.flatMap((page) => [`${page} null 1`, `${page} 1 2`])
    assert.deepEqual(seen.toSorted(), told.toSorted())
    for (const page of pages) {
      assert.ok(seen.indexOf(`${page} null 1`) < seen.indexOf(`${page} 1 2`), page)
    }
    // The service ends, and the feed says so.
    await b.app.close()
    let end = await next(second)
    while (end.event === 'comment') end = await next(second)
    assert.deepEqual([end.event, end.data.error.code], ['end', 'service-ended'])
    assert.equal((await second.next()).done, true)
  })

  it('says what is gone when it goes on late', async () => {
    await using services = await asked()
    const { app, url } = await services.start(board, quick)
    await using sender = sends(services)
    const feed = app.query.perPage.changes({ key: 'p1' })[Symbol.asyncIterator]()
    const { id } = await next(feed)
    for (let n = 0; n < 3; n++)
      await app.query.perPage.get('p1', { after: await sender.click('p1') })
    for (let n = 0; n < 3; n++) await next(feed)
    await feed.return!()
    const topic = 'board-per-page-changelog'
    const place = { clock: nodeClock, random: nodeRandom, clientId: 'broom' }
    const cluster = await Cluster.connect({ ...services.broker, ...place })
    try {
      const partitions = [0, 1, 2, 3].map((partition) => ({ topic, partition, offset: -1 }))
      await deleteRecords(cluster, partitions)
    } finally {
      await cluster.close()
    }
    await sender.click('p1')
    const late = eventsOf(`${url}/perPage/changes?key=p1`, id)
    const [begin, gone, change] = [await next(late), await next(late), await next(late)]
    assert.deepEqual([begin.event, gone.event], ['begin', 'resumed-late'])
    // What it was is gone, too, and so it is not said that there was nothing.
    assert.deepEqual([change.event, change.data], ['change', { key: 'p1', value: 4 }])
    await late.return(undefined)
  })

  it('says so when its topic was made anew, and has come further than it was', async () => {
    const idAfter = async (clicks: number, from?: string) => {
      // Each broker makes topics of its own, under the same names.
      await using services = await asked()
      const { app } = await services.start(board, quick)
      await using sender = sends(services)
      for (let n = 0; n < clicks; n++) {
        await app.query.perPage.get('p1', { after: await sender.click('p1') })
      }
      const wish = from === undefined ? { key: 'p1' } : { key: 'p1', from }
      const feed = app.query.perPage.changes(wish)[Symbol.asyncIterator]()
      const { id } = await next(feed)
      if (from !== undefined) {
        assert.equal((await next(feed)).type, 'resumed-late')
        await sender.click('p1')
        const change = await next(feed)
        assert.deepEqual(rowOf(change), ['p1', clicks, clicks + 1, true])
      }
      await feed.return!()
      return id
    }
    await idAfter(3, await idAfter(1))
  })

  it('says what may be gone, where records are missing on the way', async () => {
    await using services = await asked()
    const { app } = await services.start(board, quick)
    await using sender = sends(services)
    const feed = app.query.profiles.changes({ key: 'ada' })[Symbol.asyncIterator]()
    const { id } = await next(feed)
    await feed.return!()
    const { partition } = await sender.profile('ada', Uint8Array.of(1))
    const place = { clock: nodeClock, random: nodeRandom, clientId: 'gone' }
    const cluster = await Cluster.connect({ ...services.broker, ...place })
    const aborting = new Producer(cluster, { transactionalId: 'gone' })
    await aborting.init()
    aborting.begin()
    for (const n of [1, 2]) {
      aborting.append('profiles', partition, n, Buffer.from('ada'), new Uint8Array(0))
      await aborting.flush()
    }
    await aborting.abort()
    await aborting.close()
    await cluster.close()
    const after = await sender.profile('ada', Uint8Array.of(2))
    await app.query.profiles.get('ada', { after })
    const late = app.query.profiles.changes({ key: 'ada', from: id })[Symbol.asyncIterator]()
    const types = [await next(late), await next(late), await next(late), await next(late)]
    assert.deepEqual(
      types.map(({ type }) => type),
      ['begin', 'change', 'resumed-late', 'change'],
    )
    await late.return!()
    // Who has not missed it is not told.
    const now = app.query.profiles.changes()[Symbol.asyncIterator]()
    await next(now)
    await sender.profile('ada', Uint8Array.of(3))
    const change = await next(now)
    assert.ok(change.type === 'change' && change.old?.photo[0] === 2)
    await now.return!()
  })

  it('costs bounded memory when its client never reads', async () => {
    await using services = await asked()
    const { app, origin } = await services.start(board, quick)
    await using sender = sends(services)
    const { hostname, port } = new URL(origin)
    const photo = new Uint8Array(700_000)
    const place = async (id: string) => {
      const { partition } = await sender.profile(id, Uint8Array.of(1))
      return { id, partition }
    }
    const write = async (id: string): Promise<void> => {
      for (let n = 0; n < 120; n++) await sender.profile(id, photo)
      await app.caughtUp()
    }
    // What the broker keeps in memory of its newest records, it keeps in any case.
    await write('b1')
    const places = await Promise.all(['b1', 'b2', 'b3', 'b4', 'b5'].map((id) => place(id)))
    // In a partition without all that, so that nothing is to be read again.
    const elsewhere = places.find(({ partition }) => partition !== places[0]!.partition)!.id
    const before = heldBytes()
    const clients = [1, 2, 3].map(() => dial(Number(port), hostname))
    for (const client of clients) {
      client.pause()
      client.write(`GET /v1/board/profiles/changes?key=${elsewhere} HTTP/1.1\r\nHost: here\r\n\r\n`)
    }
    await delay(300)
    await write(elsewhere)
    await delay(1_000)
    const held = heldBytes() - before
    for (const client of clients) client.destroy()
    assert.ok(held < 150_000_000, `${held} bytes are held for clients who take nothing of 300 MB`)
    assert.equal((await get(`${origin}/v1/board/profiles?limit=1`)).body.entries.length, 1)
  })

  it('ends at once when its reader leaves while nothing comes', async () => {
    await using services = await asked()
    const { app } = await services.start(board, quick)
    const { perPage } = app.query
    const called = new AbortController()
    const open = () => perPage.changes({ signal: called.signal })[Symbol.asyncIterator]()
    // As many as there may be: who is not let go keeps out those that come.
    const feeds = Array.from({ length: 64 }, open)
    await Promise.all(feeds.map(next))
    const waiting = feeds.map((feed) => feed.next())
    await delay(50)
    const [first, ...others] = feeds
    const started = performance.now()
    await first!.return!()
    assert.equal((await waiting[0])!.done, true)
    called.abort()
    for (const each of waiting) assert.equal((await each).done, true)
    for (const each of others) assert.equal((await each.next()).done, true)
    const tookMs = performance.now() - started
    assert.ok(tookMs < 400, `${tookMs} ms: they waited for what was to come`)
    const again = perPage.changes()[Symbol.asyncIterator]()
    assert.equal((await next(again)).type, 'begin')
    await again.return!()
    // Who has left before it begins is told nothing.
    assert.equal((await open().next()).done, true)
  })

  it('is refused for places and keys that are none, and when there are too many', async () => {
    await using services = await asked()
    const { app, url } = await services.start(board, quick)
    const windows = app.query.perMinute.changes()[Symbol.asyncIterator]()
    const { id: other } = await next(windows)
    await windows.return!()
    for (const from of ['x', '1.2', '', other]) {
      const response = await fetch(`${url}/perPage/changes`, { headers: { 'last-event-id': from } })
      assert.equal(response.status, 400, from)
      const { error } = (await response.json()) as { error: { message: string } }
      assert.match(error.message, /no place in the changes of view 'perPage'/)
    }
    assert.equal((await get(`${url}/perPage/changes?key=a&prefix=b`)).status, 400)
    assert.equal((await get(`${url}/perPage/changes?limit=1`)).status, 400)
    const of = app.query.perPage.changes({ key: 'p1' })[Symbol.asyncIterator]()
    const { id } = await next(of)
    await of.return!()
    await assert.rejects(next(app.query.perPage.changes({ from: id })[Symbol.asyncIterator]()), {
      code: 'input-invalid',
      message: /of a feed of another key/,
    })

    const open = Array.from({ length: 64 }, () => app.query.perPage.changes({ key: 'p' }))
    const feeds = open.map((each) => each[Symbol.asyncIterator]())
    await Promise.all(feeds.map(next))
    const refused = await get(`${url}/perPage/changes`)
    assert.deepEqual([refused.status, refused.body.error.code], [503, 'not-ready'])
    await Promise.all(feeds.map((feed) => feed.return!()))
    const again = eventsOf(`${url}/perPage/changes`)
    assert.equal((await next(again)).event, 'begin')
    await again.return(undefined)
  })
})

function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  gc()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + external + arrayBuffers
}
