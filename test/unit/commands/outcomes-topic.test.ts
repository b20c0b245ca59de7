/** The topic of outcomes in hands that mean no good: deleted, made anew, of other partitions. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { createTopics, deleteTopics } from '../../../src/client/admin.ts'
import { CommandInDoubt } from '../../../src/streams/commands/answer.ts'
import { asker } from '../../../src/streams/runtime/asker.ts'
import { run } from '../../../src/streams/runtime/run.ts'
import { OrderCommands, change, ordering, place } from '../../types/ordering.ts'
import { asked } from '../query/asked.ts'
import { adminOf } from './admin.ts'

const name = 'ordering-outcomes'

const made = (partitions: number) => [{ name, partitions, configs: { 'cleanup.policy': 'delete' } }]

describe('outcomes whose topic is deleted', () => {
  it('are told again when it is there again, to who has asked before', async () => {
    await using services = await asked()
    const { app } = await services.start(ordering())
    await using other = asker({ broker: services.broker })
    await other.ask(OrderCommands, place('o-1'))
    const admin = adminOf(services)
    await deleteTopics(admin, [name])
    // What has been sent is in doubt; once it is known that nobody could be told, nothing is sent.
    for (let isKnown = false; !isKnown;) {
      const asking = other.ask(OrderCommands, change('o-1'), { id: 'a', timeout: '3s' })
      await assert.rejects(asking, (error) => {
        isKnown = isHeadwaterError(error, 'not-found') && error.outcome === 'not-written'
        return isKnown || error instanceof CommandInDoubt
      })
    }
    await createTopics(admin, made(8))
    const answer = await other.ask(OrderCommands, change('o-1'), { id: 'a' })
    assert.ok(answer.accepted)
    await app.caughtUp()
    assert.deepEqual(await app.query.orders.get('o-1'), { total: 11, changes: 1 })
    await admin.close()
  })
})

describe('outcomes whose topic was there before', () => {
  it('are told when it has more partitions', async () => {
    await using services = await asked()
    const admin = adminOf(services)
    await createTopics(admin, made(16))
    await admin.close()
    const { app } = await services.start(ordering())
    assert.ok((await app.ask(OrderCommands, place('o-1'))).accepted)
  })

  it('keep the service from starting when it has fewer, with the way out', async () => {
    await using services = await asked()
    const admin = adminOf(services)
    await createTopics(admin, made(1))
    await admin.close()
    await assert.rejects(
      run(ordering(), { broker: services.broker }),
      /topic 'ordering-outcomes' has 1 partitions, but service 'ordering' declares 8: delete it: the service makes it anew/,
    )
  })
})
