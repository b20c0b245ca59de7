/** Records that are larger than their topics take (`max.message.bytes`), wherever a service makes one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { alterConfigs, createTopics } from '../../../src/client/admin.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { latestTimestamp, listOffsets } from '../../../src/client/consumer/list-offsets.ts'
import { RecordTooLarge } from '../../../src/client/producer/refusal.ts'
import { deadLettersOf } from '../../../src/events/dead-letters.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { service } from '../../../src/service/service.ts'
import { producer } from '../../../src/streams/runtime/producer.ts'
import { RecordLimits } from '../../../src/streams/runtime/record-limits.ts'
import type { OnError } from '../../../src/streams/topology/topology.ts'
import { OrderCommands, OrderEvents, change, place } from '../../types/ordering.ts'
import { CustomerId, Payments, Shipments } from '../../types/shop.ts'
import { adminOf } from '../commands/admin.ts'
import { asked } from '../query/asked.ts'
import type { Asked } from '../query/asked.ts'

const limitBytes = 20_000
const limit = { 'max.message.bytes': String(limitBytes) }
const large = 30_000

/** Writes shipments whose addresses have as many letters as was paid, and folds them, as large, per order. */
function shipping(onError: OnError) {
  return service('shipping', {
    reads: [Payments],
    writes: [Shipments],
    onError,
    topology: (s) => {
      const payments = s.stream(Payments)
      payments.to(Shipments, ({ orderId, amount }) => ({
        orderId,
        amount,
        address: 'x'.repeat(amount),
      }))
      return { paid: payments.count('paid') }
    },
  })
}

/** Keeps a text of each order, and puts it under another key. */
function folding(onError: OnError) {
  return service('folding', {
    reads: [Payments],
    writes: [],
    onError,
    topology: (s) => {
      const payments = s.stream(Payments)
      const texts = payments.map(({ amount }) => 'x'.repeat(amount))
      return {
        lengths: texts.rekey('by-customer', CustomerId, () => 'c').count('lengths'),
        texts: payments.reduce(
          'texts',
          () => '',
          (_text, { amount, status }) => (status === 'KEPT' ? 'x'.repeat(amount) : ''),
        ),
      }
    },
  })
}

const billing = { name: 'billing', writes: [Payments] } as const

function paymentOf(orderId: string, amount: number, status = 'CAPTURED') {
  return { paymentId: 'p', orderId, status, amount, paidAt: 1n }
}

async function pay(services: Asked, ...payments: ReturnType<typeof paymentOf>[]): Promise<void> {
  await using sender = producer(billing, { broker: services.broker })
  for (const each of payments) await sender.send(Payments, each)
}

async function limited(services: Asked, name: string, partitions: number, configs = limit) {
  const admin = adminOf(services)
  await createTopics(admin, [{ name, partitions, configs }])
  await admin.close()
}

/** Records in all partitions of a topic, markers of transactions left out where there are none between. */
async function endOf(services: Asked, topic: string, partitions: number): Promise<number> {
  const admin = adminOf(services)
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const ends = await listOffsets(admin, places, latestTimestamp, 'read_committed')
  await admin.close()
  return ends.reduce((sum, { offset }) => sum + offset, 0)
}

/** A service that says what the letters of another say. */
function desk(of: string) {
  const letters = deadLettersOf(of)
  return service('desk', {
    reads: [letters],
    writes: [],
    topology: (s) => {
      const failed = s.stream(letters).flatMap(({ fact }) => {
        if (fact.case !== 'failed') return []
        const { operator, message, stack, value, bytesLeftOut } = fact.value
        return [{ operator, message, stack, value: value?.length, bytesLeftOut }]
      })
      return {
        all: failed
          .rekey('to-all', CustomerId, () => 'all')
          .reduce(
            'all',
            () => [] as unknown[],
            (all, letter) => [...all, letter],
          ),
      }
    },
  })
}

interface Letter {
  readonly operator: string
  readonly message: string
  readonly stack: string
  readonly value: number | undefined
  readonly bytesLeftOut: bigint | undefined
}

async function lettersOf(services: Asked, of: string): Promise<readonly Letter[]> {
  const { app } = await services.start(desk(of))
  await app.caughtUp()
  return ((await app.query.all.get('all')) ?? []) as readonly Letter[]
}

