/** Every record counts once: over restarts, crashes, rebalances and kills. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isHeadwaterError } from '../../src/base/errors.ts'
import { Orders, Payments } from '../types/shop.ts'
import { BreakingDial } from './faults.ts'
import { assertShipped } from './operators.ts'
import type { OpenPlace, Place } from './place.ts'
import { createTopicsOf, inPlace, runThrough, start, write } from './place.ts'
import { orders, payments, shipping } from './services.ts'

/** @param crashes how many different moments a service is made to die at */
export function exactlyOnceSuite(open: OpenPlace, o: { crashes: number }): void {
  describe('a service, exactly once', () => {
    it('goes on after a restart where it was', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, shipping)
        await write(place, Orders, orders(0, 300))
        for (const [from, to] of [
          [0, 100],
          [100, 120],
          [120, 300],
        ] as const) {
          await write(place, Payments, payments(from, to))
          await runThrough(place, shipping)
        }
        await assertShipped(place, 300)
      }))

    it('counts exactly after a crash at any of its writes to the broker', async () => {
      const total = await inPlaceCounting(open)
      assert.ok(total > 20, `a run takes ${total} writes`)
      const step = Math.max(1, Math.floor(total / o.crashes))
      for (let breakAt = 1 + Math.floor(step / 2); breakAt <= total; breakAt += step) {
        await inPlace(open, async (place) => {
          await prepare(place, 200)
          await crash(place, breakAt)
          await runThrough(place, shipping)
          await assertShipped(place, 200).catch((cause: unknown) => {
            throw new Error(`after a crash at write ${breakAt} of ${total}`, { cause })
          })
        })
      }
    })

    it('shares partitions between two instances, and takes over from one that closes', () =>
      inPlace(open, async (place) => {
        await prepare(place, 400)
        await using first = await start(place, shipping, { instanceId: 'a' })
        await using second = await start(place, shipping, { instanceId: 'b' })
        await eventually(() => assertShipped(place, 400))
        await write(place, Orders, orders(400, 800))
        await write(place, Payments, payments(400, 800))
        await eventually(() => assertShipped(place, 800))
        assert.ok(second.stats().recordsIn > 0, 'the second instance processed something')
        await first.close()
        await write(place, Orders, orders(800, 1000))
        await write(place, Payments, payments(800, 1000))
        await eventually(() => assertShipped(place, 1000))
        await second.close()
      }))

    it('counts exactly while instances come and go and records keep coming', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, shipping)
        await write(place, Orders, orders(0, 1200))
        let written = 0
        const more = async (): Promise<void> => {
          await write(place, Payments, payments(written, written + 200))
          written += 200
        }
        await using first = await start(place, shipping, { instanceId: 'a' })
        await more()
        const starting = start(place, shipping, { instanceId: 'b' })
        await more()
        await using second = await starting
        await Promise.all([more(), first.close()])
        await more()
        await using third = await start(place, shipping, { instanceId: 'a' })
        await Promise.all([more(), second.close()])
        await more()
        await eventually(() => assertShipped(place, written))
        await third.close()
      }))

    it('stops when another takes its instance id, which goes on alone', () =>
      inPlace(open, async (place) => {
        await prepare(place, 100)
        await using first = await start(place, shipping)
        await first.caughtUp()
        await using second = await start(place, shipping)
        await write(place, Orders, orders(100, 200))
        await write(place, Payments, payments(100, 200))
        await assert.rejects(first.failed, (error) => isHeadwaterError(error, 'fenced'))
        await eventually(() => assertShipped(place, 200))
        assert.equal(second.stats().state, 'running')
      }))

    it('counts exactly after kills of its process', () =>
      inPlace(open, async (place) => {
        await createTopicsOf(place, shipping)
        await write(place, Orders, orders(0, 2000))
        for (let from = 0; from < 2000; from += 500) {
          await write(place, Payments, payments(from, from + 500))
          const child = runChild(place)
          await once(child, 'message')
          await delay(from / 10)
          child.kill('SIGKILL')
          await once(child, 'exit')
        }
        await runThrough(place, shipping)
        await assertShipped(place, 2000)
      }))
  })
}

async function prepare(place: Place, count: number): Promise<void> {
  await createTopicsOf(place, shipping)
  await write(place, Orders, orders(0, count))
  await write(place, Payments, payments(0, count))
}

/** How many writes an undisturbed run makes. */
async function inPlaceCounting(open: OpenPlace): Promise<number> {
  let writes = 0
  await inPlace(open, async (place) => {
    await prepare(place, 200)
    const dial = new BreakingDial(place.broker.dial, Infinity)
    await runThrough({ ...place, broker: { ...place.broker, dial: dial.dial } }, shipping)
    writes = dial.writes
  })
  return writes
}

/** Runs the service until its connections break, and leaves it for dead. */
async function crash(place: Place, breakAt: number): Promise<void> {
  const dial = new BreakingDial(place.broker.dial, breakAt)
  const broken = { ...place, broker: { ...place.broker, dial: dial.dial } }
  const life = start(broken, shipping).then(async (running) => {
    await running.caughtUp()
    await running.close()
  })
  life.catch(() => undefined)
  await Promise.race([dial.broken, life])
}

/** How long a group may take to share out its partitions and catch up. */
const eventuallyMs = 30_000

/** Repeats a check until it holds: what several instances do together ends when it ends. */
async function eventually(check: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + eventuallyMs
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await delay(100)
    }
  }
}

function runChild({ broker }: Place): ChildProcess {
  const { host, port } = broker.bootstrap[0]!
  return fork(new URL('./child.ts', import.meta.url), [`${host}:${port}`], { stdio: 'inherit' })
}
