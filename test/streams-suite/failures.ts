/** What a service does with what it cannot process, and the weaker guarantee. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isHeadwaterError } from '../../src/base/errors.ts'
import { deadLettersOf } from '../../src/events/dead-letters.ts'
import { service } from '../../src/service/service.ts'
import { keyspace, keyed } from '../../src/events/event.ts'
import { run } from '../../src/streams/runtime/run.ts'
import type { ServiceEvent } from '../../src/streams/runtime/service-event.ts'
import type { OnError } from '../../src/streams/topology/topology.ts'
import { PaymentSchema } from '../gen/shop/v1/shop_pb.ts'
import { Orders, Payments, Shipments } from '../types/shop.ts'
import { BreakingDial } from './faults.ts'
import { assertShipped } from './operators.ts'
import type { OpenPlace } from './place.ts'
import { createTopicsOf, inPlace, runThrough, start, values, write, writePoison } from './place.ts'
import { orders, payments, shipping } from './services.ts'

type Discarded = Extract<ServiceEvent, { type: 'discarded' }>

export function failuresSuite(open: OpenPlace): void {
  describe('a service that cannot go on', () => {
    it('stops at a record that does not decode and names it; other services go on', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, shipping)
        await writePoison(place, Payments)
        await using both = await run([shipping, counting], place)
        const [shop, count] = both.services
        await assert.rejects(
          shop!.failed,
          (error: Error) =>
            isHeadwaterError(error, 'record-invalid') &&
            /service 'shipping' stopped at record 0 of partition 0 of topic 'payments'/.test(
              error.message,
            ),
        )
        await write(place, Orders, orders(0, 3))
        await count!.caughtUp()
        assert.equal(await both.query.counting.orders.get('o2').then((row) => row?.orderId), 'o2')
      }))

    it('stops where a function throws, and goes on there once it is repaired', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, copying('repaired'))
        await write(place, Payments, payments(0, 50))
        await using running = await start(place, copying('broken'))
        await assert.rejects(
          running.failed,
          (error: Error) =>
            isHeadwaterError(error, 'operator-failed') && /map 1 threw: no o33/.test(error.message),
        )
        await assert.rejects(running.caughtUp())
        await running.close()
        await runThrough(place, copying('repaired'))
        assert.equal((await values(place, Shipments)).length, 50)
      }))

    it('refuses a topic with another number of partitions than declared', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, counting)
        const fewer = keyed('payments', PaymentSchema, {
          key: keyspace.string('OrderId', { partitions: 5 }),
          by: 'orderId',
          owner: 'billing',
        })
        const wrong = service('auditing', {
          reads: [fewer],
          writes: [],
          topology: (s) => ({ n: s.stream(fewer).count('n') }),
        })
        await createTopicsOf(place, wrong)
        await assert.rejects(start(place, shipping), /'payments' has 5 partitions.*declares 12/)
      }))
  })

  describe('a service that lets records pass', () => {
    it('puts aside what it cannot process, each once, whatever breaks on the way', () =>
      inPlace(open, async (place) => {
        const broken = copying('broken', 'deadLetter')
        await createTopicsOf(place, broken)
        await writePoison(place, Payments)
        await write(place, Payments, payments(0, 50))
        for (const frames of [30, 60, 90]) {
          const dial = new BreakingDial(place.broker.dial, frames)
          const broker = { ...place.broker, dial: dial.dial }
          const life = runThrough({ ...place, broker }, broken)
          life.catch(() => undefined)
          await Promise.race([dial.broken, life])
        }
        await runThrough(place, broken)
        assert.equal((await values(place, Shipments)).length, 49)
        const letters = await values(place, deadLettersOf('shipping'))
        const failed = letters.map(({ fact }) => {
          return fact.case === 'failed' ? `${fact.value.operator} ${fact.value.code}` : fact.case
        })
        assert.deepEqual(
          failed.toSorted((a, b) => (a! < b! ? -1 : 1)),
          ['decoding the value record-invalid', 'map 1 operator-failed'],
        )
      }))

    it('tells what it discards, with an example, and counts it', () =>
      inPlace(open, async (place) => {
        const broken = copying('broken', 'skip')
        await createTopicsOf(place, broken)
        await write(place, Payments, payments(0, 50))
        const told: ServiceEvent[] = []
        await using running = await start(place, broken, { onEvent: (event) => told.push(event) })
        await running.caughtUp()
        assert.deepEqual(running.stats().failures, { skipped: 1, deadLettered: 0 })
        await running.close()
        const discards = told.filter(({ type }) => type === 'discarded')
        assert.equal(discards.length, 1)
        const { reason, operator, records, topic, error } = discards[0] as Discarded
        assert.deepEqual([reason, operator, records, topic], ['skipped', 'map 1', 1, 'payments'])
        assert.equal(error?.code, 'operator-failed')
      }))
  })

  describe('a service, at least once', () => {
    it('loses nothing in a crash, and counts exactly without one', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, shipping)
        await write(place, Orders, orders(0, 200))
        await write(place, Payments, payments(0, 100))
        await runThrough(place, shipping, { guarantee: 'at-least-once' })
        await assertShipped(place, 100)
        await write(place, Payments, payments(100, 200))
        const dial = new BreakingDial(place.broker.dial, 60)
        const broker = { ...place.broker, dial: dial.dial }
        const life = runThrough({ ...place, broker }, shipping, { guarantee: 'at-least-once' })
        life.catch(() => undefined)
        await Promise.race([dial.broken, life])
        await runThrough(place, shipping, { guarantee: 'at-least-once' })
        const shipped = new Set((await values(place, Shipments)).map(({ orderId }) => orderId))
        assert.equal(shipped.size, 160)
      }))
  })
}

const counting = service('counting', {
  reads: [Orders],
  writes: [],
  topology: (s) => ({ orders: s.table(Orders) }),
})

function copying(state: 'broken' | 'repaired', onError: OnError = 'stop') {
  return service('shipping', {
    reads: [Payments],
    writes: [Shipments],
    onError,
    topology: (s) => {
      s.stream(Payments)
        .map(({ orderId, amount }) => {
          if (state === 'broken' && orderId === 'o33') throw new Error('no o33')
          return { orderId, amount }
        })
        .to(Shipments)
      return {}
    },
  })
}
