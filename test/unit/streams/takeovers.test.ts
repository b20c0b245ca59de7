/** What an instance does to others when it takes over, and what others may do to it meanwhile. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { brokerDefaults } from '../../../src/broker/config.ts'
import { embedded } from '../../../src/broker/embedded.ts'
import { deleteRecords, describeGroup } from '../../../src/client/admin.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { latestTimestamp, listOffsets } from '../../../src/client/consumer/list-offsets.ts'
import { GroupMember } from '../../../src/client/group/group-member.ts'
import { commitOffsets } from '../../../src/client/group/group-offsets.ts'
import { nonMember } from '../../../src/client/group/ownership.ts'
import { listTransactions } from '../../../src/client/producer/list-transactions.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import { encodeSubscription } from '../../../src/protocol/messages/consumer-protocol.ts'
import { service } from '../../../src/service/service.ts'
import { Line } from '../../streams-suite/line.ts'
import type { Place } from '../../streams-suite/place.ts'
import {
  connect,
  createTopicsOf,
  inPlace,
  runThrough,
  start,
  write,
} from '../../streams-suite/place.ts'
import { payments } from '../../streams-suite/services.ts'
import { CustomerId, Payments, Shipments } from '../../types/shop.ts'

const copying = service('shipping', {
  reads: [Payments],
  writes: [Shipments],
  topology: (s) => {
    s.stream(Payments).to(Shipments, ({ orderId, amount }) => ({ orderId, address: '', amount }))
    return {}
  },
})

const rekeying = service('shipping', {
  reads: [Payments],
  writes: [],
  topology: (s) => {
    const perCustomer = s.stream(Payments).rekey('by-customer', CustomerId, () => 'c')
    return { counts: perCustomer.count('counts') }
  },
})

const partitions = Array.from({ length: 12 }, (_, partition) => ({ topic: 'payments', partition }))
const transactionTimeoutMsMax = 5_000

describe('an instance that takes over', { concurrency: true }, () => {
  it('ends transactions on a broker that takes no longer ones than the service makes', () =>
    inPlace(openPlace, async (place) => {
      await createTopicsOf(place, copying)
      await using cluster = await connect(place)
      const transactionTimeoutMs = 4_000
      await using gone = new Producer(cluster, {
        transactionalId: 'shipping/gone',
        transactionTimeoutMs,
      })
      await gone.init()
      await runThrough(place, copying, { transactionTimeoutMs })
      gone.begin()
      gone.append('shipments', 0, 1, utf8Bytes('o'), utf8Bytes('too late'))
      await assert.rejects(gone.flush(), { code: 'fenced' })
    }))

  it('fences nobody when the leader of its group has told it of nobody', () =>
    inPlace(openPlace, async (place) => {
      await createTopicsOf(place, copying)
      await using cluster = await connect(place)
      const foreign = leaderWhoGivesNothing(cluster)
      await foreign.join()
      const transactionTimeoutMs = 4_000
      await using living = new Producer(cluster, {
        transactionalId: 'shipping/b',
        transactionTimeoutMs,
      })
      await living.init()
      await using running = await start(place, copying, { transactionTimeoutMs })
      assert.deepEqual(running.stats().assignment?.tasks, [])
      living.begin()
      living.append('shipments', 0, 1, utf8Bytes('o'), utf8Bytes('in time'))
      await living.flush()
      await living.abort()
      await foreign.leave()
    }))

  it('asks for no producer, which another might fence, before it is given something', () =>
    inPlace(openPlace, async (place) => {
      await createTopicsOf(place, copying)
      await using cluster = await connect(place)
      const foreign = leaderWhoGivesNothing(cluster)
      await foreign.join()
      await using running = await start(place, copying, { transactionTimeoutMs: 4_000 })
      assert.deepEqual(running.stats().assignment?.tasks, [])
      assert.deepEqual(await listTransactions(cluster), [])
      await foreign.leave()
      await until('it has one', async () => (await listTransactions(cluster)).length === 1)
    }))

  it('fences nobody who has come since it was told who there is', () =>
    inPlace(openPlace, async (place) => {
      await createTopicsOf(place, copying)
      const { line, on } = lineTo(place)
      let isLost = false
      line.fate = (api) => {
        if (api !== 'ListTransactions' || isLost) return 'pass'
        isLost = true
        return 'lose'
      }
      const options = { instanceId: 'a', requestTimeoutMs: 5_000, transactionTimeoutMs: 4_000 }
      const starting = start(on, copying, options)
      await until('it asks who is there', () => isLost)
      await using second = await start(place, copying, {
        instanceId: 'b',
        transactionTimeoutMs: 4_000,
      })
      await using first = await starting
      await write(place, Payments, payments(0, 60))
      await Promise.all([first.caughtUp(), second.caughtUp()])
      assert.equal(second.stats().lastError, undefined)
    }))

  it('goes back to its group while it waits for a transaction over its offsets', () =>
    inPlace(openPlace, async (place) => {
      await createTopicsOf(place, copying)
      await using cluster = await connect(place)
      const transactionTimeoutMs = 5_000
      await using foreign = new Producer(cluster, {
        transactionalId: 'foreign',
        transactionTimeoutMs,
      })
      await foreign.init()
      foreign.begin()
      const offsets = partitions.map((each) => ({ ...each, offset: 0 }))
      await foreign.sendOffsets(nonMember('shipping'), offsets)
      const { line, on } = lineTo(place)
      const options = { transactionTimeoutMs, sessionTimeoutMs: 6_000 }
      const starting = start(on, copying, { ...options, instanceId: 'a' })
      await until('it waits', () => line.asked('SyncGroup') > 0 && line.asked('OffsetFetch') > 3)
      const joins = line.asked('JoinGroup')
      const next = start(place, copying, { ...options, instanceId: 'b' })
      await until('it joins again', () => line.asked('JoinGroup') > joins, 1_900)
      await foreign.abort()
      await Promise.all([starting, next].map(async (each) => (await each).close()))
    }))

  it('never fences who took its place, also when its group does not answer', () =>
    inPlace(openPlace, async (place) => {
      await createTopicsOf(place, copying)
      const { line, on } = lineTo(place)
      const transactionTimeoutMs = 4_000
      await using first = await start(on, copying, { transactionTimeoutMs })
      await write(place, Payments, payments(0, 60))
      await first.caughtUp()
      const asked = line.asked('InitProducerId')
      line.fate = (api) => (api === 'Heartbeat' ? 'lose' : 'pass')
      await using second = await start(place, copying, { transactionTimeoutMs })
      await write(place, Payments, payments(0, 60))
      await until('it learns that its transaction is over', () => first.stats().repairs > 0)
      await delay(7_000)
      assert.equal(line.asked('InitProducerId'), asked)
      assert.equal(second.stats().lastError, undefined)
      line.heal()
      await assert.rejects(first.failed, { code: 'fenced' })
    }))

  // An instance that had lost its first id asked who is there while another process took its place and that id.
  it('never fences who took its place with the id that it lost', () =>
    inPlace(openPlace, async (place) => {
      await createTopicsOf(place, copying)
      await using cluster = await connect(place)
      const { line, on } = lineTo(place)
      const transactionTimeoutMs = 4_000
      const options = { instanceId: 'a', transactionTimeoutMs }
      await using first = await start(on, copying, options)
      const transactionalId = (await listTransactions(cluster))[0]!.transactionalId
      await using thief = new Producer(cluster, { transactionalId, transactionTimeoutMs })
      await thief.init()
      await write(place, Payments, payments(0, 60))
      await first.caughtUp()
      assert.equal((await listTransactions(cluster)).length, 2)
      let asks = false
      line.fate = (api) => {
        if (api === 'Heartbeat' && asks) return 'lose'
        if (api !== 'ListTransactions' || asks) return 'pass'
        asks = true
        line.freeze()
        return 'pass'
      }
      await using other = await start(place, copying, { ...options, instanceId: 'b' })
      await until('it asks who is there', () => asks)
      await using second = await start(place, copying, options)
      line.thaw()
      await delay(4_000)
      line.heal()
      await write(place, Payments, payments(60, 120))
      await Promise.all([second.caughtUp(), other.caughtUp()])
      assert.equal(second.stats().repairs, 0)
      await assert.rejects(first.failed, { code: 'fenced' })
    }))

  it('takes its place again from a process that ended, whose requests to join came late', () =>
    inPlace(openPlace, async (place) => {
      await createTopicsOf(place, copying)
      await using cluster = await connect(place)
      await using running = await start(place, copying, { transactionTimeoutMs: 4_000 })
      await write(place, Payments, payments(0, 60))
      await running.caughtUp()
      await joinInPlaceOf(cluster, 'gone')
      await delay(4_500)
      await joinInPlaceOf(cluster, 'gone')
      await until('it is back', () => (running.stats().assignment?.generation ?? 0) > 1)
      await write(place, Payments, payments(60, 120))
      await running.caughtUp()
      assert.equal(running.stats().state, 'running')
    }))

  it('looks again when another deletes what it looks at before it starts', () =>
    inPlace(openPlace, async (place) => {
      await createTopicsOf(place, rekeying)
      await using cluster = await connect(place)
      const inner = { topic: 'shipping-by-customer-repartition', partition: 0 }
      await using producer = new Producer(cluster)
      await producer.init()
      producer.append(inner.topic, inner.partition, 1, utf8Bytes('c'), utf8Bytes(''))
      await producer.flush()
      const { line, on } = lineTo(place)
      let isLost = false
      line.fate = (api) => {
        if (api !== 'Fetch' || isLost) return 'pass'
        isLost = true
        return 'lose'
      }
      const options = { transactionTimeoutMs: 4_000, requestTimeoutMs: 700 }
      const starting = start(on, rekeying, options)
      await until('it looks', () => isLost)
      await deleteRecords(cluster, [{ ...inner, offset: 1 }])
      await using running = await starting
      await running.caughtUp()
    }))

  it('takes what another processed and deleted meanwhile for no gap', () =>
    inPlace(openPlace, async (place) => {
      await createTopicsOf(place, copying)
      await write(place, Payments, payments(0, 60))
      await runThrough(place, copying, { transactionTimeoutMs: 4_000 })
      const { line, on } = lineTo(place)
      let asked = Infinity
      line.fate = (api) => {
        if (api === 'SyncGroup') asked = line.asked('OffsetFetch')
        const isOpening = line.asked('OffsetFetch') > asked
        return isOpening && (api === 'ListOffsets' || api === 'Heartbeat') ? 'lose' : 'pass'
      }
      const options = { transactionTimeoutMs: 4_000, requestTimeoutMs: 500 }
      const starting = start(on, copying, options)
      await until('it knows what is committed', () => line.asked('OffsetFetch') > asked)
      await delay(100)
      await write(place, Payments, payments(0, 60))
      await readOn(place)
      line.fate = (api) => (api === 'Heartbeat' ? 'lose' : 'pass')
      await delay(700)
      line.heal()
      await using running = await starting
      await running.caughtUp()
      assert.equal(running.stats().state, 'running')
    }))
})

/** Does to the topic what an instance does that has taken over: reads it, commits, deletes. */
async function readOn(place: Place): Promise<void> {
  await using cluster = await connect(place)
  const { members } = await describeGroup(cluster, 'shipping')
  const coordinator = { coordinator: 'group', id: 'shipping' } as const
  const leaving = members.map(({ memberId }) => ({ memberId }))
  await cluster.request('LeaveGroup', { groupId: 'shipping', members: leaving }, coordinator)
  const ends = await listOffsets(cluster, partitions, latestTimestamp, 'read_committed')
  await commitOffsets(cluster, nonMember('shipping'), ends)
  await deleteRecords(cluster, ends)
}

