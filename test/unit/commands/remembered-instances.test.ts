/** What is remembered of commands by instances that come and go, on a broker. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import { commandHeaders } from '../../../src/events/commands.ts'
import { acceptStore } from '../../../src/streams/identity/ways-out.ts'
import { identityOf, aggregatesOf } from '../../../src/streams/identity/identity.ts'
import { writeIdentities } from '../../../src/streams/identity/identity-topic.ts'
import { lookAround } from '../../../src/streams/identity/situation.ts'
import { planTopology } from '../../../src/streams/plan/plan.ts'
import { Writer } from '../../../src/base/bytes.ts'
import { asker } from '../../../src/streams/runtime/asker.ts'
import { OrderCommands, change, ordering, place } from '../../types/ordering.ts'
import { asked } from '../query/asked.ts'
import type { Asked } from '../query/asked.ts'
import { adminOf } from './admin.ts'

const keys = Array.from({ length: 24 }, (_, n) => `o-${n}`)
const others = 20

describe('commands that were decided', () => {
  it('are known to the instance that takes their partition over, whoever goes', async () => {
    await using services = await asked()
    await using client = asker({ broker: services.broker })
    const { app: a } = await services.start(ordering(), { instanceId: 'a' })
    const first = await Promise.all(
      keys.map((key) => client.ask(OrderCommands, place(key), { id: 'place' })),
    )
    await Promise.all(
      keys.flatMap((key) =>
        Array.from({ length: others }, (_, n) =>
          client.ask(OrderCommands, change(key), { id: `change-${n}` }),
        ),
      ),
    )
    const again = () =>
      Promise.all(keys.map((key) => client.ask(OrderCommands, place(key), { id: 'place' })))
    assert.equal(a.stats().remembered.commands, keys.length * (1 + others))

    const { app: b } = await services.start(ordering(), { instanceId: 'b' })
    await until(() => tasksOf(a) === 6 && tasksOf(b) === 6)
    assert.deepEqual(await again(), first)
    const both = [a, b].map((each) => each.stats())
    assert.ok(both.every(({ remembered }) => remembered.commands > 0))
    assert.equal(
      both.reduce((sum, { remembered }) => sum + remembered.commands, 0),
      keys.length * (1 + others),
    )
    await a.close()
    await until(() => tasksOf(b) === 12)
    assert.deepEqual(await again(), first)
    const { decisions } = b.stats()
    assert.deepEqual([decisions.accepted, decisions.rejected], [0, 0])
  })

  it('are known for their time, and what waited for a service that was away is in time', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering('stop', { remember: '300ms' }))
    const placed = await app.ask(OrderCommands, place('o-1'))
    const began = Date.now()
    const partition = placed.accepted ? placed.events[0]!.partition : -1
    await write(services, partition, 'a', began)
    await until(() => app.stats().decisions.accepted === 2)
    await delay(1_000)
    // Sent in time, and read later.
    await write(services, partition, 'a', began + 100)
    await until(() => app.stats().decisions.repeated === 1)
    await app.ask(OrderCommands, change('o-1'))
    await write(services, partition, 'a', Date.now())
    await until(() => app.stats().decisions.accepted === 4)
  })

  it('are not forgotten because a command says that it is of the future', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering('stop', { remember: '1m' }))
    const first = await app.ask(OrderCommands, place('o-1'), { id: 'place' })
    const partition = first.accepted ? first.events[0]!.partition : -1
    await write(services, partition, 'a', Date.now() + 30 * 60_000)
    await until(() => app.stats().decisions.accepted === 2)
    assert.deepEqual(await app.ask(OrderCommands, place('o-1'), { id: 'place' }), first)
  })

  it('are counted, with the memory they take, and when they are forgotten for want of it', async () => {
    await using services = await asked()
    const bytesMax = 1024 * 1024
    const { app } = await services.start(ordering('stop', { rememberBytesMax: bytesMax }))
    const asks = Array.from({ length: 3_000 }, (_, n) =>
      app.ask(OrderCommands, place('o-1'), { id: `${n}`.padEnd(200, '-') }),
    )
    await Promise.all(asks)
    const { remembered, decisions } = app.stats()
    assert.ok(decisions.forgotten > 0)
    assert.equal(remembered.commands, 3_000 - decisions.forgotten)
    assert.ok(remembered.bytes > bytesMax / 2 && remembered.bytes <= bytesMax)
  })

  it('of a version that wrote them otherwise are refused, and forgotten when they are given up', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering())
    await app.ask(OrderCommands, place('o-1'), { id: 'a' })
    await app.ask(OrderCommands, change('o-1'), { id: 'b' })
    await app.close()
    await using admin = adminOf(services)
    const plan = planTopology(ordering().build())
    const name = 'orders-outcomes'
    const situation = await lookAround(admin, plan)
    const known = situation.stores.get(name)!
    const identity = { ...known, format: 'protobuf/headwater.v1.DecidedCommands' }
    await writeIdentities(admin, 'ordering', situation, [{ key: name, identity }])
    await assert.rejects(services.start(ordering()), (error) => {
      assert.ok(isHeadwaterError(error, 'state-mismatch'))
      assert.match(error.message, /its value format was protobuf\/headwater\.v1\.DecidedCommands/)
      assert.match(
        error.message,
        /`headwater plan FILE --accept ordering\/orders-outcomes` forgets what is remembered of commands, and keeps all state/,
      )
      return true
    })
    await acceptStore(admin, plan, name)
    const after = await lookAround(admin, plan)
    assert.equal(
      after.stores.get(name)!.format,
      identityOf(plan, aggregatesOf(plan).get(name)!, '').format,
    )
    const { app: later } = await services.start(ordering())
    const again = await later.ask(OrderCommands, place('o-1'), { id: 'a' })
    assert.equal(!again.accepted && again.reason, 'already-placed', 'the state is there')
    assert.equal(later.stats().remembered.commands, 1)
  })
})

/** Writes a change of `o-1` as another program may. */
async function write(services: Asked, partition: number, id: string, at: number): Promise<void> {
  await using admin = adminOf(services)
  const producer = new Producer(admin)
  await producer.init()
  const writer = new Writer()
  OrderCommands.codec.encode(change('o-1'), writer)
  const headers = commandHeaders(id, 0)
  producer.append(OrderCommands.name, partition, at, utf8Bytes('o-1'), writer.finish(), headers)
  await producer.flush()
  await producer.close()
}

function tasksOf(app: {
  stats(): { readonly assignment: { readonly tasks: readonly string[] } | undefined }
}) {
  return app.stats().assignment?.tasks.length ?? 0
}

async function until(isSo: () => boolean): Promise<void> {
  for (const from = performance.now(); !isSo(); await delay(20)) {
    assert.ok(performance.now() - from < 30_000, 'it did not come to be')
  }
}
