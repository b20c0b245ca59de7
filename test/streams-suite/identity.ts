/**
 * A service that has changed meets the state of the version before: it goes on rightly, or it refuses
 * before it reads anything, and each way out that it names leads to the right counts.
 */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import {
  alterGroupOffsets,
  createTopics,
  deleteGroup,
  deleteTopics,
  groupOffsets,
} from '../../src/client/admin.ts'
import { latestTimestamp, listOffsets } from '../../src/client/consumer/list-offsets.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import { service } from '../../src/service/service.ts'
import type { Service } from '../../src/service/service.ts'
import {
  acceptStore,
  planService,
  rebuildStore,
  resetService,
} from '../../src/streams/identity/ways-out.ts'
import { planTopology } from '../../src/streams/plan/plan.ts'
import type { Plan } from '../../src/streams/plan/plan.ts'
import type { Cluster } from '../../src/client/cluster/cluster.ts'
import { tumbling } from '../../src/streams/topology/windows.ts'
import type { Builder, Queries } from '../../src/streams/topology/builder.ts'
import { connect, createTopicsOf, runThrough, start, write } from './place.ts'
import type { OpenPlace, Place } from './place.ts'
import { expectedWindows, payments as manyPayments, orders, shipping } from './services.ts'
import { CustomerId, Orders, Payments, Shipments } from '../types/shop.ts'

type Inside = (s: Builder<'payments' | 'orders', 'shipments'>) => Queries

function reading(topology: (s: Builder<'payments', never>) => Queries): Service {
  return service('shipping', { reads: [Payments], writes: [], topology }) as Service
}

const minute = 60_000
const plain = reading((s) => ({ n: s.stream(Payments).count('n') }))
const windowed = (size: '5m' | '1h', grace: '1000d' | '1001d' = '1000d'): Service =>
  reading((s) => ({ n: s.stream(Payments).window(tumbling(size, { grace })).count('n') }))
const summed = reading((s) => ({
  n: s.stream(Payments).reduce(
    'n',
    () => ({ total: 0 }),
    (sum, { amount }) => ({ total: sum.total + amount }),
  ),
}))
const renamed = reading((s) => ({ n: s.stream(Payments).count('n2') }))
const added = reading((s) => {
  const paid = s.stream(Payments)
  return { old: paid.count('n'), n: paid.count('added') }
})
const rekeyed = (name: string): Service =>
  reading((s) => ({
    n: s
      .stream(Payments)
      .rekey(name, CustomerId, ({ status }) => status)
      .count('n'),
  }))

function payments(count: number, at: (i: number) => number) {
  return Array.from({ length: count }, (_, i) => {
    const paidAt = BigInt(at(i))
    return { paymentId: `p${i}`, orderId: 'o1', amount: 1, status: 'CAPTURED', paidAt }
  })
}

