/** Time that counts against clients: what counts, and when somebody is told. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AttentiveClock } from '../../../src/broker/machines/attentive-clock.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import { World } from '../../../src/testing/world.ts'

const hourMs = 3_600_000

/** A process whose clock is looked at, and when it was told of its deadlines, by the world's time. */
function attend() {
  const world = new World(1)
  const process = world.start('broker')
  const clock = new AttentiveClock(process.clock)
  const told: number[] = []
  const at = (deadlineMs: number) => {
    return clock.at(deadlineMs, () => told.push(world.clock.monotonic()))
  }
  const pass = (ms: number): Promise<void> => world.until(sleep(world.clock, ms), 2 * ms)
  return { world, process, clock, told, at, pass }
}

describe('a deadline', () => {
  it('comes when its time has passed, and once', async () => {
    const { told, at, pass, clock } = attend()
    for (const deadlineMs of [10_000, 0.25, 0, -1, 10_000.5]) at(deadlineMs)
    await pass(20_000)
    assert.deepEqual(told, [0, 0, 1, 10_000, 10_001])
    assert.equal(clock.now(), 10_001 + 1000)
  })

  it('does not come when it was cancelled, however often its time was looked at before', async () => {
    const { told, at, pass } = attend()
    const timer = at(10_000)
    await pass(9_990)
    timer.cancel()
    await pass(20_000)
    assert.deepEqual(told, [])
  })

  it('comes no sooner and no later when the wall clock is set', async () => {
    for (const stepMs of [hourMs, -hourMs]) {
      const { world, told, at, pass } = attend()
      at(10_000)
      await pass(4_000)
      world.setWall(stepMs)
      await pass(20_000)
      assert.deepEqual(told, [10_000], `${stepMs} ms`)
    }
  })

  it('comes a second sooner when the process was stopped for an hour, and no more', async () => {
    const { process, told, at, pass } = attend()
    at(10_000)
    await pass(4_000)
    process.freeze(hourMs)
    await pass(hourMs + 4_000)
    assert.deepEqual(told, [])
    await pass(2_000)
    assert.equal(told.length, 1)
    assert.ok(told[0]! >= hourMs + 9_000, `${told[0]}`)
  })

  it('is not put off by turns that are long, but no longer than any should be', async () => {
    const { world, process, told, at } = attend()
    at(10_000)
    const work = async (): Promise<void> => {
      for (let turn = 0; turn < 20; turn++) {
        process.work(900)
        await sleep(world.clock, 901)
      }
    }
    await world.until(work(), hourMs)
    assert.ok(told[0]! >= 10_000 && told[0]! < 11_000, `${told[0]}`)
  })
})
