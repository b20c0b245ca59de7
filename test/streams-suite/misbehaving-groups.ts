/**
 * A group that misbehaves: members kicked on their way back, forgotten, replaced, silent or leaving at the
 * worst moment. Each payment is copied once and counted once, whatever happens to who does it.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { utf8Bytes } from '../../src/base/bytes.ts'
import { isHeadwaterError } from '../../src/base/errors.ts'
import { earliestTimestamp, listOffsets } from '../../src/client/consumer/list-offsets.ts'
import { listTransactions } from '../../src/client/producer/list-transactions.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import { service, type Service } from '../../src/service/service.ts'
import type { RunningTopology } from '../../src/streams/runtime/running.ts'
import type { ViewRow } from '../../src/streams/views/view-reader.ts'
import { CustomerId, Orders, Payments, Shipments } from '../types/shop.ts'
import { Line } from './line.ts'
import type { OpenPlace, Place } from './place.ts'
import { connect, createTopicsOf, inPlace, start, values, write } from './place.ts'
import { orders, payments } from './services.ts'

/** Copies every payment and counts them: a record done twice shows in one, a state gone back in the other. */
const counting = service('shipping', {
  reads: [Payments],
  writes: [Shipments],
  topology: (s) => {
    const paid = s.stream(Payments)
    paid.map(({ orderId, amount }) => ({ orderId, address: '', amount })).to(Shipments)
    return { counts: paid.count('counts') }
  },
})

/** The next version of it, which reads one more stream together with the first. */
const countingOrders = service('shipping', {
  reads: [Payments, Orders],
  writes: [Shipments],
  topology: (s) => {
    const paid = s.stream(Payments)
    const known = s.table(Orders, { startup: 'interleave' })
    paid.leftJoin(known, ({ orderId, amount }) => ({ orderId, address: '', amount })).to(Shipments)
    return { counts: paid.count('counts'), known }
  },
})

/** The tasks of `counting`, and others beside them. */
const countingBesideOrders = service('shipping', {
  reads: [Payments, Orders],
  writes: [Shipments],
  topology: (s) => {
    const paid = s.stream(Payments)
    paid.map(({ orderId, amount }) => ({ orderId, address: '', amount })).to(Shipments)
    return { counts: paid.count('counts'), known: s.table(Orders) }
  },
})

/** Counts behind an inner topic. */
const rekeying = service('shipping', {
  reads: [Payments],
  writes: [Shipments],
  topology: (s) => {
    const paid = s.stream(Payments)
    paid.map(({ orderId, amount }) => ({ orderId, address: '', amount })).to(Shipments)
    return { counts: paid.rekey('again', CustomerId, ({ orderId }) => orderId).count('counts') }
  },
})

const sessionMs = 6_000

