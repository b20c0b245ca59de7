/** Commands that are asked, and asked again, while an instance of who decides them is killed and comes back. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { addressText } from '../../src/base/address.ts'
import { CommandInDoubt } from '../../src/streams/commands/answer.ts'
import type { CommandAnswer } from '../../src/streams/commands/answer.ts'
import { asker } from '../../src/streams/runtime/asker.ts'
import { OrderCommands, change, ordering, place } from '../types/ordering.ts'
import { asked } from '../unit/query/asked.ts'
import type { Asked } from '../unit/query/asked.ts'

const keys = Array.from({ length: 24 }, (_, n) => `order-${n}`)
/** Each key is changed at least so often, and on until the other instance is back. */
const changesMin = 20

describe('an instance that is killed while commands are asked', () => {
  it('decides each of them once, with the one that takes over', { timeout: 120_000 }, async () => {
    await using services = await asked()
    const times = { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 100 }
    const { app } = await services.start(ordering(), { instanceId: 'a', ...times })
    let other = await startOther(services)
    await using client = asker({ broker: services.broker })
    let isOver = false
    const seen = { inDoubt: 0, answers: 0 }
    const placed = new Map<string, CommandAnswer>()
    const chains = keys.map(async (key) => {
      let changes = 0
      const ask = async (message: ReturnType<typeof place> | ReturnType<typeof change>) => {
        const id = `${key}/${changes}`
        for (;;) {
          const answer = await answerOrDoubt(
            client.ask(OrderCommands, message, { id, timeout: '1s' }),
          )
          if (answer === undefined) seen.inDoubt++
          else {
            assert.ok(answer.accepted, JSON.stringify(answer))
            assert.equal(answer.id, id)
            seen.answers++
            return answer
          }
        }
      }
      placed.set(key, await ask(place(key)))
      while (changes < changesMin || !isOver) {
        changes++
        await ask(change(key))
      }
      return changes
    })
    await until(() => seen.answers > keys.length * 4)
    await other.kill()
    // Longer than a session: the one that is left takes over what the killed one has begun.
    await until(() => (app.stats().assignment?.tasks.length ?? 0) === 12)
    other = await startOther(services)
    isOver = true
    const changes = await Promise.all(chains)
    await other.kill()
    await until(() => app.stats().ready && (app.stats().assignment?.tasks.length ?? 0) === 12)
    // Decided by whoever it was, with more than `changesMin` others of the key behind it.
    for (const key of keys) {
      assert.deepEqual(
        await client.ask(OrderCommands, place(key), { id: `${key}/0` }),
        placed.get(key),
      )
    }
    for (const [n, key] of keys.entries()) {
      assert.deepEqual(await app.query.orders.get(key), {
        total: 10 + changes[n]!,
        changes: changes[n],
      })
      assert.equal(await app.query.events.get(key), 1 + changes[n]!)
    }
    assert.ok(seen.inDoubt > 0, 'nobody had to ask again')
  })
})

async function answerOrDoubt(
  asking: Promise<CommandAnswer<typeof OrderCommands>>,
): Promise<CommandAnswer<typeof OrderCommands> | undefined> {
  try {
    return await asking
  } catch (error) {
    if (error instanceof CommandInDoubt) return undefined
    throw error
  }
}

async function startOther({ broker }: Asked) {
  const args = [addressText(broker.bootstrap[0]), 'b']
  const child = fork(new URL('./ordering-child.ts', import.meta.url), args, { stdio: 'inherit' })
  const exited = once(child, 'exit')
  const ran = await Promise.race([once(child, 'message'), exited.then(() => undefined)])
  assert.ok(ran, 'the instance has ended before it ran')
  return {
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (const from = performance.now(); !isSo(); await delay(20)) {
    assert.ok(performance.now() - from < 40_000, 'it did not come to be')
  }
}