export function identitySuite(open: OpenPlace): void {
  describe('a service that has changed', { timeout: 240_000 }, () => {
    let place: Place

    beforeEach(async () => {
      place = await open()
    })

    afterEach(() => place.close())

    async function withPlan<T>(
      of: Service,
      work: (cluster: Cluster, plan: Plan) => Promise<T>,
    ): Promise<T> {
      await using cluster = await connect(place)
      return await work(cluster, planTopology(of.build()))
    }

    /** Runs `v1` over three payments and writes one more, which no version has seen. */
    async function processThree(v1: Service): Promise<void> {
      await createTopicsOf(place, v1)
      await write(
        place,
        Payments,
        payments(3, () => 1),
      )
      await runThrough(place, v1)
      await write(
        place,
        Payments,
        payments(1, () => 2),
      )
    }

    async function rowsOf(of: Service): Promise<unknown[]> {
      await using running = await start(place, of)
      await running.caughtUp()
      const rows = running.views['n']!.scan('', 100).map(({ value }) => value)
      await running.close()
      return rows
    }

    /** Offsets of all partitions: a broker may compact records away, but none of these. */
    async function shipmentsEnd(): Promise<number> {
      await using cluster = await connect(place)
      const places = Array.from({ length: Shipments.partitions }, (_, partition) => {
        return { topic: Shipments.name, partition }
      })
      const ends = await listOffsets(cluster, places, latestTimestamp, 'read_uncommitted')
      return ends.reduce((sum, { offset }) => sum + offset, 0)
    }

    const refusedThenRebuilt: [string, Service, Service, string, RegExp, unknown][] = [
      ['another window size', windowed('5m'), windowed('1h'), 'n', /window was of 300000 ms/, 4],
      ['no window', windowed('5m'), plain, 'n', /window was of 300000 ms and is none/, 4],
      ['a window where there was none', plain, windowed('5m'), 'n', /window was none/, 4],
      ['a longer grace', windowed('5m'), windowed('5m', '1001d'), 'n', /grace was/, 4],
      [
        'a reduce where a count was',
        plain,
        summed,
        'n',
        /was a count and is a reduce/,
        { total: 4 },
      ],
      ['another name', plain, renamed, 'n2', /store 'n2' is new, but the service has read/, 4],
      ['a second store', plain, added, 'added', /store 'added' is new/, 4],
      ['another rekey before it', rekeyed('r1'), rekeyed('r2'), 'n', /what it reads was/, 4],
    ]
    for (const [change, v1, v2, store, why, total] of refusedThenRebuilt) {
      it(`refuses a store with ${change}, and counts rightly once it is rebuilt`, async () => {
        await processThree(v1)
        await assert.rejects(start(place, v2), (error: Error) => {
          assert.match(error.message, why)
          assert.match(error.message, new RegExp(`headwater rebuild FILE shipping ${store}`))
          return (error as { code?: string }).code === 'state-mismatch'
        })
        const { records } = await withPlan(v2, (cluster, plan) =>
          rebuildStore(cluster, plan, store),
        )
        assert.equal(records, 3, 'the fourth is left to the service')
        assert.deepEqual(await rowsOf(v2), [total])
      })
    }

    it('starts from the beginning after a reset, with the right counts', async () => {
      await processThree(windowed('5m'))
      await assert.rejects(start(place, windowed('1h')), /headwater rebuild/)
      await withPlan(windowed('1h'), (cluster, plan) => resetService(cluster, plan))
      assert.deepEqual(await rowsOf(windowed('1h')), [4])
    })

    it('goes on from now with an added store that was accepted', async () => {
      await processThree(plain)
      await withPlan(added, (cluster, plan) => acceptStore(cluster, plan, 'added'))
      assert.deepEqual(await rowsOf(added), [1])
    })

    it('cannot accept a store whose rows are something else', async () => {
      await processThree(windowed('5m'))
      await assert.rejects(
        withPlan(plain, (cluster, plan) => acceptStore(cluster, plan, 'n')),
        /cannot be taken as it is.*headwater rebuild/,
      )
    })

    it('keeps what is the same, whatever stateless operators are put before it', async () => {
      await processThree(plain)
      const filtered = reading((s) => ({
        n: s
          .stream(Payments)
          .filter(() => true)
          .count('n'),
      }))
      assert.deepEqual(await rowsOf(filtered), [4])
    })

    it('refuses a store that a version without it has left behind', async () => {
      await processThree(added)
      await runThrough(place, plain)
      await assert.rejects(start(place, added), /store 'added' has missed records/)
      await withPlan(added, (cluster, plan) => rebuildStore(cluster, plan, 'added'))
      assert.deepEqual(await rowsOf(added), [4])
    })

    it('is refused by a raised version, which nothing else would show', async () => {
      const raised = reading((s) => ({ n: s.stream(Payments).count('n', { version: 2 }) }))
      await processThree(plain)
      await assert.rejects(start(place, raised), /its version was 1 and is 2/)
      await withPlan(raised, (cluster, plan) => rebuildStore(cluster, plan, 'n'))
      assert.deepEqual(await rowsOf(raised), [4])
    })

    it('writes nothing but the one changelog when a store is rebuilt', async () => {
      const twice = (name: string): Service => {
        const topology: Inside = (s) => {
          const paid = s.stream(Payments).join(s.table(Orders), ({ orderId }) => ({ orderId }))
          paid.to(Shipments, ({ orderId }) => ({ orderId, address: '', amount: 0 }))
          return { n: paid.count(name) }
        }
        const both = { reads: [Payments, Orders], writes: [Shipments], topology }
        return service('shipping', both) as Service
      }
      await createTopicsOf(place, twice('n'))
      await write(place, Orders, [{ orderId: 'o1' }])
      await processThree(twice('n'))
      const before = await shipmentsEnd()
      await withPlan(twice('n2'), (cluster, plan) => rebuildStore(cluster, plan, 'n2'))
      assert.equal(await shipmentsEnd(), before)
      assert.deepEqual(await rowsOf(twice('n2')), [4])
      assert.ok((await shipmentsEnd()) > before)
    })

    it('rebuilds to an offset inside a batch, and leaves the rest of it to the service', async () => {
      await processThree(plain)
      await withPlan(plain, async (cluster, plan) => {
        const committed = await groupOffsets(cluster, 'shipping')
        const [place] = committed.filter(({ topic, offset }) => topic === 'payments' && offset >= 3)
        await alterGroupOffsets(cluster, 'shipping', [{ ...place!, offset: 2 }])
        const { records, rows } = await rebuildStore(cluster, plan, 'n')
        assert.deepEqual([records, rows], [2, 1])
      })
      assert.deepEqual(await rowsOf(plain), [4])
    })

    it('rebuilds windows behind a join and a rekey to what they were', async () => {
      const paid = manyPayments(0, 5000)
      await createTopicsOf(place, shipping)
      await write(place, Orders, orders(0, 5000))
      await write(place, Payments, paid)
      await runThrough(place, shipping)
      const { records } = await withPlan(shipping, (cluster, plan) =>
        rebuildStore(cluster, plan, 'per-customer'),
      )
      assert.equal(records, 10_000)
      await using running = await start(place, shipping)
      await running.caughtUp()
      const rows = running.views['perCustomer']!.scan('', 1000)
      const counts = Object.fromEntries(
        rows.map(({ key, windowStart, value }) => [`${key} ${windowStart}`, value]),
      )
      assert.deepEqual(counts, expectedWindows(paid))
    })

    it('rebuilds how far in event time windows have come, so that late records stay late', async () => {
      const strict = (name: string): Service =>
        reading((s) => ({
          n: s
            .stream(Payments)
            .rekey('by-status', CustomerId, ({ status }) => status)
            .window(tumbling('5m', { grace: '0ms' }))
            .count(name),
        }))
      await createTopicsOf(place, strict('n'))
      await write(
        place,
        Payments,
        payments(2, (i) => i * 60 * minute),
      )
      await runThrough(place, strict('n'))
      await write(
        place,
        Payments,
        payments(1, () => 1),
      )
      await withPlan(strict('n2'), (cluster, plan) => rebuildStore(cluster, plan, 'n2'))
      await using running = await start(place, strict('n2'))
      await running.caughtUp()
      assert.equal(running.stats().recordsLate, 1)
      assert.deepEqual(
        running.views['n']!.scan('', 9).map(({ value }) => value),
        [1, 1],
      )
    })

    it('lets two instances that start at once agree', async () => {
      await createTopicsOf(place, plain)
      await write(
        place,
        Payments,
        payments(3, () => 1),
      )
      const both = await Promise.all(
        ['a', 'b'].map((instanceId) => start(place, plain, { instanceId })),
      )
      await Promise.all(both.map((running) => running.caughtUp()))
      const rows = both.flatMap(({ views }) => views['n']!.scan('', 9))
      await Promise.all(both.map((running) => running.close()))
      assert.deepEqual(
        rows.map(({ value }) => value),
        [3],
      )
    })

    it('is rebuilt and reset only while nobody runs it', async () => {
      await processThree(plain)
      await using running = await start(place, plain)
      const works: ((cluster: Cluster, plan: Plan, store: string) => Promise<unknown>)[] = [
        rebuildStore,
        resetService,
      ]
      for (const work of works) {
        await assert.rejects(
          withPlan(plain, (cluster, plan) => work(cluster, plan, 'n')),
          /service 'shipping' is running.*stop every instance first/,
        )
      }
      await running.caughtUp()
    })

    it('refuses to count on top of state whose offsets are gone', async () => {
      await processThree(plain)
      await withPlan(plain, (cluster) => deleteGroup(cluster, 'shipping'))
      await assert.rejects(start(place, plain), /no offsets for 'payments'.*headwater reset/)
      await withPlan(plain, (cluster, plan) => resetService(cluster, plan))
      assert.deepEqual(await rowsOf(plain), [4])
    })

    it('refuses to count on without its changelog', async () => {
      await processThree(plain)
      await withPlan(plain, (cluster) => deleteTopics(cluster, ['shipping-n-changelog']))
      await assert.rejects(start(place, plain), /changelog.*was deleted and made anew.*rebuild/)
      await withPlan(plain, (cluster, plan) => rebuildStore(cluster, plan, 'n'))
      assert.deepEqual(await rowsOf(plain), [4])
    })

    it('stops when a stream was made anew, or reads the new one from its beginning', async () => {
      await processThree(plain)
      await withPlan(plain, async (cluster) => {
        await deleteTopics(cluster, ['payments'])
        await createTopics(cluster, [{ name: 'payments', partitions: 12 }])
      })
      await write(
        place,
        Payments,
        payments(5, () => 1),
      )
      await assert.rejects(start(place, plain), /'payments' was deleted and made anew.*restart/)
      await runThrough(place, plain, { onTopicReplaced: 'restart' })
      assert.deepEqual(await rowsOf(plain), [8], 'three of the old topic and five of the new')
    })

    it('stops while it runs when a stream is made anew under it', async () => {
      await createTopicsOf(place, plain)
      await write(
        place,
        Payments,
        payments(3, () => 1),
      )
      await using running = await start(place, plain)
      await running.caughtUp()
      await withPlan(plain, async (cluster) => {
        await deleteTopics(cluster, ['payments'])
        await createTopics(cluster, [{ name: 'payments', partitions: 12 }])
      })
      await write(
        place,
        Payments,
        payments(5, () => 1),
      )
      // Whether a fetch or a commit sees it first is chance.
      await assert.rejects(running.failed, /'payments' was deleted and made anew/)
    })

    it('says in its plan what is kept, new, dropped and refused, and how much is read', async () => {
      await processThree(plain)
      const outcomes = async (of: Service) => {
        const { verdicts } = await withPlan(of, planService)
        return verdicts.stores.map(({ store, outcome, from }) => {
          return [store, outcome, from.map(({ records }) => records)]
        })
      }
      assert.deepEqual(await outcomes(renamed), [
        ['n2', 'refused', [3]],
        ['n', 'dropped', []],
      ])
      assert.equal((await outcomes(plain))[0]![1], 'kept')
    })

    it('refuses a rekey renamed while records are on their way in the old inner topic', async () => {
      const v1 = rekeyed('r1')
      await processThree(v1)
      await withPlan(v1, async (cluster) => {
        const producer = new Producer(cluster)
        await producer.init()
        const bytes = new TextEncoder().encode('CAPTURED')
        producer.append('shipping-r1-repartition', 0, 1, bytes, bytes)
        await producer.flush()
        await producer.close()
      })
      await assert.rejects(
        start(place, rekeyed('r2')),
        /'shipping-r1-repartition' is not in this version, and holds records that nobody has processed/,
      )
    })

    it('counts all windows anew under another size', async () => {
      await createTopicsOf(place, windowed('5m'))
      await write(
        place,
        Payments,
        payments(9, (i) => i * 5 * minute + 1),
      )
      await runThrough(place, windowed('5m'))
      await write(
        place,
        Payments,
        payments(1, () => 50 * minute),
      )
      await withPlan(windowed('1h'), (cluster, plan) => rebuildStore(cluster, plan, 'n'))
      assert.deepEqual(await rowsOf(windowed('1h')), [10])
    })
  })
}
