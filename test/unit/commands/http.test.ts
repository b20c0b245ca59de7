/** Commands over HTTP as strangers may send them: ids, bodies, methods, and answers of who stands in between. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { parseIdempotencyKey, printIdempotencyKey } from '../../../src/query/idempotency-key.ts'
import { remoteAsker } from '../../../src/query/remote-asker.ts'
import { service } from '../../../src/service/service.ts'
import { CommandInDoubt } from '../../../src/streams/commands/answer.ts'
import { OrderCommands, OrderEvents, change, ordering, place } from '../../types/ordering.ts'
import { asker } from '../../../src/streams/runtime/asker.ts'
import { asked } from '../query/asked.ts'
import { frontOf } from './front.ts'

interface Answered {
  readonly status: number
  readonly allow: string | null
  readonly id: string | null
  // oxlint-disable-next-line no-explicit-any -- the shape is what the tests check
  readonly body: any
}

async function http(
  url: string,
  method: string,
  body?: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Answered> {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body }),
  })
  const { status } = response
  const text = await response.text()
  const allow = response.headers.get('allow')
  const id = response.headers.get('idempotency-key')
  return { status, allow, id, body: text === '' ? undefined : (JSON.parse(text) as unknown) }
}

const placed = (orderId: unknown) => JSON.stringify({ orderId, place: { total: 7 } })

describe('an id over HTTP', () => {
  it('is the one that was asked under, whatever is in it', async () => {
    await using services = await asked()
    const { app, url } = await services.start(ordering())
    await app.ask(OrderCommands, place('o-1'))
    const shop = remoteAsker(url)
    for (const id of ['plain', '"quoted"', ' a ', 'a"b', 'back\\slash']) {
      const answer = await app.ask(OrderCommands, change('o-1'), { id })
      assert.deepEqual(await shop.ask(OrderCommands, change('o-1'), { id }), answer)
    }
    assert.equal(app.stats().decisions.repeated, 5)
  })

  it('that does not arrive as it left is refused, and nothing is sent', async () => {
    await using services = await asked()
    const { app, url } = await services.start(ordering())
    const shop = remoteAsker(url)
    for (const id of ['€', 'ü', 'a\nb', '', 'x'.repeat(201)]) {
      await assert.rejects(shop.ask(OrderCommands, place('o-1'), { id }), (error) => {
        return isHeadwaterError(error, 'input-invalid') && error.outcome === 'not-written'
      })
    }
    for (const key of ['ü', '"open', '"a"b"']) {
      const headers = { 'idempotency-key': key }
      const answer = await http(`${url}/order-commands`, 'POST', placed('o-1'), headers)
      assert.deepEqual([answer.status, answer.body.error.code], [400, 'bad-request'])
    }
    assert.equal(app.stats().decisions.asked, 0)
  })

  it('is a string of RFC 8941, or bare', () => {
    for (const id of ['', 'a', '"', '\\', '\\"', 'a "b" \\c']) {
      assert.equal(parseIdempotencyKey(printIdempotencyKey(id)!), id)
    }
    assert.equal(parseIdempotencyKey('bare-1'), 'bare-1')
    assert.equal(parseIdempotencyKey(String.raw`"a\b"`), undefined)
    assert.equal(printIdempotencyKey('\u007f'), undefined)
  })
})

describe('an outcome over HTTP', () => {
  it('that nobody knows names the id to ask again under, also one that was made up', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering())
    await using other = asker({ broker: services.broker })
    await other.ask(OrderCommands, place('o-1'))
    await app.close()
    await using front = await frontOf(other)
    const answer = await http(`${front.url}/order-commands?timeout=100ms`, 'POST', placed('o-1'))
    assert.equal(answer.status, 504)
    assert.ok(answer.id !== null && answer.body.error.message.includes(`'${answer.id}'`))
  })

  it('is waited for no longer than a connection lasts', async () => {
    await using services = await asked()
    const { url } = await services.start(ordering())
    const answer = await http(`${url}/order-commands?timeout=51s`, 'POST', placed('o-1'))
    assert.deepEqual([answer.status, answer.body.error.code], [400, 'bad-request'])
    await assert.rejects(
      remoteAsker(url).ask(OrderCommands, place('o-1'), { timeout: '51s' }),
      (error) => isHeadwaterError(error, 'config-invalid') && error.outcome === 'not-written',
    )
    const most = await http(`${url}/order-commands?timeout=50s`, 'POST', placed('o-1'))
    assert.equal(most.status, 200)
  })
})

describe('a body over HTTP', () => {
  it('is refused when it is no UTF-8, or names nothing that it is about', async () => {
    await using services = await asked()
    const { app, url } = await services.start(ordering())
    const post = (body: string | Uint8Array<ArrayBuffer>) => {
      return http(`${url}/order-commands`, 'POST', body)
    }
    const [before, after] = placed('?').split('?')
    const bad = Buffer.concat([Buffer.from(before!), Buffer.from([0xff]), Buffer.from(after!)])
    for (const [body, why] of [
      [new Uint8Array(bad), /not UTF-8/],
      [placed(null), /give 'orderId'/],
      ['[]', /give 'orderId'/],
      ['null', /give 'orderId'/],
    ] as const) {
      const answer = await post(body)
      assert.equal(answer.status, 400)
      assert.match(answer.body.error.message, why)
    }
    assert.equal(app.stats().decisions.asked, 0)
    assert.equal((await post(`\uFEFF${placed('o-1')}`)).status, 200)
  })
})

describe('a path of commands', () => {
  it('says which methods it takes', async () => {
    await using services = await asked()
    const { url } = await services.start(ordering())
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await http(`${url}/order-commands`, method)
      assert.deepEqual([answer.status, answer.allow], [405, 'POST'], method)
    }
    const view = await http(`${url}/orders`, 'POST', placed('o-1'))
    assert.deepEqual([view.status, view.allow], [405, 'GET, HEAD'])
  })

  it('may be one of a view, too', async () => {
    await using services = await asked()
    const { url, origin } = await services.start(
      service('ordering', {
        reads: [OrderCommands],
        writes: [OrderEvents],
        topology: (s) => {
          const { state } = s.decide('orders', OrderCommands, {
            events: OrderEvents,
            initial: () => 0,
            decide: ({ orderId }, _state, { accept }) => {
              return accept({ orderId, event: { case: 'cancelled', value: {} } })
            },
            evolve: (count) => count + 1,
          })
          return { 'order-commands': state }
        },
      }),
    )
    const path = `${url}/order-commands`
    assert.equal((await http(path, 'POST', placed('o-1'))).status, 200)
    assert.equal((await http(`${path}?key=o-1`, 'GET')).body, 1)
    const put = await http(path, 'PUT', placed('o-1'))
    assert.deepEqual([put.status, put.allow], [405, 'GET, HEAD, POST'])
    const { body } = await http(`${origin}/openapi.json`, 'GET')
    const { valid, errors } = await new Validator().validate(structuredClone(body))
    assert.ok(valid, JSON.stringify(errors))
    assert.deepEqual(Object.keys(body.paths['/v1/ordering/order-commands']), ['get', 'post'])
  })
})

describe('a refusal that may not be of the server', () => {
  it('leaves it open whether the command was written', async () => {
    for (const [status, body] of [
      [502, { error: { code: 'bad-gateway', message: 'upstream' } }],
      [504, { error: 'timeout' }],
      [500, { error: { code: 'query-failed', message: 'a fault' } }],
      [503, '<html>'],
    ] as const) {
      await using proxy = await answering(
        status,
        typeof body === 'string' ? body : JSON.stringify(body),
      )
      await assert.rejects(
        remoteAsker(proxy.url).ask(OrderCommands, place('o-1'), { id: 'a' }),
        (error) => error instanceof CommandInDoubt && error.id === 'a',
      )
    }
    await using server = await answering(503, '{"error":{"code":"busy","message":"later"}}')
    await assert.rejects(
      remoteAsker(server.url).ask(OrderCommands, place('o-1')),
      (error) => isHeadwaterError(error, 'query-failed') && error.outcome === 'not-written',
    )
  })
})

/** Something on the way that answers everything alike. */
async function answering(status: number, body: string) {
  const server = createServer((_request, response) => void response.writeHead(status).end(body))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1/ordering`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
