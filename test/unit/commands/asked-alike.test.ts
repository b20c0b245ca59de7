/** Commands that are asked under one id, by several or about several things; and what they hold while they wait. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { remoteAsker } from '../../../src/query/remote-asker.ts'
import { service } from '../../../src/service/service.ts'
import { CommandInDoubt } from '../../../src/streams/commands/answer.ts'
import { asker } from '../../../src/streams/runtime/asker.ts'
import { OrderCommands, OrderEvents, ordering, place } from '../../types/ordering.ts'
import { asked } from '../query/asked.ts'
import { until } from '../query/group-of-instances.ts'
import { adminOf, commandsIn } from './admin.ts'
import { frontOf } from './front.ts'

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

describe('a command that is called off', () => {
  it('is in doubt when it has left, and is not sent when it has not', async () => {
    await using services = await asked()
    const { app, url } = await services.start(ordering())
    await using other = asker({ broker: services.broker })
    await other.ask(OrderCommands, place('o-1'))
    await app.close()
    for (const by of [other, remoteAsker(url)]) {
      await assert.rejects(
        by.ask(OrderCommands, place('o-1'), { signal: AbortSignal.abort() }),
        (error) => isHeadwaterError(error, 'timeout') && error.outcome === 'not-written',
      )
    }
    const off = new AbortController()
    const asking = other.ask(OrderCommands, place('o-1'), { signal: off.signal })
    off.abort()
    await assert.rejects(asking, CommandInDoubt)
    assert.deepEqual(other.stats(), {
      asked: 3,
      answered: 1,
      accepted: 1,
      rejected: {},
      waiting: 0,
      failed: 1,
      inDoubt: 1,
      timedOut: 0,
    })
  })

  it('holds no place when it came over HTTP and its client has gone', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering())
    await using other = asker({ broker: services.broker })
    await other.ask(OrderCommands, place('o-1'))
    await app.close()
    await using front = await frontOf(other)
    const gone = new AbortController()
    const asking = fetch(`${front.url}/order-commands?timeout=50s`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ orderId: 'o-1', cancel: {} }),
      signal: gone.signal,
    })
    await until(() => other.stats().waiting === 1)
    gone.abort()
    await assert.rejects(asking)
    await until(() => other.stats().waiting === 0)
    assert.equal(other.stats().inDoubt, 1)
  })
})

describe('what a command that waits holds', () => {
  it('is its key when the broker has it', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering())
    await using other = asker({ broker: services.broker, bufferBytesMax: 4_096 })
    await other.ask(OrderCommands, place('o-1'))
    await app.close()
    const admin = adminOf(services)
    const settled: Promise<unknown>[] = []
    const ask = async (id: string, headers = {}) => {
      const before = await commandsIn(admin)
      const asking = other.ask(OrderCommands, place(id), { headers, timeout: '20s' })
      settled.push(asking.catch(() => undefined))
      while ((await commandsIn(admin)) === before) await delay(5)
    }
    for (let n = 0; n < 10; n++) await ask('o-1', { note: 'x'.repeat(2_500) })
    // A key is in the message, too.
    for (let n = 0; n < 3; n++) await ask('k'.repeat(1_000))
    assert.equal(other.stats().waiting, 13)
    await assert.rejects(other.ask(OrderCommands, place('k'.repeat(1_000))), (error) =>
      isHeadwaterError(error, 'buffer-full'),
    )
    await admin.close()
    await other.close()
    await Promise.all(settled)
  })

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
