/** The stream of a decider is written by decisions alone, whoever would send to it in the name of its service. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { producer } from '../../../src/streams/runtime/producer.ts'
import { run } from '../../../src/streams/runtime/run.ts'
import { OrderEvents, ordering } from '../../types/ordering.ts'
import { asked } from '../query/asked.ts'

const event = { orderId: 'o-1', event: { case: 'changed', value: { by: 1 } } } as const

function isRefused(error: unknown): boolean {
  assert.ok(isHeadwaterError(error, 'config-invalid'))
  assert.match(
    error.message,
    /stream 'order-events' holds what 'orders' of service 'ordering' decides.*Ask for it \(stream 'order-commands'\)/,
  )
  assert.equal(error.outcome, 'not-written')
  return true
}

it('events of a decider are not sent, by a service that runs, a producer, a list or a transaction', async () => {
  await using services = await asked()
  await using app = await run(ordering(), { broker: services.broker })
  await using other = producer(ordering(), { broker: services.broker })
  for (const sender of [app, other]) {
    await assert.rejects(sender.send(OrderEvents, event), isRefused)
    await assert.rejects(sender.sendAll(OrderEvents, [event]), /holds what 'orders'/)
    await assert.rejects(
      sender.transaction(async (tx) => tx.send(OrderEvents, event)),
      isRefused,
    )
  }
  assert.deepEqual(app.stats().sends, { count: 0, waiting: 0, rejected: 2 })
  assert.deepEqual(await Array.fromAsync(app.query.orders.scan()), [])
})
