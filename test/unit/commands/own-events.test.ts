/** A decider that has no state begins from the events that its stream holds already. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { Writer, utf8Bytes } from '../../../src/base/bytes.ts'
import type { StoredRecord } from '../../../src/records/record.ts'
import { producer } from '../../../src/streams/runtime/producer.ts'
import type { Guarantee } from '../../../src/streams/runtime/running.ts'
import { encodeKey } from '../../../src/streams/stores/serde.ts'
import { TopologyDriver } from '../../../src/testing/topology-driver.ts'
import { OrderCommands, OrderEvents, change, ordering, place } from '../../types/ordering.ts'
import { asked } from '../query/asked.ts'
import type { Asked } from '../query/asked.ts'

/** The service as it was before it had a decider. */
const before = { name: 'ordering', writes: [OrderEvents] } as const

function placed(orderId: string, total: number) {
  return { orderId, event: { case: 'placed', value: { total } } } as const
}

function changed(orderId: string, by: number) {
  return { orderId, event: { case: 'changed', value: { by } } } as const
}

async function happened(services: Asked): Promise<void> {
  await using sender = producer(before, { broker: services.broker })
  await sender.sendAll(OrderEvents, [placed('o-1', 10), changed('o-1', 5), placed('o-2', 7)])
  await sender.send(OrderEvents, { orderId: 'o-3', ...placedAndCancelled })
  await sender.send(OrderEvents, placed('o-4', 1), {
    headers: { other: 'a header of its own changes nothing' },
  })
}

const placedAndCancelled = { event: { case: 'cancelled', value: {} } } as const

describe('a decider of a stream that holds events', () => {
  for (const guarantee of ['exactly-once', 'at-least-once'] satisfies Guarantee[]) {
    it(`decides on what they say, now and after the next start (${guarantee})`, async () => {
      await using services = await asked()
      await happened(services)
      const first = await services.start(ordering(), { guarantee })
      const again = await first.app.ask(OrderCommands, place('o-1'))
      assert.equal(!again.accepted && again.reason, 'already-placed')
      assert.ok((await first.app.ask(OrderCommands, change('o-1', 3))).accepted)
      assert.ok((await first.app.ask(OrderCommands, place('o-3'))).accepted)
      await first.app.caughtUp()
      await first.app.close()
      const { app } = await services.start(ordering(), { guarantee })
      assert.deepEqual(await app.query.orders.get('o-1'), { total: 18, changes: 2 })
      assert.ok((await app.ask(OrderCommands, change('o-2', 1))).accepted)
      await app.caughtUp()
      assert.deepEqual(await app.query.orders.get('o-2'), { total: 8, changes: 1 })
    })
  }

  it('shows its state when nobody asks it for anything, once also after several starts', async () => {
    await using services = await asked()
    await happened(services)
    for (let start = 0; start < 3; start++) {
      const { app } = await services.start(ordering())
      while ((await app.query.orders.get('o-1')) === undefined) await delay(20)
      assert.deepEqual(await app.query.orders.get('o-1'), { total: 15, changes: 1 })
      assert.equal(await app.query.orders.get('o-3'), undefined)
      await app.close()
    }
  })

  it('passes over what a replay has told once more', () => {
    const driver = new TopologyDriver(ordering())
    driver.send(OrderEvents, placed('o-1', 10))
    const [{ key }] = driver.readRecords(OrderEvents) as [StoredRecord]
    const partition = encodeKey('string', 'o-1').hash % OrderEvents.partitions
    for (const name of ['headwater-replay-for', 'other']) {
      const writer = new Writer()
      OrderEvents.codec.encode(changed('o-1', name === 'other' ? 2 : 500), writer)
      const headers = [{ key: name, value: utf8Bytes('desk') }]
      driver.sendRecord(OrderEvents, { key, value: writer.finish(), partition, headers })
    }
    driver.restart()
    driver.settle()
    assert.deepEqual(driver.get('orders', 'o-1'), { total: 12, changes: 1 })
  })
})
