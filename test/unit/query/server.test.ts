import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { create } from '@bufbuild/protobuf'
import type { board } from '../../../examples/airline/board.ts'
import { AirportDaySchema } from '../../../examples/airline/gen/airline/punctuality/v1/airport_day_pb.ts'
import { FlightSchema } from '../../../examples/airline/gen/airline/operations/v1/flight_pb.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { connect } from '../../../src/query/client.ts'
import { serveQueries } from '../../../src/query/listen.ts'
import type { QueryServer } from '../../../src/query/listen.ts'
import type { QueryService } from '../../../src/query/view.ts'
import { losslessType } from '../../../src/streams/asking/ask.ts'
import { plainCodec } from '../../../src/streams/stores/plain.ts'
import type { Key } from '../../../src/streams/stores/serde.ts'
import { PeerCounts } from '../../../src/streams/views/peer-counts.ts'
import type { ViewReader } from '../../../src/streams/views/view-reader.ts'
import type { Table, WindowTable } from '../../../src/streams/topology/builder.ts'
import type { Keyspace } from '../../../src/events/event.ts'
import { noIPv6 } from '../../conformance/this-machine.ts'

const hour = 3_600_000
const first = Date.UTC(2001, 0, 1)
/** A window of records with a time that is no date any more. */
const beyond = first * 9_100

const days = ['ATL:2001-01-01', 'ORD:2001-01-01', 'ORD:2001-01-02', 'ORD:2001-01-03'].map((id, i) =>
  create(AirportDaySchema, {
    id,
    airport: id.slice(0, 3),
    flights: 10 + i,
    late: i,
    delayTotal: -i,
  }),
)
const flight = create(FlightSchema, {
  row: 7,
  origin: 'ORD',
  date: { seconds: BigInt(first / 1000), nanos: 0 },
})
/** All of a view is here. */
const alone: Pick<
  ViewReader,
  'partitionOf' | 'whereIs' | 'standing' | 'peers' | 'wanting' | 'changes'
> = {
  partitionOf: () => 0,
  whereIs: () => 'here',
  standing: () => ({ cluster: 'c', generation: 1 }),
  peers: new PeerCounts(),
  wanting: () => assert.fail('nobody waits here'),
  changes: () => assert.fail('nobody follows here'),
}

let boardReady = true
let boardEnd: { code: string; message: string } | undefined

const services: QueryService[] = [
  {
    name: 'board',
    ready: () => boardReady,
    ended: () => boardEnd,
    views: {
      airportDays: table(AirportDaySchema, new Map(days.map((day) => [day.id, day]))),
      totals: table(
        undefined,
        new Map([['x/y z', { total: 12n, at: new Date(first), $bigint: 'a key like any other' }]]),
      ),
    },
  },
  {
    name: 'traffic',
    ready: () => true,
    ended: () => undefined,
    views: {
      byNumber: { ...table(FlightSchema, new Map([[42n, flight]])), keyType: 'int64' },
      perHour: windows(
        new Map([
          [first, 3],
          [first + 2 * hour, 5],
        ]),
      ),
      farAway: windows(new Map([[beyond, 9]])),
    },
  },
]

let server: QueryServer
before(async () => {
  server = await serveQueries({ host: '127.0.0.1', port: 0, services: () => services })
})
after(() => server.close())

