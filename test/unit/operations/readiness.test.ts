/** When a process says that it is ready, and why not when it is not. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { kafka } from '../../../src/client/security/kafka.ts'
import { operations } from '../../../src/operations/operations.ts'
import { readiness } from '../../../src/operations/readiness.ts'
import type { ObservedService, ReadinessOptions } from '../../../src/operations/readiness.ts'
import { service } from '../../../src/service/service.ts'
import { run } from '../../../src/streams/runtime/run.ts'
import { checkout, desk, Orders } from '../cli/modules/shop.ts'
import { until, withBroker } from './observed.ts'

describe('a process', { timeout: 60_000 }, () => {
  it('is ready when its services have restored what they hold, which may be nothing', () =>
    withBroker(async (broker) => {
      await using first = await run([checkout, desk], { broker })
      await first.caughtUp()
      const both = readiness(first)
      assert.deepEqual(both, { ready: true, services: { checkout: running, desk: running } })
      // The third of three instances gets none of the two partitions.
      await using second = await run(desk, { broker, instanceId: '2' })
      await using third = await run(desk, { broker, instanceId: '3' })
      await using fourth = await run(desk, { broker, instanceId: '4' })
      await using fifth = await run(desk, { broker, instanceId: '5' })
      const all = [first.services[1]!, second, third, fourth, fifth].map((each) =>
        'services' in each ? each.services[0]! : each,
      )
      await until(() => all.every((each) => each.stats().ready))
      const held = all.map((each) => each.stats().assignment?.tasks.length)
      assert.ok(held.includes(0), `one of five holds nothing: ${held.join(', ')}`)
      assert.ok(all.every((each) => readiness({ services: [each] }).ready))
    }))

  it('is not while a service is further behind than it may be, or nobody knows', () =>
    withBroker(async (broker) => {
      await using app = await run(desk, { broker })
      const now = app.services[0]!.stats()
      const behind = (lag: number | undefined, options: ReadinessOptions) => {
        const observed = { service: 'desk', stats: () => ({ ...now, lag }) }
        return readiness({ services: [observed] }, options).services['desk']!
      }
      assert.equal(behind(1e9, {}).ready, true, 'without a bound')
      assert.equal(behind(3, { lagMax: 3 }).ready, true)
      assert.deepEqual(behind(3, { lagMax: 2 }), {
        ready: false,
        state: 'running',
        lag: 3,
        reason: '3 records lie before it, and 2 may',
      })
      const unknown = behind(undefined, { lagMax: 2 })
      assert.deepEqual([unknown.ready, unknown.lag], [false, null])
      assert.match(unknown.reason!, /not known/)
    }))

  it('is not without a service, nor while one starts', () => {
    assert.equal(readiness({ services: [] }).ready, false)
    const starting: ObservedService = { service: 'desk', stats: () => undefined }
    assert.deepEqual(readiness({ services: [starting] }), {
      ready: false,
      services: {
        desk: { ready: false, state: 'starting', lag: null, reason: 'it is starting' },
      },
    })
  })

  it('is not once a service has failed or was closed', () =>
    withBroker(async (broker) => {
      const app = await run([checkout, failing], { broker })
      await assert.rejects(app.failed)
      const { ready, services } = readiness(app)
      assert.equal(ready, false)
      assert.match(services['failing']!.reason!, /^it has stopped \(operator-failed\): .*no more/)
      assert.deepEqual(services['checkout'], running)
      await app.close()
      assert.equal(readiness(app).services['checkout']!.reason, 'it was closed')
    }))

  it('is not from the moment it closes, as no table of it answers any more', () =>
    withBroker(async (broker) => {
      const app = await run(desk, { broker })
      assert.equal(readiness(app).ready, true)
      const closed = app.close()
      await assert.rejects(app.query.orders.get('1'), { code: 'not-ready' })
      const { ready, reason } = readiness(app).services['desk']!
      await closed
      assert.deepEqual([ready, reason?.startsWith('it is closing')], [false, true])
    }))

  it('is not while one of two instances of a service in it is not', () =>
    withBroker(async (broker) => {
      await using app = await run(desk, { broker })
      const starting: ObservedService = { service: 'desk', stats: () => undefined }
      for (const services of [
        [starting, app.services[0]!],
        [app.services[0]!, starting],
      ]) {
        assert.deepEqual(readiness({ services }).services['desk']!.reason, 'it is starting')
        assert.equal(readiness({ services }).ready, false)
      }
    }))

  it('says so over HTTP, by the status and service by service', () =>
    withBroker(async (broker) => {
      const [address] = broker.bootstrap
      const app = await run(desk, { broker: kafka(`${address.host}:${address.port}`) })
      const answer = operations({ services: () => app.services })
      const ask = async (path: string, method = 'GET') => {
        const response = await answer(new Request(`http://localhost${path}`, { method }))
        if (response) assert.equal(response.headers.get('cache-control'), 'no-store')
        return response && ([response.status, await response.json()] as const)
      }
      assert.deepEqual(await ask('/health/ready?x=1'), [
        200,
        { ready: true, services: { desk: { ...running, lag: app.stats().lag } } },
      ])
      await app.close()
      const [status, body] = (await ask('/health/ready'))!
      assert.equal(status, 503)
      assert.partialDeepStrictEqual(body, { services: { desk: { reason: 'it was closed' } } })
      assert.deepEqual(await ask('/health/live'), [200, { live: true }], 'it lives nevertheless')
      assert.equal((await ask('/health/live', 'POST'))![0], 405)
      assert.equal(await ask('/v1/desk/orders//health/live'), undefined, 'a key is no path of ours')
      assert.equal(await ask('/v1/desk/orders?key=/metrics'), undefined)
    }))
})

const running = { ready: true, state: 'running', lag: 0, reason: null }

const failing = service('failing', {
  reads: [Orders],
  writes: [],
  topology: (s) => ({
    orders: s
      .stream(Orders)
      .filter(() => {
        throw new RangeError('no more')
      })
      .count('orders'),
  }),
})
