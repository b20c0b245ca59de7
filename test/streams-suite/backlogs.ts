/** Much to do for slow functions: every task and input has its turn, and what is counted is the same. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { service } from '../../src/service/service.ts'
import { tumbling } from '../../src/streams/topology/windows.ts'
import { CustomerId, Payments, Shipments } from '../types/shop.ts'
import type { OpenPlace } from './place.ts'
import { createTopicsOf, inPlace, start, write } from './place.ts'

const count = 1_200

export function backlogsSuite(open: OpenPlace): void {
  describe('a service with much to do and slow functions', () => {
    it('counts in windows what comes from tasks that have not had their turn when others are far on', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, windows)
        await write(place, Payments, inOrder())
        await using running = await start(place, windows)
        await running.caughtUp()
        assert.equal(running.stats().recordsLate, 0)
      }))

    it('reads its inputs meanwhile, and commits when a batch has been written', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, importing)
        await write(place, Payments, inOrder())
        await using running = await start(place, importing)
        while (running.stats().inputs['rows']?.done !== true) await delay(5)
        const counted = running.views.counts!.size()
        assert.ok(counted < count / 2, `it was written after ${counted} others`)
      }))
  })
}

/** Payments of as many orders, a second apart. */
function inOrder() {
  return Array.from({ length: count }, (_, n) => {
    return { paymentId: 'p', orderId: `o${n}`, amount: n, paidAt: BigInt(n * 1_000) }
  })
}

/** So slow that one task has enough for a turn. */
function slowly<T>(value: T): T {
  const until = performance.now() + 1
  while (performance.now() < until);
  return value
}

const windows = service('counting', {
  reads: [Payments],
  writes: [],
  topology: (s) => {
    const perCustomer = s
      .stream(Payments)
      .map(slowly)
      .rekey('by-customer', CustomerId, () => 'c1')
    return {
      perMinute: perCustomer
        .window(tumbling('1m', { grace: '0ms', retention: '0ms' }))
        .count('per-minute'),
    }
  },
})

const importing = service('shipping', {
  reads: [Payments],
  writes: [Shipments],
  topology: (s) => {
    s.input('rows', Shipments, async function* () {
      await delay(200)
      yield {
        events: Array.from({ length: 60_000 }, () => ({ orderId: 'o', address: '', amount: 1 })),
        position: 1,
      }
    })
    return { counts: s.stream(Payments).map(slowly).count('counts') }
  },
})