describe('the query server', () => {
  it('does not listen where nobody can ask', async () => {
    await assert.rejects(serveQueries({ host: '127.0.0.1', port: 6_000, services: () => [] }), {
      code: 'config-invalid',
      message: /the query port is 6000, which browsers and fetch refuse/,
    })
  })

  it('says at / what is here and where', async () => {
    const { status, body } = await get('/')
    assert.equal(status, 200)
    assert.deepEqual(body.services[0], {
      name: 'board',
      ready: true,
      views: [
        {
          name: 'airportDays',
          entries: 4,
          partitions: { count: 2, covered: [0, 1] },
          key: 'string',
          value: 'airline.punctuality.v1.AirportDay',
          get: '/v1/board/airportDays?key={key}',
          list: '/v1/board/airportDays?prefix={prefix}&limit={limit}&cursor={next}',
        },
        {
          name: 'totals',
          entries: 1,
          partitions: { count: 2, covered: [0, 1] },
          key: 'string',
          value: 'JSON',
          get: '/v1/board/totals?key={key}',
          list: '/v1/board/totals?prefix={prefix}&limit={limit}&cursor={next}',
        },
      ],
    })
    assert.equal(body.services[1].views[1].windowMs, hour)
    assert.deepEqual((await get('/v1/board')).body, body.services[0])
  })

  it("answers a key with its message in Protocol Buffers' JSON, zeros written out", async () => {
    assert.deepEqual(await get('/v1/board/airportDays/ATL:2001-01-01'), {
      status: 200,
      body: {
        id: 'ATL:2001-01-01',
        airport: 'ATL',
        day: '',
        flights: 10,
        late: 0,
        delayTotal: 0,
        meanDelay: 0,
      },
    })
  })

  it('answers whole-number keys and timestamps', async () => {
    const { body } = await get('/v1/traffic/byNumber/42')
    assert.equal(body.date, '2001-01-01T00:00:00Z')
    assert.equal((await get('/v1/traffic/byNumber/43')).status, 404)
    const { status, body: refused } = await get('/v1/traffic/byNumber/forty')
    assert.equal(status, 400)
    assert.match(refused.error.message, /'forty' is not a key of this view/)
  })

  it('answers 404 with what is missing and what there is', async () => {
    for (const [path, code, message] of [
      ['/v1/board/airportDays/ZZZ', 'no-value', /nothing is stored under 'ZZZ'/],
      ['/v1/board/nope/ZZZ', 'not-found', /no view 'nope'.*airportDays, totals/],
      ['/v1/board/toString/ZZZ', 'not-found', /no view 'toString'/],
      ['/v1/nope/airportDays', 'not-found', /no service 'nope'.*board, traffic/],
      ['/v1/nope', 'not-found', /no service 'nope'/],
      ['/v2', 'not-found', /nothing is at \/v2/],
    ] as const) {
      const { status, body } = await get(path)
      assert.equal(status, 404, path)
      assert.equal(body.error.code, code)
      assert.match(body.error.message, message)
    }
  })

  it('lists entries by prefix, up to a limit, and says whether there are more', async () => {
    const { body } = await get('/v1/board/airportDays?prefix=ORD:&limit=2')
    assert.deepEqual(
      body.entries.map((entry: { key: string; value: { flights: number } }) => [
        entry.key,
        entry.value.flights,
      ]),
      [
        ['ORD:2001-01-01', 11],
        ['ORD:2001-01-02', 12],
      ],
    )
    assert.equal(body.more, true)
    assert.equal((await get('/v1/board/airportDays?prefix=ORD:&limit=3')).body.more, false)
    assert.equal((await get('/v1/board/airportDays')).body.entries.length, 4)
  })

  it('refuses a limit that is none', async () => {
    for (const limit of ['0', '-1', 'ten', '10001', '1.5', '']) {
      const { status, body } = await get(`/v1/board/airportDays?limit=${limit}`)
      assert.equal(status, 400, limit)
      assert.match(body.error.message, /from 1 to 10000/)
    }
  })

  it('answers the window that holds a time, and the windows of a range', async () => {
    const at = '2001-01-01T02:59:59Z'
    assert.deepEqual(await get(`/v1/traffic/perHour/ORD?window=${at}`), { status: 200, body: 5 })
    assert.equal((await get('/v1/traffic/perHour/ORD?window=2001-01-01T01:00:00Z')).status, 404)
    const { body } = await get(
      '/v1/traffic/perHour/ORD?from=2001-01-01T00:00:00Z&to=2001-01-01T03:00:00Z',
    )
    assert.deepEqual(body.entries, [
      {
        key: 'ORD',
        start: '2001-01-01T00:00:00.000Z',
        end: '2001-01-01T01:00:00.000Z',
        value: 3,
      },
      {
        key: 'ORD',
        start: '2001-01-01T02:00:00.000Z',
        end: '2001-01-01T03:00:00.000Z',
        value: 5,
      },
    ])
  })

  it('writes a time beyond all dates in milliseconds, and takes it', async () => {
    const listed = await get('/v1/traffic/farAway')
    const [start, end] = [String(beyond), String(beyond + hour)]
    assert.deepEqual(listed.body.entries, [{ key: 'ORD', start, end, value: 9 }])
    const found = await get(`/v1/traffic/farAway/ORD?window=${beyond + 5}`)
    assert.deepEqual(found, { status: 200, body: 9 })
    const missing = await get(`/v1/traffic/farAway/ORD?window=${beyond + hour}`)
    assert.equal(missing.status, 404)
  })

  it('takes only windows that start within the range', async () => {
    const times = async (from: string, to: string) => {
      const { body } = await get(
        `/v1/traffic/perHour/ORD?from=2001-01-01T${from}&to=2001-01-01T${to}`,
      )
      return body.entries.map(({ start }: { start: string }) => start.slice(11, 16))
    }
    assert.deepEqual(await times('00:00:01Z', '03:00:00Z'), ['02:00'])
    assert.deepEqual(await times('00:00:00Z', '02:00:00Z'), ['00:00'])
    assert.deepEqual(await times('02:00:00Z', '01:00:00Z'), [])
  })

  it('refuses a windowed get without a time, a wrong time and an endless range', async () => {
    for (const [query, message] of [
      ['', /add \?window=/],
      ['?window=noon', /window is 'noon'/],
      ['?from=2001-01-01T00:00:00Z', /to is ''/],
      ['?from=0&to=8640000000000000', /at most 10000/],
    ] as const) {
      const { status, body } = await get(`/v1/traffic/perHour/ORD${query}`)
      assert.equal(status, 400)
      assert.match(body.error.message, message)
    }
  })

  it('answers 503 while a service restores its tables', async () => {
    boardReady = false
    try {
      const { status, body } = await get('/v1/board/airportDays/ATL:2001-01-01')
      assert.equal(status, 503)
      assert.equal(body.error.code, 'not-ready')
      assert.equal((await get('/')).body.services[0].views[0].entries, null)
    } finally {
      boardReady = true
    }
  })

  it('answers 503 with the reason once a service has ended', async () => {
    boardEnd = { code: 'operator-failed', message: 'map 1 threw: no' }
    boardReady = false
    try {
      const path = '/v1/board/airportDays/ATL:2001-01-01'
      const { status, body } = await get(path)
      assert.equal(status, 503)
      assert.equal(body.error.code, 'service-ended')
      const message = /service 'board' has ended \(operator-failed\): map 1 threw: no/
      assert.match(body.error.message, message)
      const client = connect<typeof board>(`${server.url}/v1/board`)
      await assert.rejects(client.airportDays.get('ATL:2001-01-01'), {
        code: 'query-failed',
        message,
        retriable: false,
      })
    } finally {
      boardEnd = undefined
      boardReady = true
    }
  })

  for (const [host, url] of [
    ['0.0.0.0', /^http:\/\/127\.0\.0\.1:\d+$/],
    ['::1', /^http:\/\/\[::1\]:\d+$/],
    ['::', /^http:\/\/\[::1\]:\d+$/],
  ] as const) {
    const skip = host.includes(':') && noIPv6
    it(`says where this machine reaches it when it listens on ${host}`, { skip }, async () => {
      const elsewhere = await serveQueries({ host, port: 0, services: () => services })
      assert.match(elsewhere.url, url)
      assert.equal((await fetch(`${elsewhere.url}/`)).status, 200)
      const views = connect<typeof board>(`${elsewhere.url}/v1/board`)
      assert.deepEqual(await views.airportDays.get('ORD:2001-01-02'), days[2])
      await elsewhere.close()
    })
  }

  it('names the port and the fix when another program has it', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    await assert.rejects(
      serveQueries({ host: '127.0.0.1', port, services: () => [] }),
      (error: unknown) =>
        isHeadwaterError(error, 'port-in-use') &&
        error.message.includes(String(port)) &&
        error.message.includes('--query-port'),
    )
    other.close()
  })
})

