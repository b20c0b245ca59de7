/** What came of commands, as it is counted where they are asked and where they are decided. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { operations } from '../../../src/operations/operations.ts'
import { service } from '../../../src/service/service.ts'
import { asker } from '../../../src/streams/runtime/asker.ts'
import { run } from '../../../src/streams/runtime/run.ts'
import { OrderCommands, change, ordering, place } from '../../types/ordering.ts'
import { Orders } from '../../types/shop.ts'
import { valuesOf } from '../operations/observed.ts'
import { asked } from '../query/asked.ts'

it('rejections count by reason, what comes again as repeated, what fails as failed, in metrics, too', async () => {
  await using services = await asked()
  const { app } = await services.start(ordering('skip'))
  await app.ask(OrderCommands, place('o-1'), { id: 'a' })
  await app.ask(OrderCommands, place('o-1'), { id: 'a' })
  await app.ask(OrderCommands, place('o-1'))
  await app.ask(OrderCommands, place('o-2', 5_000))
  await assert.rejects(app.ask(OrderCommands, change('o-1', 13)), /by thirteen/)
  await assert.rejects(app.ask(OrderCommands, {} as never), /an event is a whole message/)
  const answer = operations({ services: () => app.services })(new Request('http://x/metrics'))!
  const values = valuesOf(await (await answer).text())
  const of = (name: string, label = '') =>
    values.get(`headwater_service_${name}{service="ordering",instance_id="1"${label}}`)
  assert.deepEqual(
    ['accepted', 'rejected', 'repeated', 'failed'].map((each) =>
      of('commands_total', `,outcome="${each}"`),
    ),
    [1, 2, 1, 1],
  )
  assert.deepEqual(
    ['already-placed', 'too-much', 'not-placed'].map((each) =>
      of('commands_rejected_total', `,reason="${each}"`),
    ),
    [1, 1, 0],
  )
  assert.equal(of('asks_total'), 6)
  assert.deepEqual(
    ['accepted', 'rejected', 'notDecided', 'failed', 'inDoubt'].map((each) =>
      of('asks_ended_total', `,outcome="${each}"`),
    ),
    [2, 2, 1, 1, 0],
  )
  assert.deepEqual([of('asks_waiting'), of('asks_timed_out_total')], [0, 0])
})

it('what nobody answers in time has timed out, and is in doubt', async () => {
  await using services = await asked()
  const { app } = await services.start(ordering())
  await app.ask(OrderCommands, place('o-1'))
  await using other = asker({ broker: services.broker })
  await other.ask(OrderCommands, change('o-1'))
  await app.close()
  await assert.rejects(other.ask(OrderCommands, change('o-1'), { timeout: '50ms' }))
  const { asked: count, answered, waiting, inDoubt, timedOut } = other.stats()
  assert.deepEqual(
    { count, answered, waiting, inDoubt, timedOut },
    {
      count: 2,
      answered: 1,
      waiting: 0,
      inDoubt: 1,
      timedOut: 1,
    },
  )
})

it('a rejection for what the contract here has not is counted as unknown', async () => {
  await using services = await asked()
  await services.start(ordering())
  await using other = asker({ broker: services.broker })
  const older = { ...OrderCommands, reasons: ['not-placed'] } as unknown as typeof OrderCommands
  await other.ask(older, place('o-1', 5_000))
  assert.deepEqual(other.stats().rejected, { unknown: 1 })
})

it('of several services each has what was asked of it, and the first what was asked of others', async () => {
  await using services = await asked()
  await services.start(ordering())
  const checkout = service('checkout', { reads: [], writes: [Orders], topology: () => ({}) })
  await using app = await run(checkout, { broker: services.broker })
  await app.ask(OrderCommands, place('o-1'))
  assert.equal(app.stats().asks.accepted, 1)
  await using both = await run([checkout, ordering()], { broker: services.broker, instanceId: '2' })
  await both.ask(OrderCommands, change('o-1'))
  assert.deepEqual(
    [both.stats().checkout.asks.accepted, both.stats().ordering.asks.accepted],
    [0, 1],
  )
})