export function misbehavingGroupsSuite(open: OpenPlace): void {
  describe('a service whose group misbehaves', () => {
    it('restores what was committed behind the open transaction of an instance that died', () =>
      inPlace(open, async (place) => {
        await prepare(place, 60)
        const { line, on } = lineTo(place)
        line.fate = (api) => (api === 'TxnOffsetCommit' ? 'lose' : 'pass')
        const dying = start(on, counting, { instanceId: 'a', closeTimeoutMs: 500 })
        await until('its records are written', () => line.asked('TxnOffsetCommit') > 0)
        await delay(200)
        line.break()
        await using second = await start(place, counting, { instanceId: 'b' })
        await second.caughtUp()
        await write(place, Payments, payments(0, 60))
        await second.caughtUp()
        await second.close()
        await using third = await start(place, counting, { instanceId: 'b' })
        assert.deepEqual(counts(third), { rows: 60, total: 120 })
        await (await dying.catch(() => undefined))?.close()
      }))

    it('waits for an open transaction of anyone before it takes its state for whole', () =>
      inPlace(open, async (place) => {
        await prepare(place, 60)
        await using first = await start(place, counting)
        await first.caughtUp()
        await using cluster = await connect(place)
        await using foreign = new Producer(cluster, { transactionalId: 'foreign' })
        await foreign.init()
        foreign.begin()
        for (let partition = 0; partition < 12; partition++) {
          foreign.append('shipping-counts-changelog', partition, 1, utf8Bytes('none'), null)
        }
        await foreign.flush()
        await write(place, Payments, payments(0, 60))
        await first.caughtUp()
        await first.close()
        const starting = start(place, counting)
        await delay(500)
        await foreign.abort()
        await using second = await starting
        assert.deepEqual(counts(second), { rows: 60, total: 120 })
      }))

    it('uses no state again that another had in between, when it was kicked on its way back', () =>
      inPlace(open, async (place) => {
        await prepare(place, 120)
        const { line, on } = lineTo(place)
        await using first = await start(on, counting, { instanceId: 'a' })
        await first.caughtUp()
        await using second = await start(place, counting, { instanceId: 'b' })
        await until('two share', () => counts(second).rows > 0 && isRunning(first))
        let isCut = false
        line.fate = (api) => {
          isCut ||= api === 'JoinGroup'
          return isCut ? 'break' : 'pass'
        }
        const starting = start(place, counting, { instanceId: 'c' })
        await until('the first is cut off while it joins again', () => isCut)
        await using third = await starting
        await until('the others have all', () => counts(second).rows + counts(third).rows === 120)
        await write(place, Payments, payments(0, 120))
        await Promise.all([second.caughtUp(), third.caughtUp()])
        line.heal()
        await until('it is back', () => isRunning(first) && counts(first).rows > 0)
        await allCounted([first, second, third], { rows: 120, total: 240 })
        assert.equal((await values(place, Shipments)).length, 240)
      }))

    it('commits nothing after the coordinator has forgotten it', () =>
      inPlace(open, async (place) => {
        await prepare(place, 60)
        await using running = await start(place, counting, { commitIntervalMs: 400 })
        await running.caughtUp()
        for (let round = 1; round <= 4; round++) {
          await write(place, Payments, payments(0, 60))
          await kick(place, running)
          await delay(150)
        }
        await until('it is back', () => isRunning(running))
        await allCounted([running], { rows: 60, total: 300 })
        assert.equal((await values(place, Shipments)).length, 300)
      }))

    it('does not join again while it is closed', () =>
      inPlace(open, async (place) => {
        await prepare(place, 60)
        const { line, on } = lineTo(place)
        await using first = await start(on, counting, { instanceId: 'a' })
        await first.caughtUp()
        await write(place, Payments, payments(0, 60))
        const joins = line.asked('JoinGroup')
        const starting = start(place, counting, { instanceId: 'b' })
        const closing = first.close()
        await using second = await starting
        await closing
        assert.equal(line.asked('JoinGroup'), joins)
        await allCounted([second], { rows: 60, total: 120 })
        assert.equal((await values(place, Shipments)).length, 120)
      }))

    it('takes a fenced producer for no failure of its functions', () =>
      inPlace(open, async (place) => {
        await prepare(place, 60)
        await using running = await start(place, counting, { commitIntervalMs: 1_000 })
        await running.caughtUp()
        await write(place, Payments, payments(0, 60))
        await until('a transaction is open', async () => (await fenceAll(place)) > 0)
        await write(place, Payments, payments(0, 60))
        await allCounted([running], { rows: 60, total: 180 })
        assert.equal(running.stats().state, 'running')
        assert.ok(running.stats().repairs > 0)
        assert.equal(running.stats().lastError?.code, 'fenced')
        assert.equal((await values(place, Shipments)).length, 180)
      }))

    it('lets others go on within a session and two seconds when one dies in a transaction', () =>
      inPlace(open, async (place) => {
        await prepare(place, 60)
        const { line, on } = lineTo(place)
        await using first = await start(on, counting, { instanceId: 'a', closeTimeoutMs: 500 })
        await using second = await start(place, counting, { instanceId: 'b' })
        await until('two share', () => isRunning(first) && counts(second).rows > 0)
        await allCounted([first, second], { rows: 60, total: 60 })
        line.fate = (api) => (api === 'TxnOffsetCommit' ? 'break' : 'pass')
        await write(place, Payments, payments(0, 60))
        await until('it is dead', () => line.asked('TxnOffsetCommit') > 1, 5_000)
        const diedAt = performance.now()
        await until('the other has all', () => counts(second).total === 120, sessionMs + 4_000)
        const tookMs = performance.now() - diedAt
        assert.ok(tookMs < sessionMs + 2_000, `it took ${tookMs} ms`)
        assert.equal(second.stats().lag, 0)
      }))

    it('never fences who took its place', () =>
      inPlace(open, async (place) => {
        await prepare(place, 60)
        const { line, on } = lineTo(place)
        await using first = await start(on, counting)
        await first.caughtUp()
        const asked = line.asked('InitProducerId')
        await using second = await start(place, counting)
        await write(place, Payments, payments(0, 60))
        await assert.rejects(first.failed, (error) => isHeadwaterError(error, 'fenced'))
        await allCounted([second], { rows: 60, total: 120 })
        assert.equal(line.asked('InitProducerId'), asked)
        assert.equal(second.stats().repairs, 0)
      }))

    it('comes back after a freeze in which another took over and emptied its inner topic', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, rekeying)
        await write(place, Payments, payments(0, 60))
        const { line, on } = lineTo(place)
        const often = { purgeIntervalMs: 50 }
        await using first = await start(on, rekeying, { ...often, instanceId: 'a' })
        await using second = await start(place, rekeying, { ...often, instanceId: 'b' })
        await allCounted([first, second], { rows: 60, total: 60 })
        assert.ok(counts(first).rows > 0 && counts(second).rows > 0)
        line.freeze()
        for (const total of [120, 180]) {
          await write(place, Payments, payments(0, 60))
          await until(`the other has ${total}`, () => counts(second).total === total)
        }
        // What the first had read to is gone.
        await until('what both had read is gone', async () => (await emptied(place)) >= 120)
        line.thaw()
        const generationOf = (each: RunningTopology) => each.stats().assignment?.generation
        await until('they share again', () => {
          const isShared = counts(first).rows > 0 && counts(first, second).rows === 60
          return isShared && generationOf(first) === generationOf(second)
        })
        await write(place, Payments, payments(0, 60))
        await allCounted([first, second], { rows: 60, total: 240 })
        assert.ok(isRunning(first) && isRunning(second))
        assert.equal((await values(place, Shipments)).length, 240)
      }))

    it('shares a group with a version that reads more, whose tasks go to who has them', () =>
      inPlace(open, async (place) => {
        await prepareBoth(place, countingOrders)
        await using older = await start(place, counting, { instanceId: 'a' })
        await older.caughtUp()
        await using newer = await start(place, countingOrders, { instanceId: 'b' })
        await write(place, Payments, payments(0, 60))
        await allCounted([older, newer], { rows: 60, total: 120 })
        assert.equal(newer.views['known']!.size(), 60)
        await older.close()
        await write(place, Payments, payments(0, 60))
        await allCounted([newer], { rows: 60, total: 180 })
        assert.equal((await values(place, Shipments)).length, 180)
      }))

    it('lives beside another version under its own instance id, and neither fences the other', () =>
      inPlace(open, async (place) => {
        await prepareBoth(place, countingBesideOrders)
        await using older = await start(place, counting, { instanceId: 'a' })
        await older.caughtUp()
        await using newer = await start(place, countingBesideOrders, { instanceId: 'a' })
        for (const total of [120, 180, 240]) {
          await write(place, Payments, payments(0, 60))
          await allCounted([older, newer], { rows: 60, total })
        }
        assert.ok(counts(older).rows > 0 && counts(newer).rows > 0)
        assert.deepEqual([older.stats().repairs, newer.stats().repairs], [0, 0])
        assert.equal((await values(place, Shipments)).length, 240)
      }))
  })
}

