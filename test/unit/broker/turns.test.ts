/** Turns: what fits into one is done at once, and the rest a part at a time, whoever else has work to do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sorted, type Steps } from '../../../src/base/steps.ts'
import { Turns } from '../../../src/broker/turns.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { SimClock } from '../../../src/testing/sim-clock.ts'

const itemsMax = 100

function* work(items: number, done: string[] = [], name = ''): Steps<string> {
  for (let i = 0; i < items; i++) {
    done.push(name)
    yield 1
  }
  return name
}

function all<T>(results: readonly (T | Promise<T>)[]): Promise<T[]> {
  return Promise.all(results.map((result) => Promise.resolve(result)))
}

/** Turns by a clock of which each callback is one round of the event loop. */
function rounds() {
  const clock = new SimClock()
  const turns = new Turns(clock, itemsMax)
  const round = async (): Promise<boolean> => {
    const callback = clock.next()
    callback?.()
    await new Promise((resolve) => nodeClock.soon(() => resolve(undefined)))
    return callback !== undefined
  }
  return { turns, round }
}

test('what fits into a turn is done at once, without a promise', () => {
  const { turns } = rounds()
  assert.equal(turns.run(work(itemsMax - 1, [], 'short')), 'short')
})

test('what does not takes as many turns as it has parts', async () => {
  const { turns, round } = rounds()
  const done: string[] = []
  const result = turns.run(work(350, done, 'long'))
  assert(result instanceof Promise)
  const perRound = [done.length]
  for (let before = done.length; await round(); before = done.length) {
    if (done.length > before) perRound.push(done.length - before)
  }
  assert.deepEqual(perRound, [100, 100, 100, 50])
  assert.equal(await result, 'long')
})

test('short works that come together are one turn together', async () => {
  const { turns, round } = rounds()
  const done: string[] = []
  const results = Array.from({ length: 5 }, (_, i) => turns.run(work(60, done, `${i}`)))
  // The second is left in the middle, and the others begin.
  assert.equal(results[0], '0')
  assert(results.slice(1).every((result) => result instanceof Promise))
  assert(done.length < 3 * itemsMax, `${done.length} items in one turn`)
  while (await round()) continue
  assert.deepEqual(await all(results), ['0', '1', '2', '3', '4'])
})

test('long works take turns with each other, one a round', async () => {
  const { turns, round } = rounds()
  const done: string[] = []
  const both = [turns.run(work(300, done, 'a')), turns.run(work(300, done, 'b'))]
  for (let before = done.length; await round(); before = done.length) {
    assert(done.length - before <= itemsMax, `${done.length - before} items in one turn`)
  }
  const firstEnd = done.lastIndexOf('a')
  assert(done.indexOf('b') < firstEnd && firstEnd < done.length - 1)
  assert.deepEqual(await all(both), ['a', 'b'])
})

test('who waits behind a long work gets a turn before it has ended', async () => {
  const { turns, round } = rounds()
  const done: string[] = []
  const long = turns.run(work(10_000, done, 'long'))
  await round()
  await round()
  assert.equal(turns.run(work(10, done, 'short')), 'short')
  assert(done.length < 500)
  while (await round()) continue
  await long
})

test('the work for a client that is gone ends', async () => {
  const { turns, round } = rounds()
  const done: string[] = []
  let leave = (): void => {}
  let heard = 0
  const party = {
    onGone: (callback: () => void) => {
      leave = callback
      return () => heard++
    },
  }
  const result = turns.run(work(10_000, done), party)
  const refused = assert.rejects(Promise.resolve(result), { code: 'connection-lost' })
  await round()
  leave()
  const before = done.length
  while (await round()) continue
  await refused
  assert.equal(done.length, before)
  assert.equal(heard, 1)
})

test('work that fails in a later turn fails as it would at once', async () => {
  const { turns, round } = rounds()
  const failing = function* (): Steps<void> {
    yield* work(itemsMax * 2)
    throw new Error('in the middle')
  }
  const refused = assert.rejects(Promise.resolve(turns.run(failing())), /in the middle/)
  while (await round()) continue
  await refused
})

test('items that were done otherwise are counted, too', async () => {
  const { turns, round } = rounds()
  assert.equal(turns.spend(60), undefined)
  const turn = turns.spend(60)
  assert(turn instanceof Promise)
  while (await round()) continue
  await turn
})

test('texts are sorted in steps as they are at once', () => {
  const texts = Array.from({ length: 3_001 }, (_, i) => `${(i * 7_919) % 3_001}`)
  let steps = 0
  const run = sorted(texts)
  for (;;) {
    const step = run.next()
    if (step.done === true) {
      assert.deepEqual(step.value, texts.toSorted())
      break
    }
    steps++
  }
  assert(steps > 20)
})