async function openPlace(): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-takeovers-'))
  const { transactions } = brokerDefaults
  const config = { transactions: { ...transactions, timeoutMsMax: transactionTimeoutMsMax } }
  const broker = await embedded(directory, { config })
  return {
    broker,
    close: async () => {
      await broker.close()
      await rm(directory, { recursive: true })
    },
  }
}

function lineTo(place: Place): { line: Line; on: Place } {
  const line = new Line(place.broker.dial)
  return { line, on: { ...place, broker: { ...place.broker, dial: line.dial } } }
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

/** Takes the place of the one member of the group with a request that nobody stands behind. */
async function joinInPlaceOf(cluster: Cluster, incarnation: string): Promise<void> {
  const { members } = await describeGroup(cluster, 'shipping')
  const userData = utf8Bytes(
    JSON.stringify({ transactionalId: null, incarnation, readTogether: [] }),
  )
  const metadata = encodeSubscription({ topics: ['payments'], userData })
  await cluster.request(
    'JoinGroup',
    {
      groupId: 'shipping',
      sessionTimeoutMs: 6_000,
      rebalanceTimeoutMs: 6_000,
      memberId: '',
      groupInstanceId: members[0]!.groupInstanceId,
      protocolType: 'consumer',
      protocols: [{ name: 'headwater-tasks', metadata }],
    },
    { coordinator: 'group', id: 'shipping' },
  )
}

function leaderWhoGivesNothing(cluster: Cluster): GroupMember {
  return new GroupMember(cluster, {
    groupId: 'shipping',
    topics: ['payments'],
    sessionTimeoutMs: 6_000,
    assignor: {
      name: 'headwater-tasks',
      userData: () => utf8Bytes(JSON.stringify({ transactionalId: null, readTogether: [] })),
      assign: () => new Map(),
    },
    onAssigned: async () => undefined,
    onRevoked: async () => undefined,
    onLost: async () => undefined,
  })
}