describe('an output that is larger than its topic takes', () => {
  it('is put aside with its record, and nothing has to be given up for it', async () => {
    await using services = await asked()
    await limited(services, Shipments.name, 12)
    const { app } = await services.start(shipping('deadLetter'))
    await pay(services, paymentOf('o1', 1), paymentOf('o2', large), paymentOf('o3', 2))
    await app.caughtUp()
    const { failures, repairs, recordsOut } = app.stats()
    assert.deepEqual(failures, { skipped: 0, deadLettered: 1 })
    assert.deepEqual([repairs, recordsOut], [0, 2])
    assert.equal(await app.query.paid.get('o2'), 1)
    const [letter, ...more] = await lettersOf(services, 'shipping')
    assert.deepEqual(more, [])
    assert.equal(letter!.operator, "to 'shipments'")
    assert.match(
      letter!.message,
      /takes no record of 30\d\d\d bytes.*max\.message\.bytes, which is 20000; write smaller records, or raise/,
    )
  })

  it('stops the service at its record unless that is to pass', async () => {
    await using services = await asked()
    await limited(services, Shipments.name, 12)
    const { app } = await services.start(shipping('stop'))
    const failed = assert.rejects(
      app.failed,
      /stopped at record 0 of partition \d+ of topic 'payments': to 'shipments' cannot write its value: topic 'shipments' takes no record/,
    )
    await pay(services, paymentOf('o2', large))
    await failed
  })

  it('is known to the byte', async () => {
    await using services = await asked()
    await limited(services, Shipments.name, 12)
    const { app } = await services.start(shipping('skip'))
    const sizes = Array.from({ length: 40 }, (_, n) => paymentOf('o', limitBytes - 120 + n))
    await pay(services, ...sizes)
    await app.caughtUp()
    const { failures, recordsOut, repairs } = app.stats()
    // The broker took each that was not skipped, and those that were are the largest.
    assert.deepEqual([failures.skipped + recordsOut, repairs], [40, 0])
    const admin = adminOf(services)
    await alterConfigs(admin, Shipments.name, { 'max.message.bytes': String(limitBytes - 1) })
    await admin.close()
    await pay(services, paymentOf('o', limitBytes - 120 + recordsOut - 1))
    await app.caughtUp()
    assert.deepEqual([app.stats().repairs, app.stats().failures.skipped], [1, failures.skipped + 1])
  })

  it('is found out once by a refusal where the topic has come to take less', async () => {
    await using services = await asked()
    await limited(services, Shipments.name, 12, { 'max.message.bytes': '1000000' })
    const { app } = await services.start(shipping('skip'))
    await pay(services, paymentOf('o1', large))
    await app.caughtUp()
    assert.equal(app.stats().failures.skipped, 0)
    const admin = adminOf(services)
    await alterConfigs(admin, Shipments.name, limit)
    await admin.close()
    await pay(services, paymentOf('o1', large), paymentOf('o2', 3), paymentOf('o3', large - 5_000))
    await app.caughtUp()
    assert.deepEqual([app.stats().repairs, app.stats().failures.skipped], [1, 2])
    assert.equal(await app.query.paid.get('o2'), 1)
  })

  it('is one record of an inner topic, too', async () => {
    await using services = await asked()
    await limited(services, 'folding-by-customer-repartition', 12)
    const { app } = await services.start(folding('skip'))
    await pay(services, paymentOf('o1', 1), paymentOf('o2', large))
    await app.caughtUp()
    assert.deepEqual([app.stats().failures.skipped, app.stats().repairs], [1, 0])
    assert.equal(await app.query.lengths.get('c'), 1)
  })
})

describe('a row that is larger than its changelog takes', () => {
  it('stops the service whatever its policy, and says whose it is and what to do', async () => {
    await using services = await asked()
    await limited(services, 'folding-texts-changelog', 12)
    const { app } = await services.start(folding('skip'))
    const failed = assert.rejects(
      app.failed,
      /state of 'texts' for key 'o1': topic 'folding-texts-changelog' takes no record of 30\d\d\d bytes.*raise max\.message\.bytes of 'folding-texts-changelog'/,
    )
    await pay(services, paymentOf('o1', large, 'KEPT'))
    await failed
  })
})

describe('a letter that is larger than its topic takes', () => {
  it('leaves out the bytes of its record, and says how many', async () => {
    await using services = await asked()
    await limited(services, Shipments.name, 12)
    await limited(services, 'shipping-dead-letters', 1, { 'max.message.bytes': '4000' })
    const { app } = await services.start(shipping('deadLetter'))
    await pay(services, paymentOf('o'.repeat(5_000), large))
    await app.caughtUp()
    const [letter] = await lettersOf(services, 'shipping')
    assert.equal(letter!.value, undefined)
    assert.ok(letter!.bytesLeftOut! > 10_000n)
    assert.match(letter!.stack, /takes no record of .*\n +at /)
  })

  it('leaves out its stack and most of its words when that is not enough', async () => {
    await using services = await asked()
    await limited(services, Shipments.name, 12)
    await limited(services, 'shipping-dead-letters', 1, { 'max.message.bytes': '520' })
    const { app } = await services.start(shipping('deadLetter'))
    await pay(services, paymentOf('o1', large))
    await app.caughtUp()
    const [letter] = await lettersOf(services, 'shipping')
    assert.deepEqual([letter!.stack, letter!.message.length], ['', 200])
  })

  it('stops the service when it cannot be written at all, and its record stays', async () => {
    await using services = await asked()
    await limited(services, Shipments.name, 12)
    await limited(services, 'shipping-dead-letters', 1, { 'max.message.bytes': '200' })
    const { app } = await services.start(shipping('deadLetter'))
    const failed = assert.rejects(
      app.failed,
      /the dead letter 'payments\/\d+\/0\/0' cannot be written, however short, so its record is not passed over.*raise max\.message\.bytes of 'shipping-dead-letters'/,
    )
    await pay(services, paymentOf('o1', large))
    await failed
    assert.equal(await endOf(services, 'shipping-dead-letters', 1), 0)
  })
})

