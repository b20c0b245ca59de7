/** Questions that arrive at another instance than the one that has the answer. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { connect } from '../../../src/query/client.ts'
import { operations } from '../../../src/operations/operations.ts'
import { service } from '../../../src/service/service.ts'
import type { Running } from '../../../src/streams/runtime/run.ts'
import { losslessType } from '../../../src/streams/asking/ask.ts'
import { hopHeader } from '../../../src/streams/asking/peer.ts'
import { plainCodec } from '../../../src/streams/stores/plain.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import { runCommand } from '../../airline/command.ts'
import { asked, Clicks, Profiles } from './asked.ts'
import type { Asked } from './asked.ts'
import { valuesOf } from '../operations/observed.ts'
import { board, pages, written } from './board.ts'
import { get, isWhole, until } from './group-of-instances.ts'

const minute = 60_000
/** Nobody dies here, and a busy machine may keep heartbeats for seconds. */
const quick = { sessionTimeoutMs: 60_000, heartbeatIntervalMs: 100 }
const shared = { isShared: true }

describe('a service in two instances that know each other’s addresses', () => {
  let services: Asked
  let urls: string[]
  let origin = ''
  let apps: readonly Awaited<ReturnType<typeof startBoard>>['app'][]
  const startBoard = (instanceId: string, o = shared) => {
    return services.start(board, { instanceId, ...quick }, o)
  }
  before(async () => {
    services = await asked()
    await written(services)
    const a = await startBoard('a')
    const b = await startBoard('b')
    ;[urls, apps, origin] = [[a.url, b.url], [a.app, b.app], a.origin]
    await until(() => isWhole(apps, 8))
    await Promise.all(apps.map((app) => app.caughtUp()))
  })
  after(() => services[Symbol.asyncDispose]())

  it('answers every key at either of them, in either encoding, also that there is nothing', async () => {
    for (const url of urls) {
      for (const [n, page] of pages.entries()) {
        const json = await get(`${url}/perPage?key=${page}`)
        assert.deepEqual([json.status, json.body], [200, n + 1], page)
        assert.equal((await get(`${url}/perPage/${page}`)).body, n + 1)
        const lossless = await fetch(`${url}/profiles/${page}`, {
          headers: { accept: losslessType },
        })
        assert.equal(lossless.headers.get('content-type'), losslessType)
        const bytes = new Uint8Array(await lossless.arrayBuffer())
        const { big } = plainCodec.decode(bytes, 0, bytes.length) as { big: bigint }
        assert.equal(big, 2n ** 60n + BigInt(n))
        const none = await get(`${url}/perPage?key=none-${page}`)
        assert.deepEqual([none.status, none.body.error.code], [404, 'no-value'])
        assert.match(none.body.error.message, /nothing is stored under 'none-/)
        const head = await fetch(`${url}/perPage?key=${page}`, { method: 'HEAD' })
        assert.deepEqual([head.status, await head.text()], [200, ''])
      }
      const odd = 'a/b & c=d+e %2B "é" \u2028'
      const quoted = await get(`${url}/perPage?key=${encodeURIComponent(odd)}`)
      assert.ok(quoted.body.error.message.includes(`'${odd}'`), quoted.body.error.message)
      const inPath = await get(`${url}/perPage/${encodeURIComponent(odd)}`)
      assert.deepEqual(inPath, quoted)
    }
  })

  it('counts what it asks the other, and what came of it', async () => {
    const before = apps.map((app) => Object.values(app.stats().peers)[0])
    for (const page of pages) await get(`${urls[0]}/perPage?key=${page}`)
    await get(`${urls[0]}/perPage?limit=3`)
    const [[address, counts] = ['', undefined], ...rest] = Object.entries(apps[0]!.stats().peers)
    assert.deepEqual(rest, [])
    assert.ok(urls[1]!.includes(address), address)
    const asked = counts!.asked - (before[0]?.asked ?? 0)
    assert.ok(asked > 1 && asked < pages.length, `${asked}`)
    assert.equal(counts!.answered - (before[0]?.answered ?? 0), asked)
    const scraped = await operations({ services: () => apps[0]!.services })(
      new Request('http://127.0.0.1/metrics'),
    )!
    const values = valuesOf(await scraped.text())
    const labels = `{service="board",instance_id="a",peer="${address}"}`
    assert.equal(values.get(`headwater_service_peer_questions_asked_total${labels}`), counts!.asked)
    assert.equal(values.get(`headwater_service_peer_questions_refused_total${labels}`), 0)
    // Who is asked asks nobody.
    assert.deepEqual(Object.values(apps[1]!.stats().peers)[0], before[1])
  })

  it('says that a prefix is too long to be passed on, and does not fail for it', async () => {
    const longest = `"`.repeat(30_000)
    const { status, body } = await get(`${urls[0]}/perPage?prefix=${'/'.repeat(30_000)}`)
    assert.deepEqual([status, body.error.code], [400, 'bad-request'])
    assert.match(body.error.message, /longer than/)
    await assert.rejects(apps[0]!.query.perPage.page({ prefix: longest }), {
      code: 'input-invalid',
      retriable: false,
    })
  })

  it('answers what no proxy keeps: a value, that there is nothing, a list, a refusal', async () => {
    const paths = [
      ...pages.map((page) => `perPage?key=${page}`),
      'perPage?key=none',
      'perPage',
      'perPage?key=a&limit=1',
      '',
    ]
    for (const path of paths) {
      const { headers } = await fetch(`${urls[0]}/${path}`)
      assert.equal(headers.get('cache-control'), 'no-store', path)
    }
  })

  it('answers the windows of a key at either of them', async () => {
    for (const url of urls) {
      const views = connect<typeof board>(url)
      for (const [n, page] of pages.entries()) {
        const at = new Date(n * minute + 1)
        assert.equal((await get(`${url}/perMinute?key=${page}&window=${n * minute}`)).body, 1)
        const { body } = await get(`${url}/perMinute?key=${page}&from=0&to=${100 * minute}`)
        assert.deepEqual([body.entries.length, body.more, body.next], [n + 1, false, null])
        assert.equal(await views.perMinute.get(page, at), 1)
        const all = await Array.fromAsync(
          views.perMinute.range(page, new Date(0), new Date(100 * minute)),
        )
        assert.equal(all.length, n + 1)
      }
    }
  })

  it('lists all rows in order at either of them, in pages of any size', async () => {
    for (const url of urls) {
      for (const limit of [1, 7, 60, 1000]) {
        const keys: string[] = []
        let cursor = ''
        do {
          const { status, body } = await get(`${url}/perPage?limit=${limit}${cursor}`)
          assert.equal(status, 200)
          assert.deepEqual(body.partitions, { count: 4, covered: [0, 1, 2, 3] })
          assert.equal(body.more, body.next !== null)
          for (const { key, value } of body.entries) {
            keys.push(key)
            assert.equal(value, pages.indexOf(key) + 1)
          }
          // The next page is of the other instance's making.
          cursor = body.next === null ? '' : `&cursor=${body.next}`
        } while (cursor !== '')
        assert.deepEqual(keys, pages)
      }
      const { body } = await get(`${url}/perMinute?prefix=p5&limit=10000`)
      const places = body.entries.map(
        ({ key, start }: { key: string; start: string }) => key + start,
      )
      assert.equal(places.length, 555)
      assert.deepEqual(places, places.toSorted())
    }
  })

  it('writes a gathered list as one of a single instance is written', async () => {
    const alone = await services.start(boardAlone)
    await alone.app.caughtUp()
    for (const accept of ['application/json', losslessType]) {
      for (const path of ['profiles?limit=60', 'perMinute?limit=500&prefix=p3']) {
        const texts = [...urls, alone.url].map(async (url) => {
          const response = await fetch(`${url}/${path}`, { headers: { accept } })
          assert.equal(response.status, 200)
          const text = Buffer.from(await response.arrayBuffer()).toString('latin1')
          // Cursors name their service.
          return text.replace(/"next": "[\w-]+"/, '')
        })
        const [a, b, whole] = await Promise.all(texts)
        assert.equal(a, whole)
        assert.equal(b, whole)
      }
    }
    await alone.app.close()
  })

  it('answers in the process as over HTTP', async () => {
    for (const { query } of apps) {
      for (const [n, page] of pages.entries()) {
        assert.equal(await query.perPage.get(page), n + 1)
        assert.equal(await query.perPage.get(`none-${page}`), undefined)
        const profile = await query.profiles.get(page)
        assert.deepEqual([profile?.big, profile?.photo], [2n ** 60n + BigInt(n), Uint8Array.of(n)])
        const from = new Date(0)
        const windows = await Array.fromAsync(
          query.perMinute.range(page, from, new Date(100 * minute)),
        )
        assert.deepEqual(
          windows.map(({ start, value }) => [start.getTime(), value]),
          Array.from({ length: n + 1 }, (_, i) => [i * minute, 1]),
        )
        assert.equal(await query.perMinute.get(page, new Date(n * minute + 5)), 1)
      }
      const scanned = await Array.fromAsync(query.perPage.scan())
      assert.deepEqual(
        scanned,
        pages.map((page, n) => [page, n + 1]),
      )
      assert.equal(
        (await Array.fromAsync(query.perPage.scan({ limit: 7, prefix: 'p1' }))).length,
        7,
      )
      const first = await query.perPage.page({ limit: 50 })
      assert.deepEqual([first.entries.length, first.more], [50, true])
      assert.deepEqual(first.partitions, { count: 4, covered: [0, 1, 2, 3] })
      const rest = await query.perPage.page({ limit: 50, cursor: first.next! })
      assert.deepEqual([...first.entries, ...rest.entries], scanned)
    }
  })

  it('is scanned whole by the typed client and by `headwater get`', async () => {
    for (const url of urls) {
      const rows = await Array.fromAsync(connect<typeof board>(url).perPage.scan())
      assert.deepEqual(
        rows.map(([key]) => key),
        pages,
      )
    }
    const listed = await runCommand(['get', 'board', 'perPage', '--all', '--url', origin])
    assert.deepEqual([listed.code, listed.stderr], [0, ''])
    assert.equal(listed.stdout.trimEnd().split('\n').length, pages.length)
  })

  it('passes a question on once: who is asked by another instance asks nobody', async () => {
    const statuses = new Set<number>()
    const hop = await hopOf(apps[0]!, services)
    for (const page of pages) {
      const { status, body } = await get(`${urls[0]}/perPage?key=${page}`, { [hopHeader]: hop })
      statuses.add(status)
      if (status === 421) assert.equal(body.error.code, 'partition-elsewhere')
    }
    assert.deepEqual(
      [...statuses].toSorted((a, b) => a - b),
      [200, 421],
    )
    const { body } = await get(`${urls[0]}/perPage?limit=1000`, { [hopHeader]: hop })
    assert.ok(body.partitions.covered.length < 4)
  })

  it('does not answer an instance of a later generation, of another cluster, or of no known kind', async () => {
    const hop = await hopOf(apps[0]!, services)
    const [generation, cluster, signature] = hop.split(';') as [string, string, string]
    for (const [mark, why] of [
      [`${Number(generation) + 1};${cluster};${signature}`, /has not heard of generation \d+/],
      [
        `${generation};another;${signature}`,
        /it is of cluster '.*', and the one that asks of 'another'/,
      ],
      [`${generation};${cluster};another`, /of another version of the service/],
      ['whatever', /'whatever' is no mark/],
    ] as const) {
      for (const path of ['perPage?key=p00', 'perPage', 'perPage/p00']) {
        const { status, body, retryAfter } = await get(`${urls[0]}/${path}`, { [hopHeader]: mark })
        assert.deepEqual([status, body.error.code, retryAfter], [503, 'not-ready', '1'])
        assert.match(body.error.message, why)
      }
    }
    const older = await get(`${urls[0]}/perPage`, { [hopHeader]: `0;${cluster};${signature}` })
    assert.equal(older.status, 200)
  })
})

/** The same views, of a service that has one instance. */
const boardAlone = service('board-alone', {
  reads: [Clicks, Profiles],
  writes: [],
  topology: (s) => {
    const counted = s.stream(Clicks)
    return {
      perMinute: counted.window(tumbling('1m', { grace: '1d' })).count('per-minute'),
      profiles: s.table(Profiles),
    }
  },
})

describe('an instance that cannot be asked', () => {
  const cases: readonly (readonly [what: string, answer: RequestListener | 'nothing'])[] = [
    ['does not answer', 'nothing'],
    [
      'answers with a page that is not ours',
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html>hello</html>')
      },
    ],
    [
      'says that there is no such page',
      (_request, response) => {
        response.writeHead(404, { 'content-type': 'text/html' }).end('<html>not found</html>')
      },
    ],
    [
      'knows no such service',
      (_request, response) => {
        response.writeHead(404).end(JSON.stringify({ error: { code: 'not-found', message: 'no' } }))
      },
    ],
    [
      'has given the partition away',
      (_request, response) => {
        response
          .writeHead(421)
          .end(JSON.stringify({ error: { code: 'partition-elsewhere', message: 'no' } }))
      },
    ],
    [
      'has ended',
      (_request, response) => {
        response
          .writeHead(503)
          .end(JSON.stringify({ error: { code: 'service-ended', message: 'no' } }))
      },
    ],
    [
      'answers in JSON, and is somebody else who has the address now',
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      },
    ],
    [
      'is somebody else who sends elsewhere',
      (request, response) => {
        const isSent = request.url!.startsWith('/elsewhere')
        response
          .writeHead(isSent ? 200 : 302, {
            'content-type': losslessType,
            ...(!isSent && { location: '/elsewhere' }),
          })
          .end()
      },
    ],
    [
      'says that there is nothing, and is somebody else',
      (_request, response) => {
        const error = { code: 'no-value', message: 'no' }
        response.writeHead(404).end(JSON.stringify({ error }))
      },
    ],
    [
      'finds fault with the question',
      (_request, response) => {
        const error = { code: 'bad-request', message: 'no' }
        response.writeHead(400).end(JSON.stringify({ error }))
      },
    ],
    ['hangs up', (_request, response) => response.destroy()],
  ]

  for (const [what, answer] of cases) {
    it(`because it ${what} is no reason to say that there is nothing`, async () => {
      await using services = await asked()
      await written(services)
      await using other = answer === 'nothing' ? await silent() : await answering(answer)
      const a = await services.start(board, { instanceId: 'a', ...quick }, shared)
      const queryAddress = `127.0.0.1:${other.port}`
      const b = await services.start(board, { instanceId: 'b', ...quick, queryAddress })
      await until(() => isWhole([a.app, b.app], 8))
      const seen = new Set<number>()
      const from = performance.now()
      const answers = await Promise.all(pages.map((page) => get(`${a.url}/perPage?key=${page}`)))
      for (const [n, { status, retryAfter, body }] of answers.entries()) {
        seen.add(status)
        if (status === 200) assert.equal(body, n + 1)
        else {
          assert.deepEqual([status, body.error.code, retryAfter], [503, 'not-ready', '1'])
          assert.ok(body.error.message.includes(queryAddress), body.error.message)
        }
      }
      assert.deepEqual(
        [...seen].toSorted((a, b) => a - b),
        [200, 503],
      )
      assert.ok(performance.now() - from < 15_000, 'bounded time')

      // Each of what follows would wait as long.
      if (answer === 'nothing') return
      const list = await get(`${a.url}/perPage?limit=1000`)
      assert.deepEqual([list.status, list.retryAfter], [503, '1'])
      const part = await get(`${a.url}/perPage?limit=1000&partial=true`)
      const here = answers.filter(({ status }) => status === 200).length
      assert.deepEqual([part.status, part.body.entries.length], [200, here])
      assert.equal(part.body.partitions.covered.length, 2)

      const { perPage } = a.app.query
      const refused = { code: 'not-ready', retriable: true }
      await assert.rejects(Array.fromAsync(perPage.scan()), refused)
      await assert.rejects(perPage.page(), refused)
      assert.equal((await Array.fromAsync(perPage.scan({ partial: true }))).length, here)
      const away = pages[answers.findIndex(({ status }) => status === 503)]!
      await assert.rejects(perPage.get(away), refused)
      const range = a.app.query.perMinute.range(away, new Date(0), new Date(minute))
      await assert.rejects(Array.fromAsync(range), refused)
    })
  }

  it('because it has no address is asked by who asks, as the answer says', async () => {
    await using services = await asked()
    await written(services)
    const a = await services.start(board, { instanceId: 'a', ...quick }, shared)
    const b = await services.start(board, { instanceId: 'b', ...quick })
    await until(() => isWhole([a.app, b.app], 8))
    // The one without an address is asked, and passes on; the other way it cannot be.
    for (const [n, page] of pages.entries()) {
      assert.equal((await get(`${b.url}/perPage?key=${page}`)).body, n + 1)
    }
    const answers = await Promise.all(pages.map((page) => get(`${a.url}/perPage?key=${page}`)))
    const away = answers.filter(({ status }) => status === 421)
    assert.ok(away.length > 0 && away.length < pages.length)
    for (const { body } of away) assert.match(body.error.message, /has said no address/)
    const list = await get(`${a.url}/perPage?limit=1000`)
    assert.deepEqual([list.status, list.body.entries.length], [200, pages.length - away.length])
    assert.equal(list.body.partitions.covered.length, 2)
    const scanned = await Array.fromAsync(a.app.query.perPage.scan())
    assert.equal(scanned.length, pages.length - away.length)
    assert.equal((await Array.fromAsync(b.app.query.perPage.scan())).length, pages.length)
    const elsewhere = pages[answers.findIndex(({ status }) => status === 421)]!
    const range = a.app.query.perMinute.range(elsewhere, new Date(0), new Date(minute))
    assert.deepEqual(await Array.fromAsync(range), [])
  })

  it('is asked no more when it has closed', async () => {
    await using services = await asked()
    await written(services)
    const a = await services.start(board, { instanceId: 'a', ...quick }, shared)
    const b = await services.start(board, { instanceId: 'b', ...quick }, shared)
    await until(() => isWhole([a.app, b.app], 8))
    const closing = b.app.close()
    await assert.rejects(b.app.query.perPage.get('p00'), (error) => {
      return isHeadwaterError(error, 'not-ready') && error.message.includes('is closing')
    })
    await closing
    await until(() => isWhole([a.app], 8))
    for (const [n, page] of pages.entries()) {
      assert.equal((await get(`${a.url}/perPage?key=${page}`)).body, n + 1)
    }
  })
})

/** The mark that another instance would ask this one with. */
async function hopOf(app: { services: Running<unknown, unknown>['services'] }, services: Asked) {
  const assignment = app.services[0]!.stats().assignment!
  const cluster = await clusterIdOf(services)
  const { signature } = app.services[0]!.views['perPage']!
  return [assignment.generation, encodeURIComponent(cluster), encodeURIComponent(signature)].join(
    ';',
  )
}

async function clusterIdOf({ broker }: Asked): Promise<string> {
  const cluster = await Cluster.connect({ ...broker, clock: nodeClock, random: nodeRandom })
  try {
    return cluster.metadata.clusterId ?? ''
  } finally {
    await cluster.close()
  }
}

async function silent() {
  const server = createTcpServer(() => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { port, [Symbol.asyncDispose]: async () => void server.close() }
}

async function answering(listener: RequestListener) {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
