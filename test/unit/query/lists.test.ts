import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../../src/query/client.ts'
import { listBytesMax } from '../../../src/query/lists.ts'
import { nodeHttp } from '../../../src/io/node-http.ts'
import { service } from '../../../src/service/service.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import { runCommand } from '../../airline/command.ts'
import { asked, Clicks, web } from './asked.ts'
import type { Asked } from './asked.ts'

const rowCount = 10_500
/** Counts pages, also by minute, and keeps as many bytes for each as its clicks say. */
const board = (version = 1) =>
  service('board', {
    reads: [Clicks],
    writes: [],
    topology: (s) => {
      const clicks = s.stream(Clicks)
      const windows = clicks
        .filter(({ page }) => page < 'p00010')
        .window(tumbling('1m', { grace: '1d' }))
      const few = clicks.filter(({ times }) => times > 0)
      return {
        perPage: clicks.count('per-page', { version }),
        perMinute: windows.count('per-minute'),
        bytes: few.reduce(
          'bytes',
          () => new Uint8Array(0),
          (_before, { times }) => new Uint8Array(times).fill(7),
        ),
      }
    },
  })

const page = (n: number) => `p${String(n).padStart(5, '0')}`
const atMinute = (minute: number) => ({
  $typeName: 'google.protobuf.Timestamp' as const,
  seconds: BigInt(minute * 60),
  nanos: 0,
})
const clicks = Array.from({ length: rowCount }, (_, n) => ({
  page: page(n),
  times: n >= 100 && n < 130 ? 1_000_000 : 0,
  at: atMinute(100),
}))
const timed = Array.from({ length: 40 }, (_, n) => ({ page: page(n % 4), at: atMinute(n) }))

interface List {
  readonly entries: { key: string; start?: string; value: unknown }[]
  readonly more: boolean
  readonly next: string | null
  readonly partitions: object
}

