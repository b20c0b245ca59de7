import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hasHole } from '../../../src/streams/runtime/holes.ts'

describe('a batch that comes next', () => {
  const whole = { baseOffset: 10, lastOffsetDelta: 4, recordCount: 5 }

  it('has nothing missing when it follows, or a marker is between', () => {
    assert.equal(hasHole(10, whole), false)
    assert.equal(hasHole(9, whole), false)
  })

  it('has when more is between, or taken out of it', () => {
    assert.equal(hasHole(8, whole), true)
    assert.equal(hasHole(10, { ...whole, recordCount: 4 }), true)
    assert.equal(hasHole(10, { ...whole, recordCount: 0 }), true)
  })
})
