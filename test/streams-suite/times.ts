/** Times that nobody expects: in the future, before 1970, in microseconds, none at all. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { alterConfigs, createTopics } from '../../src/client/admin.ts'
import { service } from '../../src/service/service.ts'
import { tumbling } from '../../src/streams/topology/windows.ts'
import { CustomerId, Payments, Shipments } from '../types/shop.ts'
import type { OpenPlace, Place } from './place.ts'
import { connect, createTopicsOf, inPlace, runThrough, start, write } from './place.ts'

const longMax = '9223372036854775807'
const hour = 3_600_000

const oddTimes = {
  none: -1n,
  'an hour before 1970': BigInt(-hour),
  'a timetable': BigInt(Date.UTC(2099, 0, 1)),
  microseconds: BigInt(Date.UTC(2024, 0, 1)) * 1_000n,
  'beyond any date': 8_640_000_000_000_001n,
  nanoseconds: BigInt(Date.UTC(2024, 0, 1)) * 1_000_000n,
  'the largest exact number': BigInt(Number.MAX_SAFE_INTEGER),
}

export function timesSuite(open: OpenPlace): void {
  describe('a time that nobody expects', () => {
    for (const [name, paidAt] of Object.entries(oddTimes)) {
      it(`stops no state of a service and no restore: ${name}`, () =>
        inPlace(open, async (place) => {
          await createPayments(place)
          await createTopicsOf(place, counting)
          await write(place, Payments, [payment(paidAt), payment(paidAt)])
          for (const life of ['counted', 'restored']) {
            await using running = await start(place, counting)
            await running.caughtUp()
            assert.equal(running.views.perOrder!.get('o1'), 2, life)
            assert.equal(running.views.perCustomer!.get('c1'), 2, life)
            if (paidAt >= 0n) assert.equal(running.views.windows!.size(), 1, life)
            await running.close()
          }
        }))
    }

    it('is a record error with the setting when a stream does not take it, and none when it does', () =>
      inPlace(open, async (place) => {
        await createPayments(place)
        await createTopicsOf(place, planning)
        const ahead = Date.now() + 2 * hour
        await write(place, Payments, [payment(BigInt(ahead))])
        const refusing = await start(place, planning)
        await assert.rejects(refusing.failed, {
          code: 'record-invalid',
          message: /'shipments'.*message\.timestamp\.after\.max\.ms.*of 'shipments'/,
        })
        await refusing.close()
        await takeAnyTime(place, ahead)
        await runThrough(place, planning)
      }))
  })
}

const counting = service('counting', {
  reads: [Payments],
  writes: [],
  topology: (s) => {
    const payments = s.stream(Payments)
    return {
      perOrder: payments.count('per-order'),
      windows: payments.window(tumbling('1h', { grace: '0ms' })).count('windows'),
      perCustomer: payments.rekey('by-customer', CustomerId, () => 'c1').count('per-customer'),
    }
  },
})

const planning = service('shipping', {
  reads: [Payments],
  writes: [Shipments],
  topology: (s) => {
    s.stream(Payments).to(Shipments, ({ orderId, amount }) => ({ orderId, address: '', amount }))
    return {}
  },
})

function payment(paidAt: bigint) {
  return { paymentId: 'p', orderId: 'o1', amount: 1, status: 'CAPTURED', paidAt }
}

/** The stream of payments as its owner made it: it takes any time. */
async function createPayments(place: Place): Promise<void> {
  const cluster = await connect(place)
  const configs = { 'retention.ms': '-1', 'message.timestamp.after.max.ms': longMax }
  await createTopics(cluster, [{ name: Payments.name, partitions: Payments.partitions, configs }])
  await cluster.close()
}

/** Lets the stream of shipments take any time, too; Kafka's brokers hear of it a little later. */
async function takeAnyTime(place: Place, ahead: number): Promise<void> {
  const cluster = await connect(place)
  await alterConfigs(cluster, Shipments.name, { 'message.timestamp.after.max.ms': longMax })
  await cluster.close()
  const shipment = { orderId: 'o2', address: '', amount: 1 }
  for (let attempt = 1; ; attempt++) {
    try {
      return await write(place, Shipments, [shipment], ahead)
    } catch (error) {
      if (attempt === 50) throw error
      await delay(100)
    }
  }
}