describe('a decision whose records are larger than their topics take', () => {
  const ordering = service('ordering', {
    reads: [OrderCommands],
    writes: [OrderEvents],
    onError: 'skip',
    topology: (s) => {
      const { state } = s.decide('orders', OrderCommands, {
        events: OrderEvents,
        initial: (): { text: string } => ({ text: '' }),
        decide: ({ orderId, command }, _state, { accept }) => {
          const by = command.case === 'change' ? command.value.by : 0
          return accept({ orderId, event: { case: 'changed', value: { by } } })
        },
        evolve: (_order, { event }) => ({
          text: 'x'.repeat(event.case === 'changed' ? event.value.by : 0),
        }),
      })
      return { state }
    },
  })

  it('fails by itself when its state is, and who asked hears why', async () => {
    await using services = await asked()
    await limited(services, 'ordering-orders-changelog', 12)
    const { app } = await services.start(ordering)
    await assert.rejects(
      app.ask(OrderCommands, change('o1', large)),
      (error) =>
        isHeadwaterError(error, 'operator-failed') &&
        /state of 'orders' for key 'o1': topic 'ordering-orders-changelog' takes no record/.test(
          error.message,
        ),
    )
    assert.ok((await app.ask(OrderCommands, change('o1', 5))).accepted)
    assert.deepEqual(await app.query.state.get('o1'), { text: 'xxxxx' })
    assert.equal(app.stats().repairs, 0)
  })

  it('fails by itself when an event is', async () => {
    await using services = await asked()
    await limited(services, OrderEvents.name, 12, { 'max.message.bytes': '200' })
    const { app } = await services.start(ordering)
    await assert.rejects(
      app.ask(OrderCommands, place('o'.repeat(300))),
      /topic 'order-events' takes no record of/,
    )
    assert.ok((await app.ask(OrderCommands, place('o1'))).accepted)
    assert.equal(app.stats().repairs, 0)
  })
})

describe('what is known of the sizes that topics take', () => {
  it('is asked again after a minute, when something was too large', async () => {
    await using services = await asked()
    await limited(services, 'small', 1)
    let later = 0
    const clock = { ...nodeClock, monotonic: () => nodeClock.monotonic() + later }
    const { broker } = services
    const cluster = Cluster.unasked({ ...broker, clock, random: nodeRandom, clientId: 'limits' })
    const limits = new RecordLimits(cluster, ['small', 'none'])
    await limits.read()
    const flaw = () => limits.flawOf('small', null, new Uint8Array(large))
    assert.ok(flaw() instanceof RecordTooLarge)
    assert.equal(limits.flawOf('none', null, new Uint8Array(large)), undefined)
    await alterConfigs(cluster, 'small', { 'max.message.bytes': '1000000' })
    later = 59_000
    limits.consider()
    assert.ok(flaw() instanceof RecordTooLarge)
    later = 60_001
    limits.consider()
    for (let tries = 0; tries < 500 && flaw() !== undefined; tries++) await sleep(10)
    assert.equal(flaw(), undefined)
    await cluster.close()
  })

  it('is told by refusals where nobody says it, less each time', async () => {
    await using services = await asked()
    const admin = adminOf(services)
    const limits = new RecordLimits(admin, [])
    const refusal = (bytes: number) => new RecordTooLarge('small', 'too large', bytes)
    assert.equal(await limits.learn(refusal(5_000)), true)
    assert.equal(limits.flawOf('small', null, new Uint8Array(4_800)), undefined)
    assert.ok(limits.flawOf('small', null, new Uint8Array(5_000)))
    // What it knew already is no news: the service would go back for it for ever.
    assert.equal(await limits.learn(refusal(5_000)), false)
    assert.equal(await limits.learn(refusal(4_000)), true)
    assert.equal(await limits.learn(new Error('else')), false)
    await admin.close()
  })
})
