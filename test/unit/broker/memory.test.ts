/** The memory that all share: who is granted it, when, and what that costs the one who gave it back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimClock } from '../../../src/testing/sim-clock.ts'
import { memoryOf } from './one-connection.ts'

const manyMax = 50_000

test('as many as there are may wait, and each give back at once what it is granted', () => {
  const { requests } = memoryOf(1000, new SimClock())
  for (const isLarge of [false, true]) {
    requests.ask(1000, () => assert.fail('it was free'), isLarge)
    const served: number[] = []
    for (let at = 0; at < manyMax; at++) {
      const granted = (): void => {
        served.push(at)
        requests.free(1000, isLarge)
      }
      assert(requests.ask(1000, granted, isLarge))
    }
    requests.free(1000, isLarge)
    assert.deepEqual(
      served,
      Array.from({ length: manyMax }, (_, at) => at),
    )
    assert.equal(requests.usedBytes, 0)
  }
})

test('what large ones give back goes to the usual ones that wait, too', () => {
  const { requests } = memoryOf(1000, new SimClock())
  requests.take(1000)
  const served: string[] = []
  requests.ask(
    900,
    () => {
      served.push('large')
      requests.ask(200, () => served.push('usual'))
      requests.free(900, true)
    },
    true,
  )
  requests.free(1000)
  assert.deepEqual(served, ['large', 'usual'])
})
