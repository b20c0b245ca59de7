/** What a service does with what it cannot process, and the weaker guarantee. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isHeadwaterError, type HeadwaterError } from '../../src/base/errors.ts'
import { deadLettersOf } from '../../src/events/dead-letters.ts'
import { createTopics } from '../../src/client/admin.ts'
import { fetchOffsets } from '../../src/client/group/group-offsets.ts'
import { service } from '../../src/service/service.ts'
import { keyspace, keyed, type AnyEvent, type ValueOf } from '../../src/events/event.ts'
import { run } from '../../src/streams/runtime/run.ts'
import type { ServiceEvent } from '../../src/streams/runtime/service-event.ts'
import type { OnError } from '../../src/streams/topology/topology.ts'
import { PaymentSchema } from '../gen/shop/v1/shop_pb.ts'
import { Orders, Payments, Shipments } from '../types/shop.ts'
import { BreakingDial } from './faults.ts'
import { assertShipped } from './operators.ts'
import type { OpenPlace, Place } from './place.ts'
import {
  connect,
  createTopicsOf,
  inPlace,
  runThrough,
  start,
  values,
  write,
  writePoison,
} from './place.ts'
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

    it('has committed everything before the record when it stops, and nothing of it', () =>
      inPlace(open, async (place) => {
        const broken = copying('broken')
        await createTopicsOf(place, broken)
        await write(place, Payments, payments(0, 500))
        const told: ServiceEvent[] = []
        const seldom = {
          commitIntervalMs: 30_000,
          onEvent: (event: ServiceEvent) => told.push(event),
        }
        await using running = await start(place, broken, seldom)
        const error = await running.failed.catch((reason: unknown) => reason as HeadwaterError)
        const [, offset, partition] = /record (\d+) of partition (\d+)/.exec(error.message)!
        assert.deepEqual(await committedOf(place, Payments, Number(partition)), Number(offset))
        const before = (await values(place, Shipments)).map(({ orderId }) => orderId)
        assert.ok(Number(offset) > 0 && before.length >= Number(offset))
        assert.ok(!before.includes('o33'))
        const stopping = told.filter(({ type }) => type === 'stopping')
        assert.deepEqual(stopping, [{ type: 'stopping', error }])
        await running.close()
        await runThrough(place, copying('repaired'))
        const all = (await values(place, Shipments)).map(({ orderId }) => orderId)
        assert.equal(all.length, 500)
        assert.equal(new Set(all).size, 500)
      }))

    it('has committed everything before the record whose call outside failed for good', () =>
      inPlace(open, async (place) => {
        const called: string[] = []
        const calling = service('shipping', {
          reads: [Payments],
          writes: [Shipments],
          topology: (s) => {
            const call = async ({ orderId, amount }: ValueOf<typeof Payments>) => {
              called.push(orderId)
              // Longer than whoever closes waits for calls that are out.
              await delay(50)
              if (orderId === 'o33') throw new Error('no o33')
              return { orderId, address: '', amount }
            }
            s.stream(Payments)
              .mapAsync('call', call, { retry: { attempts: 1 } })
              .to(Shipments)
            return {}
          },
        })
        await createTopicsOf(place, calling)
        await write(place, Payments, payments(0, 200))
        const times = { commitIntervalMs: 30_000, closeTimeoutMs: 20 }
        await using running = await start(place, calling, times)
        const error = await running.failed.catch((reason: unknown) => reason as HeadwaterError)
        const [, offset, partition] = /record (\d+) of partition (\d+)/.exec(error.message)!
        assert.equal(await committedOf(place, Payments, Number(partition)), Number(offset))
        const shipped = (await values(place, Shipments)).map(({ orderId }) => orderId)
        assert.equal(new Set(shipped).size, shipped.length)
        assert.ok(shipped.length >= Number(offset) && !shipped.includes('o33'))
        assert.deepEqual(new Set(called).isSupersetOf(new Set(shipped)), true)
      }))

    it('stops at once where it stands when nothing is before the record', () =>
      inPlace(open, async (place) => {
        const broken = copying('broken')
        await createTopicsOf(place, broken)
        await write(place, Payments, payments(0, 50))
        await using first = await start(place, broken)
        await assert.rejects(first.failed)
        await first.close()
        const told: ServiceEvent[] = []
        await using second = await start(place, broken, { onEvent: (event) => told.push(event) })
        await assert.rejects(second.failed, /map 1 threw: no o33/)
        assert.ok(told.every(({ type }) => type !== 'stopping'))
      }))

    it('comes to the first of several records that stop it, whichever shows first', () =>
      inPlace(open, async (place) => {
        const bad = new Set(['o33', 'o77', 'o120', 'o121'])
        const broken = copying('broken', 'stop', bad)
        await createTopicsOf(place, broken)
        await write(place, Payments, payments(0, 500))
        while (bad.size > 0) {
          await using running = await start(place, broken, { commitIntervalMs: 30_000 })
          const error = await running.failed.catch((reason: unknown) => reason as HeadwaterError)
          const [, offset, partition] = /record (\d+) of partition (\d+)/.exec(error.message)!
          assert.equal(await committedOf(place, Payments, Number(partition)), Number(offset))
          const [, orderId] = /no (o\d+)/.exec(error.message)!
          bad.delete(orderId!)
        }
        await runThrough(place, broken)
        const all = (await values(place, Shipments)).map(({ orderId }) => orderId)
        assert.deepEqual([all.length, new Set(all).size], [500, 500])
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

    it('stops, with the record not passed over, when the stream of letters takes no letter', () =>
      inPlace(open, async (place) => {
        const broken = copying('broken', 'deadLetter')
        const name = 'shipping-dead-letters'
        await using admin = await connect(place)
        const configs = { 'max.message.bytes': '100', 'retention.ms': '-1' }
        await createTopics(admin, [{ name, partitions: 1, configs }])
        await createTopicsOf(place, broken)
        await write(place, Payments, payments(33, 34))
        await using running = await start(place, broken)
        await assert.rejects(running.failed, {
          code: 'record-invalid',
          message: /cannot be written, however short.*'shipping-dead-letters'.*max\.message\.bytes/,
        })
        assert.deepEqual(await values(place, deadLettersOf('shipping')), [])
        const partitions = Array.from({ length: Payments.partitions }, (_, each) => each)
        const at = await Promise.all(partitions.map((each) => committedOf(place, Payments, each)))
        assert.ok(
          at.every((offset) => offset <= 0),
          at.join(),
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

function copying(
  state: 'broken' | 'repaired',
  onError: OnError = 'stop',
  bad: ReadonlySet<string> = new Set(['o33']),
) {
  return service('shipping', {
    reads: [Payments],
    writes: [Shipments],
    onError,
    topology: (s) => {
      s.stream(Payments)
        .map(({ orderId, amount }) => {
          if (state === 'broken' && bad.has(orderId)) throw new Error(`no ${orderId}`)
          return { orderId, address: '', amount }
        })
        .to(Shipments)
      return {}
    },
  })
}

/** What the group of `shipping` has committed of a partition. */
async function committedOf(place: Place, event: AnyEvent, partition: number): Promise<number> {
  await using cluster = await connect(place)
  const at = [{ topic: event.name, partition }]
  const [committed] = await fetchOffsets(cluster, 'shipping', at, true)
  return committed!.offset
}