describe('the typed client', () => {
  interface Traffic {
    readonly queries?: { perHour: WindowTable<Keyspace<'Code', string>, number> }
  }

  interface Totals {
    readonly queries?: { totals: Table<Keyspace<'Code', string>, { total: bigint }> }
  }

  it('reads the messages a service holds, and undefined where there is none', async () => {
    const views = connect<typeof board>(`${server.url}/v1/board`)
    assert.deepEqual(await views.airportDays.get('ORD:2001-01-02'), days[2])
    assert.equal(await views.airportDays.get('ORD:1999-01-01'), undefined)
  })

  it('keeps what plain JSON loses', async () => {
    const response = await fetch(`${server.url}/v1/traffic/byNumber/42`, {
      headers: { accept: losslessType },
    })
    assert.equal(response.headers.get('content-type'), losslessType)
    const bytes = new Uint8Array(await response.arrayBuffer())
    assert.deepEqual(plainCodec.decode(bytes, 0, bytes.length), { ...flight })
    const { totals } = connect<Totals>(`${server.url}/v1/board`)
    assert.deepEqual(await totals.get('x/y z'), {
      total: 12n,
      at: new Date(first),
      $bigint: 'a key like any other',
    })
  })

  it('scans by prefix', async () => {
    const { airportDays } = connect<typeof board>(`${server.url}/v1/board/`)
    const keys: string[] = []
    for await (const [key, day] of airportDays.scan({ prefix: 'ORD', limit: 2 })) {
      keys.push(`${key} ${day.flights}`)
    }
    assert.deepEqual(keys, ['ORD:2001-01-01 11', 'ORD:2001-01-02 12'])
  })

  it('reads one window and a range of them', async () => {
    const { perHour } = connect<Traffic>(`${server.url}/v1/traffic`)
    assert.equal(await perHour.get('ORD', new Date(first + 5)), 3)
    const found = []
    for await (const entry of perHour.range('ORD', new Date(first), new Date(first + 3 * hour))) {
      found.push([entry.start.getTime(), entry.end.getTime(), entry.value])
    }
    assert.deepEqual(found, [
      [first, first + hour, 3],
      [first + 2 * hour, first + 3 * hour, 5],
    ])
  })

  it('rejects with what the server said, and with the address when there is none', async () => {
    const wrong = connect<Traffic>(`${server.url}/v1/nope`)
    await assert.rejects(wrong.perHour.get('x', new Date(0)), {
      code: 'query-failed',
      message: /answered 404: there is no service 'nope'/,
    })
    const nobody = connect<typeof board>('http://127.0.0.1:9/v1/board')
    await assert.rejects(nobody.airportDays.get('x'), {
      code: 'connection-failed',
      message: /no query server answers at http:\/\/127.0.0.1:9/,
    })
  })
})

