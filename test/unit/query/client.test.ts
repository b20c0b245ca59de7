/** The typed client where something else than a query server answers, or nobody does in time. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import type { Keyspace } from '../../../src/events/event.ts'
import { connect } from '../../../src/query/client.ts'
import type { Table } from '../../../src/streams/topology/builder.ts'

interface Shop {
  readonly queries?: { orders: Table<Keyspace<'Id', string>, number> }
}

describe('the typed client', () => {
  it('waits for an answer no longer than it was told', async () => {
    await using server = await answering(() => undefined)
    const { orders } = connect<Shop>(server.url, { timeoutMs: 100 })
    const late = { code: 'timeout', retriable: true, message: /has not answered within 100 ms/ }
    await assert.rejects(orders.get('o-1'), late)
    await assert.rejects(Array.fromAsync(orders.scan()), late)
  })

  it('waits no longer for the rest of an answer that has begun', async () => {
    await using server = await answering((_request, response) => {
      response.writeHead(200, { 'content-length': '10' })
      response.write('12345')
    })
    await assert.rejects(connect<Shop>(server.url, { timeoutMs: 100 }).orders.get('o-1'), {
      code: 'timeout',
    })
  })

  it('takes a page that a proxy has made for what it is', async () => {
    await using server = await answering((_request, response) => {
      response
        .writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
        .end('<html>Sign in</html>')
    })
    await assert.rejects(connect<Shop>(server.url).orders.get('o-1'), {
      code: 'query-failed',
      retriable: false,
      message: /answered 200: it sent 'text\/html; charset=utf-8' and not application\/vnd/,
    })
  })

  it('may try again where a proxy has lost sight of the server', async () => {
    for (const [status, retriable] of [
      [502, true],
      [503, true],
      [504, true],
      [500, false],
      [404, false],
    ] as const) {
      await using server = await answering((_request, response) => {
        response.writeHead(status, { 'content-type': 'text/html' }).end('<html>Oops</html>')
      })
      const message = new RegExp(`answered ${status}: <html>Oops`)
      const refused = { code: 'query-failed', retriable, message }
      await assert.rejects(connect<Shop>(server.url).orders.get('o-1'), refused)
    }
  })

  it('takes no more of an answer than one can have', async () => {
    const mebibyte = Buffer.alloc(1024 * 1024)
    let given = 0
    await using server = await answering((_request, response) => {
      const go = (): void => {
        do given++
        while (!response.destroyed && response.write(mebibyte))
      }
      response.on('drain', go)
      go()
    })
    const { orders } = connect<Shop>(server.url, { timeoutMs: 50_000 })
    await assert.rejects(orders.get('o-1'), {
      code: 'query-failed',
      message: /more than \d+ bytes/,
    })
    assert.ok(given > 100 && given < 400, `${given} MiB`)
  })

  it('refuses what is no address of a service before anybody is asked', () => {
    for (const url of [
      '',
      'http://127.0.0.1:8092',
      'http://127.0.0.1:8092/shop',
      'http://127.0.0.1:8092/v1/shop/orders',
      'http://127.0.0.1:8092/v1/shop?x=1',
      '127.0.0.1:8092/v1/shop',
      'localhost:8092/v1/shop',
      'kafka://127.0.0.1:8092/v1/shop',
    ]) {
      assert.throws(() => connect<Shop>(url), {
        code: 'config-invalid',
        message:
          `'${url}' is no address of a service: give that of its query server, /v1/ and its name, ` +
          'as in http://127.0.0.1:8092/v1/shop',
      })
    }
    for (const url of ['https://shop.example/behind/a/proxy/v1/shop', 'http://[::1]:1/v1/shop/']) {
      connect<Shop>(url)
    }
  })

  it('refuses what cannot be a key before anybody is asked', async () => {
    const { orders } = connect<Shop>('http://127.0.0.1:1/v1/shop')
    for (const key of [undefined, null, { id: 'o-1' }]) {
      await assert.rejects(orders.get(key as never), {
        code: 'input-invalid',
        message: /^no row can be asked for by .*: give its key$/,
      })
    }
  })

  it('refuses a time that is none', () => {
    for (const timeoutMs of [0, -1, 1.5, Number.NaN, Infinity, 86_400_001]) {
      assert.throws(() => connect<Shop>('http://127.0.0.1:1/v1/shop', { timeoutMs }), {
        code: 'config-invalid',
        message: /give whole milliseconds from 1 to 86400000/,
      })
    }
  })
})

async function answering(listener: RequestListener) {
  const server: Server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1/shop`,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
