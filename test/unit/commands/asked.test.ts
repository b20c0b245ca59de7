/** Commands asked by whom they concern: in the process, by another one, over HTTP. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { serveQueries } from '../../../src/query/listen.ts'
import { remoteAsker } from '../../../src/query/remote-asker.ts'
import { service } from '../../../src/service/service.ts'
import { CommandInDoubt } from '../../../src/streams/commands/answer.ts'
import { asker } from '../../../src/streams/runtime/asker.ts'
import { producer } from '../../../src/streams/runtime/producer.ts'
import { run } from '../../../src/streams/runtime/run.ts'
import { OrderCommands, OrderEvents, change, ordering, place } from '../../types/ordering.ts'
import { Orders } from '../../types/shop.ts'
import { BreakingDial } from '../../streams-suite/faults.ts'
import { asked, notYet } from '../query/asked.ts'
import { frontOf } from './front.ts'

describe('a command that is asked', () => {
  it('is answered in the process of its service, and in another', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering())
    const placed = await app.ask(OrderCommands, place('o-1'))
    assert.deepEqual(placed.accepted && placed.events.map(({ offset }) => offset), [0])
    await using other = asker({ broker: services.broker })
    const changed = await other.ask(OrderCommands, change('o-1', 5))
    // Between the two events lies the end of the first one's transaction.
    assert.deepEqual(changed.accepted && changed.events.map(({ offset }) => offset), [2])
    const rejected = await other.ask(OrderCommands, place('o-1'))
    assert.equal(!rejected.accepted && rejected.reason, 'already-placed')
    assert.deepEqual(await app.query.orders.get('o-1'), { total: 15, changes: 1 })
    const { decisions, asks } = app.stats()
    const reasons = { 'already-placed': 1, 'not-placed': 0, 'too-much': 0 }
    const none = { repeated: 0, failed: 0, forgotten: 0 }
    assert.deepEqual(decisions, { accepted: 2, rejected: 1, reasons, ...none, asked: 3 })
    const ended = { waiting: 0, failed: 0, inDoubt: 0, timedOut: 0 }
    assert.deepEqual(asks, { asked: 1, answered: 1, accepted: 1, rejected: {}, ...ended })
    const rejections = { 'already-placed': 1 }
    const ofOther = { asked: 2, answered: 2, accepted: 1, rejected: rejections, ...ended }
    assert.deepEqual(other.stats(), ofOther)
  })

  it('is decided once under one id, also when it is asked twice at once', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering())
    await app.ask(OrderCommands, place('o-1'))
    const both = [1, 2].map(() => app.ask(OrderCommands, change('o-1'), { id: 'a' }))
    const [first, second] = await Promise.all(both)
    assert.deepEqual(first, second)
    assert.deepEqual(await app.ask(OrderCommands, change('o-1'), { id: 'a' }), first)
    assert.deepEqual(await app.query.orders.get('o-1'), { total: 11, changes: 1 })
    assert.equal(app.stats().decisions.repeated, 2)
  })

  it('does not wait for the commit interval, and many share a commit', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering(), { commitIntervalMs: 20_000 })
    const before = app.stats().commits
    const many = Array.from({ length: 200 }, (_, n) => app.ask(OrderCommands, place(`o-${n}`)))
    const answers = await Promise.all(many)
    assert.ok(answers.every(({ accepted }) => accepted))
    assert.ok(app.stats().commits - before < 100, `${app.stats().commits} commits`)
  })

  it('is answered at least once, too', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering(), { guarantee: 'at-least-once' })
    await app.ask(OrderCommands, place('o-1'))
    const changed = await app.ask(OrderCommands, change('o-1'), { id: 'a' })
    assert.deepEqual(changed.accepted && changed.events.map(({ offset }) => offset), [1])
    assert.deepEqual(await app.ask(OrderCommands, change('o-1'), { id: 'a' }), changed)
  })

  it('is asked of any service of several in one process', async () => {
    await using services = await asked()
    const checkout = service('checkout', { reads: [], writes: [Orders], topology: () => ({}) })
    await using app = await run([checkout, ordering()], { broker: services.broker })
    assert.ok((await app.ask(OrderCommands, place('o-1'))).accepted)
    await app.send(OrderCommands, change('o-1'))
    await app.caughtUp()
    assert.deepEqual(await app.query.ordering.orders.get('o-1'), { total: 11, changes: 1 })
  })

  it('may be sent without waiting, by anybody', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering())
    const checkout = { name: 'checkout', writes: [Orders] }
    await using sender = producer(checkout, { broker: services.broker })
    await sender.send(OrderCommands, place('o-1', 3))
    await app.caughtUp()
    assert.deepEqual(await app.query.orders.get('o-1'), { total: 3, changes: 0 })
  })

  it('of a service that decides nothing here is not sent', async () => {
    await using services = await asked()
    await using nobody = asker({ broker: services.broker })
    await assert.rejects(nobody.ask(OrderCommands, place('o-1')), (error) => {
      assert.ok(isHeadwaterError(error, 'not-found'))
      assert.match(error.message, /service 'ordering' decides no commands here.*Start 'ordering'/s)
      assert.equal(error.outcome, 'not-written')
      return true
    })
  })

  it('is in doubt when its time is up, and says how to ask again', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering())
    await app.ask(OrderCommands, place('o-1'))
    await using other = asker({ broker: services.broker })
    await other.ask(OrderCommands, change('o-1'))
    await app.close()
    const late = other.ask(OrderCommands, change('o-1', 5), { id: 'late', timeout: '100ms' })
    await assert.rejects(late, (error) => {
      assert.ok(error instanceof CommandInDoubt)
      assert.deepEqual([error.code, error.outcome, error.id], ['timeout', 'unknown', 'late'])
      assert.match(error.message, /ask again with the same id \(id: 'late'\)/)
      return true
    })
    await using next = await run(ordering(), { broker: services.broker })
    const answer = await other.ask(OrderCommands, change('o-1', 5), { id: 'late' })
    assert.ok(answer.accepted)
    await next.caughtUp()
    assert.deepEqual(await next.query.orders.get('o-1'), { total: 16, changes: 2 })
  })

  it('is in doubt when what asked it is closed', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering())
    const other = asker({ broker: services.broker })
    await other.ask(OrderCommands, place('o-1'))
    await app.close()
    const waiting = assert.rejects(other.ask(OrderCommands, change('o-1')), CommandInDoubt)
    await other.close()
    await waiting
    await assert.rejects(other.ask(OrderCommands, change('o-1')), (error) =>
      isHeadwaterError(error, 'producer-closed'),
    )
  })
})

describe('room for commands', () => {
  it('is given back as they are taken', async () => {
    await using services = await asked()
    await services.start(ordering())
    await using other = asker({ broker: services.broker, asksMax: 2, bufferBytesMax: 1_024 })
    await other.ask(OrderCommands, place('o-1'))
    for (let n = 0; n < 100; n++) await other.ask(OrderCommands, change('o-1'))
    assert.deepEqual(other.stats(), {
      asked: 101,
      answered: 101,
      accepted: 101,
      rejected: {},
      waiting: 0,
      failed: 0,
      inDoubt: 0,
      timedOut: 0,
    })
  })
})

describe('what is asked wrongly', () => {
  it('is refused before it is sent', async () => {
    await using services = await asked()
    await using other = asker({ broker: services.broker, messageBytesMax: 100 })
    const refused = async (asking: Promise<unknown>, code: string): Promise<void> => {
      await assert.rejects(asking, (error) => {
        assert.ok(isHeadwaterError(error))
        assert.deepEqual([error.code, error.outcome ?? 'not-written'], [code, 'not-written'])
        return true
      })
    }
    await refused(
      other.ask(OrderCommands, { command: { case: 'cancel', value: {} } } as never),
      'record-invalid',
    )
    await refused(other.ask(OrderCommands, place('o'.repeat(200))), 'record-invalid')
    await refused(other.ask(OrderCommands, place('o-1'), { id: '' }), 'input-invalid')
    await refused(other.ask(OrderCommands, place('o-1'), { id: 'x'.repeat(201) }), 'input-invalid')
    await refused(other.ask(OrderCommands, place('o-1'), { timeout: '2d' }), 'config-invalid')
    await refused(other.ask(OrderEvents as never, place('o-1') as never), 'config-invalid')
    assert.throws(() => asker({ broker: services.broker, asksMax: 0 }), /asksMax is 0/)
  })

  it('is refused when too many are under way, or they are too large', async () => {
    await using services = await asked()
    const bounds = { asksMax: 3, bufferBytesMax: 1_024 }
    await using other = asker({ broker: services.broker, ...bounds })
    const settled: Promise<unknown>[] = []
    const ask = (id: string) => {
      const asking = other.ask(OrderCommands, place(id), { timeout: '5s' })
      settled.push(asking.catch(() => undefined))
      return asking
    }
    const full = (error: unknown): boolean => isHeadwaterError(error, 'buffer-full')
    for (const id of ['a', 'b']) void ask(id).catch(() => undefined)
    await assert.rejects(ask('x'.repeat(1_100)), full)
    void ask('c').catch(() => undefined)
    await assert.rejects(ask('d'), full)
    assert.equal(other.stats().waiting, 3)
    await Promise.all(settled)
  })
})

describe('a command over HTTP', () => {
  it('is accepted, rejected and repeated', async () => {
    await using services = await asked()
    const { url } = await services.start(ordering())
    const post = poster(`${url}/order-commands`)
    const accepted = await post(
      { orderId: 'o-1', place: { total: 7 } },
      { 'idempotency-key': '"a"' },
    )
    assert.equal(accepted.status, 200, JSON.stringify(accepted.body))
    assert.deepEqual([accepted.body.accepted, accepted.body.id], [true, 'a'])
    assert.equal(accepted.body.events[0].stream, 'order-events')
    assert.equal(accepted.id, '"a"')
    const again = await post({ order_id: 'o-1', place: { total: 7 } }, { 'idempotency-key': 'a' })
    assert.deepEqual(again.body, accepted.body)
    const rejected = await post({ orderId: 'o-2', place: { total: 2_000 } })
    assert.deepEqual(
      [rejected.status, rejected.body.reason, rejected.body.details],
      [422, 'too-much', { most: 1_000 }],
    )
    assert.ok(rejected.id !== null)
  })

  it('is refused with a reason', async () => {
    await using services = await asked()
    const { url } = await services.start(ordering('skip'))
    const post = poster(`${url}/order-commands`)
    const refused = async (body: unknown, headers: Record<string, string>, of: string) => {
      const answer = await post(body, headers, of)
      return [answer.status, answer.body.error.code]
    }
    const place7 = { orderId: 'o-1', place: { total: 7 } }
    assert.deepEqual(await refused({ place: {} }, {}, ''), [400, 'bad-request'])
    assert.deepEqual(await refused({ orderId: 'o-1', other: 1 }, {}, ''), [400, 'bad-request'])
    assert.deepEqual(await refused('{', {}, ''), [400, 'bad-request'])
    assert.deepEqual(await refused(place7, {}, '?timeout=soon'), [400, 'bad-request'])
    assert.deepEqual(await refused(place7, {}, '?wait=1'), [400, 'bad-request'])
    const long = { 'idempotency-key': 'x'.repeat(201) }
    assert.deepEqual(await refused(place7, long, ''), [400, 'bad-request'])
    const text = { 'content-type': 'text/plain' }
    assert.deepEqual(await refused(place7, text, ''), [415, 'unsupported-media-type'])
    const large = { orderId: 'x'.repeat(5_000_000) }
    assert.deepEqual(await refused(large, {}, ''), [413, 'body-too-large'])
    await post(place7)
    const failing = { orderId: 'o-1', change: { by: 13 } }
    assert.deepEqual(await refused(failing, {}, ''), [500, 'not-decided'])
    const elsewhere = await poster(`${url}/nothing`)(place7)
    assert.deepEqual([elsewhere.status, elsewhere.body.error.code], [404, 'not-found'])
    const view = await poster(`${url}/orders`)(place7)
    assert.deepEqual([view.status, view.body.error.code], [405, 'method-not-allowed'])
  })

  it('is not sent when its service has ended here', async () => {
    await using services = await asked()
    const { url, app } = await services.start(ordering())
    await app.services[0]!.close()
    const answer = await poster(`${url}/order-commands`)({ orderId: 'o-1', cancel: {} })
    assert.deepEqual([answer.status, answer.body.error.code], [503, 'service-ended'])
  })

  it('is in doubt when nobody decides it in time', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering())
    await app.close()
    await using door = asker({ broker: services.broker })
    const decides = { commands: { [OrderCommands.name]: OrderCommands }, ask: door.ask.bind(door) }
    const server = await serveQueries({
      host: '127.0.0.1',
      port: 0,
      services: () => [{ ...notYet('ordering'), decides }],
    })
    try {
      const post = poster(`${server.url}/v1/ordering/order-commands`)
      const answer = await post({ orderId: 'o-1', cancel: {} }, {}, '?timeout=200ms')
      assert.deepEqual([answer.status, answer.body.error.code], [504, 'in-doubt'])
    } finally {
      await server.close()
    }
  })

  it('is not sent while the broker is away, and may be asked again soon', async () => {
    await using services = await asked()
    const dial = new BreakingDial(services.broker.dial, Infinity)
    const broker = { ...services.broker, dial: dial.dial }
    const { url } = await services.start(ordering(), { broker, closeTimeoutMs: 100 })
    dial.break()
    const post = poster(`${url}/order-commands`)
    const answer = await post({ orderId: 'o-1', cancel: {} }, {}, '?timeout=300ms')
    assert.deepEqual([answer.status, answer.body.error.code], [503, 'broker-away'])
    assert.equal(answer.retryAfter, '1')
  })

  it('is not sent before its service was ever started, and may be asked again soon', async () => {
    await using services = await asked()
    await using other = asker({ broker: services.broker })
    await using front = await frontOf(other)
    const answer = await poster(`${front.url}/order-commands`)({ orderId: 'o-1', cancel: {} })
    assert.deepEqual([answer.status, answer.body.error.code], [503, 'not-ready'])
    assert.equal(answer.retryAfter, '1')
  })

  it('is asked by the typed client', async () => {
    await using services = await asked()
    const { url } = await services.start(ordering())
    const shop = remoteAsker(url)
    const accepted = await shop.ask(OrderCommands, place('o-1'), { id: 'a' })
    assert.ok(accepted.accepted)
    assert.deepEqual(await shop.ask(OrderCommands, place('o-1'), { id: 'a' }), accepted)
    const rejected = await shop.ask(OrderCommands, place('o-1', 2_000))
    assert.equal(!rejected.accepted && rejected.reason, 'already-placed')
    await assert.rejects(shop.ask(OrderCommands, { orderId: 'o-1' } as never), (error) =>
      isHeadwaterError(error, 'record-invalid'),
    )
    await assert.rejects(
      remoteAsker('http://127.0.0.1:1/v1/ordering').ask(OrderCommands, place('o-1'), { id: 'b' }),
      (error) => error instanceof CommandInDoubt && error.id === 'b',
    )
    await assert.rejects(remoteAsker(`${url}-not`).ask(OrderCommands, place('o-1')), (error) =>
      isHeadwaterError(error, 'query-failed'),
    )
  })

  it('is listed where queries are', async () => {
    await using services = await asked()
    const { origin } = await services.start(ordering())
    const { services: all } = (await (await fetch(origin)).json()) as {
      services: { commands: unknown }[]
    }
    assert.deepEqual(all[0]!.commands, [
      {
        name: 'order-commands',
        message: 'shop.v1.OrderCommand',
        reasons: ['already-placed', 'not-placed', 'too-much'],
        ask: '/v1/ordering/order-commands',
      },
    ])
  })
})

interface Answer {
  readonly status: number
  readonly id: string | null
  readonly retryAfter: string | null
  // oxlint-disable-next-line no-explicit-any -- the shape is what the tests check
  readonly body: any
}

function poster(url: string) {
  return async (
    body: unknown,
    headers: Record<string, string> = {},
    query = '',
  ): Promise<Answer> => {
    const response = await fetch(`${url}${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    const answer: unknown = await response.json()
    const { status, headers: said } = response
    const id = said.get('idempotency-key')
    return { status, id, retryAfter: said.get('retry-after'), body: answer }
  }
}