async function get(path: string) {
  const response = await fetch(server.url + path)
  assert.match(response.headers.get('content-type')!, /^application\/json/)
  // oxlint-disable-next-line no-explicit-any -- the shape is what the tests check
  return { status: response.status, body: (await response.json()) as any }
}

function table(schema: ViewReader['schema'], rows: ReadonlyMap<Key, unknown>): ViewReader {
  const scan: ViewReader['scan'] = (prefix, limit, place) =>
    [...rows]
      .filter(([key]) => String(key).startsWith(prefix))
      .filter(([key]) => place === undefined || String(key) > place.text)
      .slice(0, limit)
      .map(([key, value]) => ({ key, value }))
  return {
    keyType: 'string',
    schema,
    windowMs: undefined,
    signature: 'a table',
    partitions: 2,
    held: () => [0, 1],
    size: () => rows.size,
    get: (key) => rows.get(key),
    getWindow: () => undefined,
    windows: () => [],
    scan,
    rows: scan,
    ...alone,
  }
}

function windows(values: ReadonlyMap<number, number>): ViewReader {
  const scan = () => [...values].map(([windowStart, value]) => ({ key: 'ORD', windowStart, value }))
  return {
    keyType: 'string',
    schema: undefined,
    windowMs: hour,
    signature: 'windows',
    partitions: 2,
    held: () => [0, 1],
    size: () => values.size,
    get: () => undefined,
    getWindow: (key, start) => (key === 'ORD' ? values.get(start) : undefined),
    windows: (key, from, to) =>
      scan().filter(({ windowStart }) => {
        return key === 'ORD' && windowStart >= from && windowStart < to
      }),
    scan,
    rows: scan,
    ...alone,
  }
}
