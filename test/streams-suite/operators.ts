/** Operators end to end: what a service reads from a broker, makes of it and writes back. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { earliestTimestamp, listOffsets } from '../../src/client/consumer/list-offsets.ts'
import { service } from '../../src/service/service.ts'
import { CustomerId, CustomerWindows, Orders, Payments, Shipments, Visits } from '../types/shop.ts'
import type { OpenPlace, Place } from './place.ts'
import {
  connect,
  createTopicsOf,
  deleteRow,
  inPlace,
  read,
  runThrough,
  start,
  table,
  values,
  write,
} from './place.ts'
import { expectedShipments, expectedWindows, orders, payments, shipping } from './services.ts'

export function operatorsSuite(open: OpenPlace): void {
  describe('a service', () => {
    it('filters, maps and writes to a stream it owns, with the fact’s time', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, large)
        await write(place, Payments, payments(0, 40))
        await runThrough(place, large)
        const written = await read(place, Shipments)
        assert.deepEqual(
          written.map(({ key, value }) => `${key} ${value!.amount}`).toSorted(),
          payments(30, 40).map(({ orderId, amount }) => `${orderId} ${amount}`),
        )
        const times = new Set(payments(30, 40).map(({ paidAt }) => Number(paidAt)))
        assert.deepEqual(new Set(written.map(({ timestamp }) => timestamp)), times)
      }))

    it('joins, rekeys, windows and counts: the same rows as plain loops', () =>
      inPlace(open, async (place) => {
        await prepare(place, 500)
        await using running = await start(place, shipping)
        await running.caughtUp()
        await assertShipped(place, 500)
        const { perCustomer, orders: known } = running.views
        assert.equal(known!.size(), 500)
        assert.equal(perCustomer!.size(), Object.keys(expectedWindows(payments(0, 500))).length)
        assert.equal(perCustomer!.getWindow('c1', 0), expectedWindows(payments(0, 500))['c1 0'])
        await running.close()
      }))

    it('reduces what has no window, and deletes what folds to nothing', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, balance)
        await write(place, Payments, [
          { orderId: 'a', amount: 5 },
          { orderId: 'b', amount: 7 },
          { orderId: 'a', amount: 1 },
        ])
        await runThrough(place, balance)
        assert.deepEqual(await amounts(place), { a: 6, b: 7 })
        await write(place, Payments, [{ orderId: 'b', amount: -7 }])
        await runThrough(place, balance)
        assert.deepEqual(await amounts(place), { a: 6 })
      }))

    it('sees a deletion in a table, also after a restart', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, shipping)
        await write(place, Orders, orders(0, 3))
        await deleteRow(place, Orders, 'o1')
        await runThrough(place, shipping)
        await write(place, Payments, payments(1, 3))
        await using running = await start(place, shipping)
        await running.caughtUp()
        assert.equal(running.views['orders']!.get('o1'), undefined)
        await running.close()
        assert.deepEqual(
          (await values(place, Shipments)).map(({ orderId }) => orderId),
          ['o2'],
        )
      }))

    it('deletes from its inner topic what it has processed, and counts on', () =>
      inPlace(open, async (place) => {
        await prepare(place, 300)
        await using running = await start(place, shipping, { purgeIntervalMs: 1 })
        await running.caughtUp()
        await write(place, Orders, orders(300, 400))
        await write(place, Payments, payments(300, 400))
        await running.caughtUp()
        const cluster = await connect(place)
        const inner = 'shipping-by-customer-repartition'
        const places = Array.from({ length: 12 }, (_, partition) => ({ topic: inner, partition }))
        let deleted = 0
        while (deleted === 0) {
          await delay(10)
          const starts = await listOffsets(cluster, places, earliestTimestamp, 'read_committed')
          deleted = starts.reduce((sum, { offset }) => sum + offset, 0)
        }
        await cluster.close()
        await running.close()
        await write(place, Orders, orders(400, 500))
        await write(place, Payments, payments(400, 500))
        await runThrough(place, shipping)
        await assertShipped(place, 500)
      }))

    it('reads unkeyed streams and merges', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, visitors)
        await write(place, Visits, [{ path: '/a' }, { path: '/b' }, { path: '/a' }])
        await using running = await start(place, visitors)
        await running.caughtUp()
        assert.deepEqual(running.views['paths']!.scan('', 10), [
          { key: '/a', value: 4 },
          { key: '/b', value: 2 },
        ])
        await running.close()
      }))
  })
}

async function prepare(place: Place, count: number): Promise<void> {
  await createTopicsOf(place, shipping)
  await write(place, Orders, orders(0, count))
  await write(place, Payments, payments(0, count))
}

/** Every payment counted once, nothing else. */
export async function assertShipped(place: Place, count: number): Promise<void> {
  const shipments = await values(place, Shipments)
  assert.deepEqual(
    shipments.map(({ orderId, amount }) => `${orderId} ${amount}`).toSorted(),
    expectedShipments(payments(0, count)),
  )
  const windows = await table(place, CustomerWindows)
  assert.deepEqual(Object.fromEntries([...windows].map(([id, row]) => [id, row.payments])), {
    ...expectedWindows(payments(0, count)),
  })
}

async function amounts(place: Place): Promise<Record<string, number>> {
  const rows = await table(place, Shipments)
  return Object.fromEntries([...rows].map(([key, { amount }]) => [key, amount]))
}

const large = service('shipping', {
  reads: [Payments],
  writes: [Shipments],
  topology: (s) => {
    s.stream(Payments)
      .filter(({ amount }) => amount >= 30)
      .map(({ orderId, amount }) => ({ orderId, address: '', amount }))
      .to(Shipments)
    return {}
  },
})

const balance = service('shipping', {
  reads: [Payments],
  writes: [Shipments],
  topology: (s) => {
    s.stream(Payments)
      .reduce<number | undefined>(
        'balance',
        () => 0,
        (sum = 0, { amount }) => (sum + amount === 0 ? undefined : sum + amount),
      )
      .to(Shipments, (amount, orderId) => ({ orderId, address: '', amount: amount ?? 0 }))
    return {}
  },
})

const visitors = service('counting', {
  reads: [Visits],
  writes: [],
  topology: (s) => {
    const visits = s.stream(Visits)
    const paths = visits.map(({ path }) => path)
    const again = visits.flatMap(({ path }) => [path])
    return {
      paths: paths
        .merge(again)
        .rekey('by-path', CustomerId, (path) => path)
        .count('paths'),
    }
  },
})
