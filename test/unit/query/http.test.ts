import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { text as readText } from 'node:stream/consumers'
import { urlCharsMax } from '../../../src/query/target.ts'
import { service } from '../../../src/service/service.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import { asked, Clicks, web } from './asked.ts'
import type { Asked } from './asked.ts'

const board = service('board', {
  reads: [Clicks],
  writes: [],
  topology: (s) => ({
    perPage: s.stream(Clicks).count('per-page'),
    perHour: s
      .stream(Clicks)
      .window(tumbling('1h', { grace: '1d' }))
      .count('per-hour'),
  }),
})

/** Five hours into 15 January 2001, and once more at six. */
const times = [5, 5, 6].map((hour) => BigInt(Date.UTC(2001, 0, 15, hour) / 1000))

describe('the query server as an HTTP server', () => {
  let services: Asked
  let origin = ''
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  before(async () => {
    services = await asked()
    const at = (seconds: bigint) => ({
      $typeName: 'google.protobuf.Timestamp' as const,
      seconds,
      nanos: 0,
    })
    const clicks = times.map((seconds) => ({ page: 'home', at: at(seconds) }))
    const written = await services.start(web(clicks))
    const asking = await services.start(board)
    await written.app.caughtUp()
    await asking.app.caughtUp()
    origin = asking.origin
  })
  after(async () => {
    agent.destroy()
    await services[Symbol.asyncDispose]()
  })

  interface Sent extends RequestOptions {
    readonly body?: string
  }
  const send = async (path: string, { body, ...o }: Sent = {}) => {
    const sent = request(origin, { agent, path, ...o })
    sent.end(body)
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const { statusCode: status, headers } = response
    const said = await readText(response)
    return { status, headers, said, port: sent.socket!.localPort }
  }
  const refused = async (path: string, o: Sent = {}) => {
    const { status, headers, said } = await send(path, o)
    assert.equal(headers['content-type'], 'application/json; charset=utf-8', path)
    const { error, ...rest } = JSON.parse(said) as { error: { code: string; message: string } }
    assert.deepEqual(rest, {})
    assert.deepEqual(Object.keys(error), ['code', 'message'])
    return { status, headers, ...error }
  }

  it('answers HEAD as GET, without the body', async () => {
    for (const path of ['/', '/v1/board', '/v1/board/perPage', '/v1/board/perPage/home']) {
      const { status, headers, said } = await send(path, { method: 'HEAD' })
      assert.deepEqual([status, said], [200, ''], path)
      assert.equal(headers['content-type'], 'application/json; charset=utf-8')
    }
    const nobody = await send('/v1/board/perPage/nobody', { method: 'HEAD' })
    assert.equal(nobody.status, 404)
  })

  it('refuses other methods with those that there are', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
      for (const path of ['/', '/v1/board', '/v1/board/perPage', '/v1/board/perPage/home']) {
        const answer = await refused(path, { method })
        assert.deepEqual([answer.status, answer.code], [405, 'method-not-allowed'], method)
        assert.equal(answer.headers.allow, 'GET, HEAD')
      }
    }
  })

  it('says what there is at a path where nothing is', async () => {
    for (const path of ['/v2', '/v1', '/v1/', '/favicon.ico', '//', '/v1/board/', '/V1/board']) {
      const answer = await refused(path)
      assert.deepEqual([answer.status, answer.code], [404, 'not-found'], path)
    }
    const { message } = await refused('/v2')
    assert.match(message, /nothing is at \/v2: there are \/, \/openapi.json, \/v1\/board/)
  })

  it('takes no notice of a body, and goes on with the same connection', async () => {
    const first = await send('/v1/board/perPage/home')
    const body = 'x'.repeat(5_000_000)
    const headers = { 'content-length': body.length }
    const second = await send('/v1/board/perPage/home', { body, headers })
    assert.deepEqual([second.status, second.said], [200, '3\n'])
    const posted = await send('/v1/board', { method: 'POST', body, headers })
    assert.equal(posted.status, 405)
    const third = await send('/v1/board/perPage/home')
    assert.deepEqual([first.port, second.port], [third.port, third.port])
  })

  it('refuses a URL that is too long, and harms nobody by it', async () => {
    const long = await refused(`/v1/board/perPage?key=${'x'.repeat(urlCharsMax)}`)
    assert.deepEqual([long.status, long.code], [414, 'url-too-long'])
    for (const size of [200_000, 5_000_000]) {
      const said = await raw(
        `GET /v1/board/perPage/${'x'.repeat(size)} HTTP/1.1\r\nHost: h\r\n\r\n`,
      )
      assert.match(said, /^HTTP\/1\.1 431 .*url-too-long/s)
    }
    const headers = await raw(`GET / HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(200_000)}\r\n\r\n`)
    assert.match(headers, /^HTTP\/1\.1 431 /)
    assert.equal((await send('/v1/board/perPage/home')).said, '3\n')
  })

  it('answers a whole URL as a target, and refuses what is no request', async () => {
    const whole = await raw(
      `GET ${origin}/v1/board/perPage/home HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`,
    )
    assert.match(whole, /^HTTP\/1\.1 200 .*\n3\n/s)
    for (const bytes of [
      'GET\r\n\r\n',
      'hello\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01',
      'GET /v1/board/perPage/a b HTTP/1.1\r\nHost: h\r\n\r\n',
      'GET v1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
      'GET /v1\\board HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n',
      'GET /v1/board/perPage?key=\xc3\xa9 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
      'GET /v1/board/perPage?key=home#x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
    ]) {
      const said = await raw(bytes)
      assert.match(said, /^HTTP\/1\.1 400 Bad Request\r\n/, JSON.stringify(bytes))
      assert.match(said, /application\/json.*"code": "bad-request"/s, JSON.stringify(bytes))
    }
  })

  it('refuses bad percent signs and parameters, each with what is wrong', async () => {
    for (const [path, why] of [
      ['/v1/board/perPage/%', /is not percent-encoded UTF-8/],
      ['/v1/board/perPage/%ff', /is not percent-encoded UTF-8/],
      ['/v1/board/perPage?key=%zz', /is not percent-encoded UTF-8/],
      ['/v1/board/perPage?%zz=1', /is not percent-encoded UTF-8/],
      [
        '/v1/board/perPage?limt=3',
        /'limt' is no parameter here: there are key, prefix, limit, cursor/,
      ],
      [
        '/v1/board/perPage/home?window=0',
        /'window' is no parameter here: there are after, waitMs, maxLag/,
      ],
      ['/?views=1', /'views' is no parameter here/],
      ['/v1/board?views=1', /'views' is no parameter here/],
      ['/openapi.json?service=board', /'service' is no parameter here/],
      ['/v1/board/perPage?limit=1&limit=2', /limit is given twice/],
      ['/v1/board/perPage?key=a&limit=2', /limit is for lists, not for a key/],
      ['/v1/board/perHour?window=0', /window goes with a key, and there is none/],
      ['/v1/board/perHour/home?window=0&from=0&to=1', /window, or from and to, not both/],
      ['/v1/board/perPage?limit=10001', /limit is '10001': write a whole number from 1 to 10000/],
      ['/v1/board/perHour/home?from=0&to=36003600000', /ask for at most 10000/],
      ['/v1/board/perPage/', /ends with '\/'/],
    ] as const) {
      const answer = await refused(path)
      assert.deepEqual([answer.status, answer.code], [400, 'bad-request'], path)
      assert.match(answer.message, why)
    }
  })

  it('takes a time with its zone or none, wherever it runs', async () => {
    const window = async (time: string) => {
      const { status, said } = await send(`/v1/board/perHour/home?window=${time}`)
      return status === 200 ? Number(said) : status
    }
    assert.equal(await window('2001-01-15T05:59:59.999Z'), 2)
    assert.equal(await window('2001-01-15T07:30:00%2B02:00'), 2)
    assert.equal(await window('2001-01-15T04:00:00-02:00'), 1)
    assert.equal(await window('2001-01-15T04:59:59Z'), 404)
    assert.equal(await window(String(Number(times[2]) * 1000)), 1)
    for (const time of [
      '2001-01-15T05:00',
      '1/15/2001',
      '2001-02-30T05:00:00Z',
      '2001-01-15',
      '',
    ]) {
      const { status, message } = await refused(`/v1/board/perHour/home?window=${time}`)
      assert.equal(status, 400)
      assert.match(message, /write a time of RFC 3339 with its zone, as in 2001-01-15T00:00:00Z/)
    }
    const plus = await refused('/v1/board/perHour/home?window=2001-01-15T05:00:00+02:00')
    assert.match(plus.message, /where a plus sign is written %2B/)
    const range = await refused(
      '/v1/board/perHour/home?from=2001-01-15T00:00&to=2001-01-16T00:00:00Z',
    )
    assert.match(range.message, /^from is '2001-01-15T00:00': write/)
  })

  /** What comes back for these bytes until the server ends the connection. */
  async function raw(bytes: string): Promise<string> {
    const socket = connect(Number(new URL(origin).port), '127.0.0.1')
    socket.setEncoding('utf8')
    let said = ''
    socket.on('data', (chunk: string) => (said += chunk))
    socket.on('error', () => undefined)
    socket.write(bytes, 'latin1')
    await new Promise((resolve) => socket.once('close', resolve))
    return said
  }
})
