/** Commands that are asked under one id, by several or about several things; and what they hold while they wait. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { service } from '../../../src/service/service.ts'
import { asker } from '../../../src/streams/runtime/asker.ts'
import { OrderCommands, OrderEvents, ordering, place } from '../../types/ordering.ts'
import { asked } from '../query/asked.ts'

describe('an id that is chosen twice', () => {
  it('about two things is of two commands, and each is told what came of its own', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering())
    const [accepted, rejected] = await Promise.all([
      app.ask(OrderCommands, place('o-1', 10), { id: '1' }),
      app.ask(OrderCommands, place('o-2', 2_000), { id: '1' }),
    ])
    assert.ok(accepted.accepted)
    assert.equal(!rejected.accepted && rejected.reason, 'too-much')
    assert.deepEqual(await app.ask(OrderCommands, place('o-1', 10), { id: '1' }), accepted)
  })

  it('and decided anew, since it failed, is told what came of each', async () => {
    await using services = await asked()
    let times = 0
    const { app } = await services.start(
      service('ordering', {
        reads: [OrderCommands],
        writes: [OrderEvents],
        onError: 'skip',
        topology: (s) => {
          const { state } = s.decide('orders', OrderCommands, {
            events: OrderEvents,
            initial: () => 0,
            decide: (_command, _state, { accept }) => {
              if (++times === 1) throw new Error('not yet')
              return accept()
            },
            evolve: (count) => count + 1,
          })
          return { state }
        },
      }),
    )
    await app.ask(OrderCommands, place('o-2')).catch(() => undefined)
    times = 0
    const [first, second] = await Promise.allSettled([
      app.ask(OrderCommands, place('o-1'), { id: 'a' }),
      app.ask(OrderCommands, place('o-1'), { id: 'a' }),
    ])
    assert.ok(first.status === 'rejected' && isHeadwaterError(first.reason, 'operator-failed'))
    assert.deepEqual(second, {
      status: 'fulfilled',
      value: { accepted: true, id: 'a', events: [] },
    })
  })
})

describe('what a command that waits holds', () => {
  it('is bounded with its headers', async () => {
    await using services = await asked()
    await using other = asker({ broker: services.broker, bufferBytesMax: 1_024 })
    const headers = { note: 'x'.repeat(600) }
    const options = { headers, timeout: '300ms' } as const
    const first = other.ask(OrderCommands, place('o-1'), options).catch(() => undefined)
    await assert.rejects(other.ask(OrderCommands, place('o-2'), options), (error) =>
      isHeadwaterError(error, 'buffer-full'),
    )
    await first
  })
})
