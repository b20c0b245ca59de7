/**
 * What befalls a service while it runs, and what it says of it: streams that grow or lose records, members
 * that come, go and die, functions that take long.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createPartitions, deleteRecords, deleteTopics } from '../../src/client/admin.ts'
import { HeadwaterError, isHeadwaterError } from '../../src/base/errors.ts'
import { latestTimestamp, listOffsets } from '../../src/client/consumer/list-offsets.ts'
import { nodeClock } from '../../src/io/node-clock.ts'
import type { Clock } from '../../src/io/ports.ts'
import { service } from '../../src/service/service.ts'
import { run } from '../../src/streams/runtime/run.ts'
import type { RunningTopology } from '../../src/streams/runtime/running.ts'
import type { ServiceEvent } from '../../src/streams/runtime/service-event.ts'
import { Orders, Payments, Shipments } from '../types/shop.ts'
import { Line } from './line.ts'
import type { OpenPlace, Place } from './place.ts'
import { connect, createTopicsOf, inPlace, runThrough, start, write } from './place.ts'
import { orders, payments, shipping } from './services.ts'

const wrong = new HeadwaterError('record-invalid', 'no such order')

const counting = service('shipping', {
  reads: [Payments, Orders],
  writes: [Shipments],
  topology: (s) => {
    const paid = s.stream(Payments)
    paid
      .map(({ orderId, amount }) => {
        if (orderId === 'o-slow') busyFor(700)
        if (orderId === 'o-wrong') throw wrong
        return { orderId, address: '', amount }
      })
      .to(Shipments)
    return { counts: paid.count('counts'), orders: s.table(Orders) }
  },
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
        const message =
          /service 'shipping'.*topic 'payments'.*had 12 partitions and has 15.*rekey.*headwater reset FILE shipping/
        for (const { failed } of [first, second]) {
          await assert.rejects(failed, { code: 'state-mismatch', message })
        }
        await assert.rejects(start(place, counting), {
          code: 'state-mismatch',
          message: /topic 'payments' had 12 partitions and has 15: .*rekey.*headwater reset/,
        })
      }))

    it('stops a minute after a stream it reads was deleted, and names it', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, shipping)
        await write(place, Orders, orders(0, 10))
        await write(place, Payments, payments(0, 10))
        const quick = {
          clock: thirtyTimesAsFast,
          metadataMaxAgeMs: 3_000,
          requestTimeoutMs: 60_000,
        }
        await using running = await start(place, shipping, quick)
        await running.caughtUp()
        await using admin = await connect(place)
        await deleteTopics(admin, [Orders.name])
        await assert.rejects(running.failed, { code: 'not-found', message: /topic 'orders'/ })
        assert.ok(running.stats().repairs > 0)
      }))

    it('answers no query any more once it has failed or was closed, and says why', () =>
      inPlace(open, async (place) => {
        await prepare(place, 3)
        await using app = await run(counting, { ...place, commitIntervalMs: 20 })
        await app.caughtUp()
        assert.equal(await app.query.counts.get('o1'), 1)
        await write(place, Payments, [{ orderId: 'o-wrong' }])
        const codes = { code: 'operator-failed', causeCode: 'record-invalid' }
        await assert.rejects(app.failed, codes)
        const why = { ...codes, message: /no such order/ }
        await assert.rejects(app.query.counts.get('o1'), why)
        await assert.rejects(app.query.orders.get('o1'), why)
        await assert.rejects(all(app.query.counts.scan()), why)
        await using other = await run(idle, place)
        await other.caughtUp()
        assert.equal((await other.query.orders.get('o1'))?.orderId, 'o1')
        await other.close()
        await assert.rejects(other.query.orders.get('o1'), { code: 'service-closed' })
      }))

    it('tells of each rebalance, of what it takes over, of repairs and of its end', () =>
      inPlace(open, async (place) => {
        await prepare(place, 60)
        const [a, b] = [listening(), listening()]
        const line = new Line(place.broker.dial)
        const cut = { broker: { ...place.broker, dial: line.dial }, closeTimeoutMs: 500 }
        await using first = await start(place, counting, { ...a.options, instanceId: 'a' })
        await first.caughtUp()
        assert.deepEqual(a.types(), ['assigned', 'state', 'opened', 'state'])
        assert.partialDeepStrictEqual(a.events[0], { type: 'assigned', partitions: 24 })
        assert.partialDeepStrictEqual(a.events[2], { kept: 0, restored: 24 })
        const { assignment, repairs, lastError } = first.stats()
        assert.deepEqual([repairs, lastError], [0, undefined])
        assert.equal(assignment?.tasks.length, 24)
        await using second = await start(place, counting, { ...b.options, ...cut, instanceId: 'b' })
        const revoked = await a.one('revoked')
        assert.deepEqual(revoked, {
          type: 'revoked',
          generation: assignment.generation,
          partitions: 24,
        })
        await until('it goes on with half', () => first.stats().assignment?.tasks.length === 12)
        const half = first.stats().assignment
        assert.equal(half?.generation, assignment.generation + 1)
        assert.equal(half.memberId, assignment.memberId)
        // The other dies in a transaction, which it has begun when it has written something.
        await second.caughtUp()
        const written = line.asked('Produce')
        line.fate = (api) =>
          api === 'TxnOffsetCommit' && line.asked('Produce') > written ? 'break' : 'pass'
        await write(place, Payments, payments(0, 60))
        const { transactionalIds } = await a.one('orphans-ended')
        assert.equal(transactionalIds.length, 1)
        assert.match(transactionalIds[0]!, /^shipping\/b-[0-9a-f]+$/)
        line.heal()
        const repair = await b.one('repair')
        assert.ok(isHeadwaterError(repair.error) && repair.pauseMs > 0)
        assert.ok(second.stats().repairs > 0)
        assert.match(second.stats().lastError!.code, /^(fenced|stale-member)$/)
        await second.close()
        await until('the first has all', () => first.stats().assignment?.tasks.length === 24)
        // Someone says goodbye in its name.
        await kick(place, first)
        await a.one('lost')
        await until('it is back', () => first.stats().state === 'running')
        await write(place, Payments, [{ orderId: 'o-wrong' }])
        const { error } = await a.one('failed')
        assert.ok(isHeadwaterError(error, 'operator-failed'))
        assert.equal(first.stats().lastError?.code, 'operator-failed')
        assert.equal(first.stats().state, 'failed')
      }))

    it('names a record for which its functions take long', () =>
      inPlace(open, async (place) => {
        await prepare(place, 0)
        const { options, one } = listening()
        await using running = await start(place, counting, options)
        await write(place, Payments, [{ orderId: 'o-slow' }])
        const slow = await one('slow-record')
        assert.partialDeepStrictEqual(slow, { topic: 'payments', offset: 0, records: 1 })
        assert.ok(slow.ms >= 700)
        await running.caughtUp()
      }))

    it('stops where records are gone before they were read, or skips, counts and tells them', () =>
      inPlace(open, async (place) => {
        await prepare(place, 0)
        await write(place, Payments, samePartition(10))
        await runThrough(place, counting)
        await write(place, Payments, samePartition(10))
        await using admin = await connect(place)
        const partition = await partitionWith(place, 20)
        await deleteRecords(admin, [{ topic: 'payments', partition, offset: 17 }])
        const gap = {
          code: 'records-lost',
          message: new RegExp(
            `records 10 to 16 of partition ${partition} of topic 'payments' are gone.*retention.ms.*onGap: 'skip'`,
          ),
        }
        await assert.rejects(start(place, counting), gap)
        const { options, one } = listening()
        await using running = await start(place, counting, { ...options, onGap: 'skip' })
        const skipped = { type: 'skipped', topic: 'payments', partition, records: 7 } as const
        assert.deepEqual(await one('skipped'), skipped)
        await running.caughtUp()
        assert.equal(running.stats().recordsSkipped, 7)
        assert.equal(running.views['counts']!.get('o1'), 13)
      }))
  })
}

const idle = service('idle', {
  reads: [Orders],
  writes: [],
  topology: (s) => ({ orders: s.table(Orders) }),
})

async function prepare(place: Place, count: number): Promise<void> {
  await createTopicsOf(place, counting)
  await write(place, Payments, payments(0, count))
  await write(place, Orders, orders(0, count))
}

function samePartition(count: number) {
  return Array.from({ length: count }, () => ({ orderId: 'o1', paidAt: 1n }))
}

/** The partition of payments that ends at `end`. */
async function partitionWith(place: Place, end: number): Promise<number> {
  await using cluster = await connect(place)
  const partitions = Array.from({ length: 12 }, (_, partition) => ({
    topic: 'payments',
    partition,
  }))
  const ends = await listOffsets(cluster, partitions, latestTimestamp, 'read_uncommitted')
  return ends.findIndex(({ offset }) => offset === end)
}

