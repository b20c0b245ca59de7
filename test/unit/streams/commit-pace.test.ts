import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CommitPace } from '../../../src/streams/runtime/commit-pace.ts'

describe('the pace of commits', () => {
  it('is the interval when there is nothing more to process', () => {
    const { pace, pass } = open()
    assert.equal(pace.idleMs(false), undefined)
    pace.processed(1)
    assert.equal(pace.isDue(false, false), false)
    assert.equal(pace.idleMs(false), 100)
    pass(100)
    assert.equal(pace.isDue(false, false), true)
  })

  it('counts from the first record that is not committed', () => {
    const { pace, pass } = open()
    pace.processed(1)
    pass(60)
    pace.processed(1)
    pass(40)
    assert.equal(pace.isDue(false, false), true)
  })

  it('is that of the turns while somebody waits for the outcome of a command', () => {
    const { pace, pass, decisions } = open()
    pace.processed(1)
    assert.equal(pace.isDue(true, false), false)
    decisions.asked++
    assert.equal(pace.isDue(true, false), true)
    commit(pace, pass, 1)
    pace.processed(1)
    assert.equal(pace.isDue(true, false), false, 'nobody has asked since')
  })

  it('is that of the turns while they are careful', () => {
    const { pace } = open()
    assert.equal(pace.isDue(true, false, true), false, 'nothing to commit')
    pace.processed(1)
    assert.equal(pace.isDue(true, false, true), true)
  })

  it('is slower while busy, when commits are slow', () => {
    const { pace, pass } = open()
    commit(pace, pass, 50)
    pace.processed(1)
    pass(399)
    assert.equal(pace.isDue(true, false), false)
    pass(1)
    assert.equal(pace.isDue(true, false), true)
  })

  it('never grows beyond a second, however slow commits are', () => {
    const { pace, pass } = open()
    commit(pace, pass, 10_000)
    pace.processed(1)
    pass(1_000)
    assert.equal(pace.isDue(true, false), true)
  })

  it('is bounded by records', () => {
    const { pace } = open()
    pace.processed(49_999)
    assert.equal(pace.isDue(true, false), false)
    pace.processed(1)
    assert.equal(pace.isDue(true, false), true)
  })

  it('does not keep anyone waiting once there is nothing more', () => {
    const { pace } = open()
    assert.equal(pace.isDue(false, true), false, 'nothing to commit')
    pace.processed(0)
    assert.equal(pace.isDue(true, true), false)
    assert.equal(pace.isDue(false, true), true)
  })
})

function open() {
  let now = 0
  const decisions = { asked: 0 }
  const clock = {
    now: () => now,
    monotonic: () => now,
    after: () => ({ cancel: () => undefined }),
    soon: () => undefined,
  }
  const pace = new CommitPace(clock, 100, decisions)
  return { pace, decisions, pass: (ms: number) => void (now += ms) }
}

function commit(pace: CommitPace, pass: (ms: number) => void, tookMs: number): void {
  pace.processed(1)
  pace.begin()
  pass(tookMs)
  pace.committed()
}
