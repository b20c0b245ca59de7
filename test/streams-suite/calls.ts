/** Calls outside of a service that runs: on a broker, over crashes and between instances. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isHeadwaterError } from '../../src/base/errors.ts'
import { service } from '../../src/service/service.ts'
import { encodeKey } from '../../src/streams/stores/serde.ts'
import type { CallContext } from '../../src/streams/topology/topology.ts'
import type { CallOptions } from '../../src/streams/topology/call-options.ts'
import { Payments, Shipments } from '../types/shop.ts'
import { BreakingDial } from './faults.ts'
import type { OpenPlace } from './place.ts'
import { createTopicsOf, inPlace, runThrough, start, values, write } from './place.ts'
import { payments } from './services.ts'

type Call = (orderId: string, call: CallContext) => Promise<unknown>

/** Calls for each payment, ships what comes of it and counts it. */
function calling(f: Call, options: CallOptions = {}) {
  return service('shipping', {
    reads: [Payments],
    writes: [Shipments],
    topology: (s) => {
      const made = s.stream(Payments).mapAsync(
        'charge',
        async ({ orderId, amount }, _key, call) => {
          await f(orderId, call)
          return { orderId, amount, address: '' }
        },
        { order: 'none', concurrency: 8, ...options },
      )
      made.to(Shipments)
      return { shipped: made.count('shipped') }
    },
  })
}

export function callsSuite(open: OpenPlace): void {
  describe('calls outside', () => {
    it('what follows happens once whatever breaks, and what is called again has the same key', () =>
      inPlace(open, async (place) => {
        const keys = new Map<string, Set<string>>()
        const shipping = calling(async (orderId, { idempotencyKey }) => {
          keys.set(orderId, (keys.get(orderId) ?? new Set()).add(idempotencyKey))
          await sleep(Number(orderId.slice(1)) % 7)
        })
        await createTopicsOf(place, shipping)
        await write(place, Payments, payments(0, 60))
        for (const frames of [25, 40, 55, 70]) {
          const dial = new BreakingDial(place.broker.dial, frames)
          const broker = { ...place.broker, dial: dial.dial }
          const life = runThrough({ ...place, broker }, shipping)
          life.catch(() => undefined)
          await Promise.race([dial.broken, life])
        }
        await using running = await start(place, shipping)
        await running.caughtUp()
        const shipped = (await values(place, Shipments)).map(({ orderId }) => orderId)
        assert.equal(shipped.length, 60)
        assert.equal(new Set(shipped).size, 60)
        assert.deepEqual([...new Set([...keys.values()].map(({ size }) => size))], [1])
        assert.equal(running.stats().lag, 0)
        assert.deepEqual(running.stats().calls, { charge: { running: 0, waiting: 0, retried: 0 } })
      }))

    it('commits nothing of a record whose call has not ended, and all that is before it', () =>
      inPlace(open, async (place) => {
        const { promise, resolve } = Promise.withResolvers<void>()
        const shipping = calling((orderId) => (orderId === 'o7' ? promise : Promise.resolve()))
        await createTopicsOf(place, shipping)
        await write(place, Payments, payments(0, 40))
        await using running = await start(place, shipping)
        while ((running.stats().calls['charge']?.running ?? 0) !== 1) await sleep(5)
        while (running.stats().lag !== laggingBehind('o7', 40)) await sleep(5)
        assert.equal(
          (await values(place, Shipments)).some(({ orderId }) => orderId === 'o7'),
          false,
        )
        resolve()
        await running.caughtUp()
        assert.equal((await values(place, Shipments)).length, 40)
      }))

    it('lets calls end before partitions go, and tells those that do not', () =>
      inPlace(open, async (place) => {
        const aborted: unknown[] = []
        const calls = new Map<string, number>()
        const shipping = calling(
          async (orderId, { signal }) => {
            const times = (calls.get(orderId) ?? 0) + 1
            calls.set(orderId, times)
            if (orderId !== 'o3' || times > 1) return sleep(1)
            signal.addEventListener('abort', () => aborted.push(signal.reason))
            await new Promise(() => undefined)
          },
          { timeout: '1h' },
        )
        await createTopicsOf(place, shipping)
        await write(place, Payments, payments(0, 30))
        const times = { rebalanceTimeoutMs: 1_000, heartbeatIntervalMs: 200 }
        await using first = await start(place, shipping, { ...times, instanceId: 'a' })
        while (first.stats().lag !== laggingBehind('o3', 30)) await sleep(5)
        await using second = await start(place, shipping, { ...times, instanceId: 'b' })
        await Promise.all([first.caughtUp(), second.caughtUp()])
        assert.equal(aborted.length, 1)
        assert.ok(isHeadwaterError(aborted[0], 'stale-member'))
        assert.equal(calls.get('o3'), 2)
        const shipped = (await values(place, Shipments)).map(({ orderId }) => orderId)
        assert.equal(shipped.length, 30)
        assert.equal(new Set(shipped).size, 30)
      }))

    it('ends with its service in bounded time, also when a call never does', () =>
      inPlace(open, async (place) => {
        const shipping = calling(() => new Promise(() => undefined))
        await createTopicsOf(place, shipping)
        await write(place, Payments, payments(0, 3))
        const running = await start(place, shipping, { closeTimeoutMs: 1_000 })
        while ((running.stats().calls['charge']?.running ?? 0) === 0) await sleep(5)
        const begun = performance.now()
        await running.close()
        assert.ok(performance.now() - begun < 5_000)
      }))
  })
}

/** Offsets from the payment of an order to the end of its partition, when everything else is through. */
function laggingBehind(orderId: string, count: number): number {
  const partition = partitionOf(orderId)
  const from = Number(orderId.slice(1))
  return payments(from, count).filter((payment) => partitionOf(payment.orderId) === partition)
    .length
}

function partitionOf(orderId: string): number {
  return encodeKey('string', orderId).hash % Payments.partitions
}