/** Collects what a service tells. */
function listening() {
  const events: ServiceEvent[] = []
  return {
    events,
    options: { onEvent: (event: ServiceEvent) => void events.push(event) },
    types: () => events.map(({ type }) => type),
    /** The first of a type, waited for. */
    one: async <T extends ServiceEvent['type']>(type: T) => {
      const isOne = (event: ServiceEvent): event is Extract<ServiceEvent, { type: T }> =>
        event.type === type
      await until(`'${type}' is told`, () => events.some(isOne))
      return events.find(isOne)!
    },
  }
}

/** Someone says goodbye in the name of an instance. */
async function kick(place: Place, running: RunningTopology): Promise<void> {
  const { memberId } = running.stats().assignment!
  await using cluster = await connect(place)
  await cluster.request(
    'LeaveGroup',
    { groupId: running.service, members: [{ memberId }] },
    { coordinator: 'group', id: running.service },
  )
}

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const row of rows) found.push(row)
  return found
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!isSo()) {
    assert.ok(performance.now() < deadline, `not in time: ${what}`)
    await delay(20)
  }
}

const thirtyTimesAsFast: Clock = {
  now: () => nodeClock.now(),
  monotonic: () => nodeClock.monotonic() * 30,
  soon: (callback) => nodeClock.soon(callback),
  after: (delayMs, callback) => nodeClock.after(delayMs / 30, callback),
}

function busyFor(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
