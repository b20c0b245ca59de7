/** Whether a service goes on after a failure: what passes, what is doubted, and for how long. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeadwaterError } from '../../../src/base/errors.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { Repairs } from '../../../src/streams/runtime/repairs.ts'

const gone = new HeadwaterError('not-found', 'no such topic')
const away = new HeadwaterError('timeout', 'no answer', { retriable: true })

describe('a service that fails', () => {
  it('tries what passes by itself for as long as it takes', () => {
    const { repairs, pass } = open()
    for (let round = 0; round < 100; round++) {
      assert.equal(repairs.mayGoOn(away), true)
      pass(10_000)
    }
  })

  it('gives up what goes on for a minute and may be for good', () => {
    const { repairs, pass } = open()
    for (let s = 0; s <= 60; s += 10) {
      assert.equal(repairs.mayGoOn(gone), true, `after ${s} s`)
      pass(10_000)
    }
    assert.equal(repairs.mayGoOn(gone), false)
  })

  it('begins to doubt anew after a commit', () => {
    const { repairs, pass } = open()
    repairs.mayGoOn(gone)
    pass(59_000)
    repairs.progressed()
    pass(2_000)
    assert.equal(repairs.mayGoOn(gone), true)
  })

  it('begins to doubt anew when nothing failed for a minute, although it had nothing to commit', () => {
    const { repairs, pass } = open()
    assert.equal(repairs.mayGoOn(gone), true)
    pass(61_000)
    assert.equal(repairs.mayGoOn(gone), true)
  })
})

function open() {
  let now = 0
  const clock = { ...nodeClock, monotonic: () => now }
  const repairs = new Repairs(clock, nodeRandom, () => undefined)
  return { repairs, pass: (ms: number) => (now += ms) }
}