async function prepare(place: Place, count: number): Promise<void> {
  await createTopicsOf(place, counting)
  await write(place, Payments, payments(0, count))
}

async function prepareBoth(place: Place, newer: Service): Promise<void> {
  await createTopicsOf(place, newer)
  await write(place, Payments, payments(0, 60))
  await write(place, Orders, orders(0, 60))
}

function lineTo(place: Place): { line: Line; on: Place } {
  const line = new Line(place.broker.dial)
  return { line, on: { ...place, broker: { ...place.broker, dial: line.dial } } }
}

/** Records that are gone from the inner topic of `rekeying`. */
async function emptied(place: Place): Promise<number> {
  await using cluster = await connect(place)
  const topic = 'shipping-again-repartition'
  const partitions = Array.from({ length: 12 }, (_, partition) => ({ topic, partition }))
  const starts = await listOffsets(cluster, partitions, earliestTimestamp, 'read_committed')
  return starts.reduce((sum, { offset }) => sum + offset, 0)
}

function isRunning(running: RunningTopology): boolean {
  return running.stats().state === 'running'
}

interface Counts {
  readonly rows: number
  readonly total: number
}

function counts(...instances: readonly RunningTopology[]): Counts {
  const rows = instances.flatMap(rowsOf)
  return { rows: rows.length, total: rows.reduce((sum, { value }) => sum + (value as number), 0) }
}

/** None while its partitions move. */
function rowsOf({ views }: RunningTopology): readonly ViewRow[] {
  try {
    return views['counts']!.scan('', Infinity)
  } catch (error) {
    if (isHeadwaterError(error, 'not-ready')) return []
    throw error
  }
}

/** Waits until the instances together have counted this for good, and a moment longer. */
async function allCounted(instances: readonly RunningTopology[], expected: Counts): Promise<void> {
  const isCounted = async (): Promise<boolean> => {
    await Promise.all(instances.map((each) => each.caughtUp()))
    return counts(...instances).total >= expected.total
  }
  await until('all is counted', isCounted)
  await delay(300)
  // Meanwhile the group may have begun to form anew, for one who left before.
  await until('all is counted again', isCounted)
  assert.deepEqual(counts(...instances), expected)
}

/** Someone says goodbye in the name of an instance. */
async function kick(place: Place, running: RunningTopology): Promise<void> {
  const memberId = running.stats().assignment?.memberId
  if (memberId === undefined) return
  await using cluster = await connect(place)
  await cluster.request(
    'LeaveGroup',
    { groupId: running.service, members: [{ memberId }] },
    { coordinator: 'group', id: running.service },
  )
}

/** Does to every open transaction what its coordinator does when it is overdue. Returns how many. */
async function fenceAll(place: Place): Promise<number> {
  await using cluster = await connect(place)
  const open = await listTransactions(cluster, { states: ['Ongoing'] })
  for (const { transactionalId } of open) {
    await using successor = new Producer(cluster, { transactionalId })
    await successor.init()
  }
  return open.length
}

async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  ms = 30_000,
): Promise<void> {
  const deadline = performance.now() + ms
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, `not in time: ${what}`)
    await delay(20)
  }
}
