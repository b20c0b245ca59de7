/**
 * What befalls a service while it runs, and what it says of it: streams that grow, go or lose records,
 * functions that take long, and everything that its events and counts tell.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createPartitions } from '../../src/client/admin.ts'
import { service } from '../../src/service/service.ts'
import { Orders, Payments } from '../types/shop.ts'
import type { OpenPlace, Place } from './place.ts'
import { connect, createTopicsOf, inPlace, start, write } from './place.ts'
import { orders, payments } from './services.ts'

const counting = service('counting', {
  reads: [Payments, Orders],
  writes: [],
  topology: (s) => ({ counts: s.stream(Payments).count('counts'), orders: s.table(Orders) }),
})

export function runningSuite(open: OpenPlace): void {
  describe('a service that runs', { timeout: 120_000 }, () => {
    it('stops, in each instance, when partitions are added to a stream it keeps state of', () =>
      inPlace(open, async (place) => {
        await prepare(place, 60)
        const soon = { metadataMaxAgeMs: 100 }
        await using first = await start(place, counting, { ...soon, instanceId: 'a' })
        await using second = await start(place, counting, { ...soon, instanceId: 'b' })
        await Promise.all([first.caughtUp(), second.caughtUp()])
        await using admin = await connect(place)
        await createPartitions(admin, Payments.name, 15)
        const says =
          /service 'counting'.*topic 'payments'.*had 12 partitions and has 15.*rekey.*headwater reset FILE counting/
        for (const { failed } of [first, second]) {
          await assert.rejects(failed, { code: 'state-mismatch', message: says })
        }
        // A start says the same.
        await assert.rejects(start(place, counting), {
          code: 'state-mismatch',
          message: /topic 'payments' had 12 partitions and has 15: .*rekey.*headwater reset/,
        })
      }))
  })
}

async function prepare(place: Place, count: number): Promise<void> {
  await createTopicsOf(place, counting)
  await write(place, Payments, payments(0, count))
  await write(place, Orders, orders(0, count))
}