describe('a list that is longer than an answer', () => {
  let services: Asked
  let url = ''
  let origin = ''
  before(async () => {
    services = await asked()
    const written = await services.start(web([...timed, ...clicks]))
    const asking = await services.start(board())
    await written.app.caughtUp()
    await asking.app.caughtUp()
    ;({ url, origin } = asking)
  })
  after(() => services[Symbol.asyncDispose]())

  const list = async (path: string): Promise<List> => {
    const response = await fetch(`${url}/${path}`)
    assert.equal(response.status, 200, path)
    return (await response.json()) as List
  }

  it('is given in pages, each of which says where the next begins', async () => {
    const keys: string[] = []
    let query = 'limit=4000'
    for (const [size, more] of [
      [4_000, true],
      [4_000, true],
      [2_500, false],
    ] as const) {
      const { entries, ...rest } = await list(`perPage?${query}`)
      assert.deepEqual([entries.length, rest.more], [size, more])
      assert.equal(rest.next === null, !more)
      assert.deepEqual(rest.partitions, { count: 4, covered: [0, 1, 2, 3] })
      keys.push(...entries.map(({ key }) => key))
      query = `limit=4000&cursor=${rest.next}`
    }
    assert.deepEqual(
      keys,
      clicks.map(({ page }) => page),
    )
  })

  it('is given whole by the typed client, or as far as was asked for', async () => {
    const { perPage } = connect<ReturnType<typeof board>>(url)
    assert.equal((await Array.fromAsync(perPage.scan())).length, rowCount)
    for (const limit of [1, 1_000, 1_001, 10_001, 20_000, Infinity]) {
      const rows = await Array.fromAsync(perPage.scan({ limit }))
      assert.equal(rows.length, Math.min(limit, rowCount))
    }
    const { entries, more, next } = await perPage.page({ prefix: 'p0000', limit: 9 })
    assert.deepEqual([entries.length, more], [9, true])
    const last = await perPage.page({ prefix: 'p0000', limit: 9, cursor: next! })
    assert.deepEqual(
      [last.entries, last.more, last.next, last.partitions],
      [[['p00009', 1]], false, undefined, { count: 4, covered: [0, 1, 2, 3] }],
    )
    await assert.rejects(Array.fromAsync(perPage.scan({ limit: -1 })), { code: 'input-invalid' })
    for (const limit of [Infinity, 10_001]) {
      await assert.rejects(perPage.page({ limit }), { code: 'input-invalid' })
    }
  })

  it('ends a page when it has grown large', async () => {
    const first = await list('bytes?limit=10000')
    assert.ok(first.more)
    const bytes = first.entries.reduce((sum, { value }) => sum + (value as string).length, 0)
    assert.ok(bytes >= listBytesMax && bytes < listBytesMax + 1_400_000, `${bytes}`)
    const { bytes: view } = connect<ReturnType<typeof board>>(url)
    const rows = await Array.fromAsync(view.scan())
    assert.deepEqual(
      rows.map(([key, value]) => [key, value.length]),
      clicks.filter(({ times }) => times > 0).map(({ page, times }) => [page, times]),
    )
  })

  it('has cursors between windows of one key', async () => {
    const whole = await list('perMinute?limit=1000')
    const places: string[] = []
    let next: string | null = ''
    while (next !== null) {
      const part = await list(`perMinute?limit=3${next && `&cursor=${next}`}`)
      places.push(...part.entries.map(({ key, start }) => `${key} ${start}`))
      next = part.next
    }
    assert.deepEqual(
      places,
      whole.entries.map(({ key, start }) => `${key} ${start}`),
    )
    assert.ok(places.length > 40, `${places.length}`)
  })

  it('refuses a cursor that is broken or of another query', async () => {
    const { next } = await list('perPage?limit=1&prefix=p0')
    for (const [query, why] of [
      [`cursor=${next}`, /another prefix than ''/],
      [`prefix=p00&cursor=${next}`, /another prefix than 'p00'/],
      [`prefix=p0&cursor=${next!.slice(1)}`, /none that was given out here/],
      ['prefix=p0&cursor=', /none that was given out here/],
    ] as const) {
      await assertBad(`perPage?${query}`, why)
    }
    await assertBad(`bytes?prefix=p0&cursor=${next}`, /of view 'perPage' of service 'board'/)
    const { perPage } = connect<ReturnType<typeof board>>(url)
    await assert.rejects(perPage.page({ cursor: next! }), {
      code: 'query-failed',
      message: /answered 400.*another prefix/,
    })
  })

  it('is printed whole by `headwater get --all`, and else says what it left out', async () => {
    const get = (...args: string[]) =>
      runCommand(['get', 'board', 'perPage', '--url', origin, ...args])
    const all = await get('--all')
    assert.deepEqual([all.code, all.stderr], [0, ''])
    const lines = all.stdout.trimEnd().split('\n')
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { key: string }).key),
      clicks.map(({ page }) => page),
    )
    const many = await get('--limit', '10200', '--json')
    const answer = JSON.parse(many.stdout) as List
    assert.equal(answer.entries.length, 10_200)
    assert.match(many.stderr, /10,200 entries are shown and there are more: .*--all.*--cursor /)
    const rest = await get('--cursor', answer.next!, '--limit', '10000', '--json')
    assert.deepEqual([rest.code, rest.stderr], [0, ''])
    assert.equal((JSON.parse(rest.stdout) as List).entries.length, 300)
    const some = await get()
    assert.equal((JSON.parse(some.stdout) as List).entries.length, 100)
    assert.match(some.stderr, /100 entries are shown and there are more/)
  })

  async function assertBad(path: string, why: RegExp): Promise<void> {
    const response = await fetch(`${url}/${path}`)
    assert.equal(response.status, 400, path)
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    assert.equal(error.code, 'bad-request')
    assert.match(error.message, why)
  }
})

describe('a list whose partitions move between its pages', () => {
  it('is said to lack those that one of the pages lacked', async () => {
    const page = (key: string, next: string | null, covered: readonly number[]) => ({
      entries: [{ key, value: 1 }],
      more: next !== null,
      next,
      partitions: { count: 2, covered },
    })
    const server = await nodeHttp.listen('127.0.0.1', 0, ({ url }) =>
      Response.json(url.includes('cursor') ? page('b', null, [0, 1]) : page('a', 'x', [0])),
    )
    try {
      const url = `http://127.0.0.1:${server.port}`
      const all = await runCommand(['get', 'board', 'perPage', '--url', url, '--all'])
      assert.equal(all.stdout.trim().split('\n').length, 2)
      assert.match(all.stderr, /holds 1 of the 2 partitions/)
    } finally {
      await server.close()
    }
  })
})
