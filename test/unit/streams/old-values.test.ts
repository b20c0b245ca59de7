import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OldValues } from '../../../src/streams/views/old-values.ts'

describe('the rows that a feed remembers', () => {
  it('are what they were before', () => {
    const old = new OldValues()
    assert.deepEqual(old.replace('a', Uint8Array.of(1)), { bytes: undefined, isKnown: true })
    assert.deepEqual(old.replace('a', undefined), { bytes: Uint8Array.of(1), isKnown: true })
    assert.deepEqual(old.replace('a', Uint8Array.of(2)), { bytes: undefined, isKnown: true })
  })

  it('are those that changed last, in 8 MiB, and of others it is not said that there were none', () => {
    const old = new OldValues()
    const mebibyte = new Uint8Array(1024 * 1024)
    for (let n = 0; n < 8; n++) old.replace(`r${n}`, mebibyte)
    assert.deepEqual(old.replace('r0', undefined), { bytes: undefined, isKnown: false })
    assert.equal(old.replace('r7', undefined).bytes, mebibyte)
    assert.equal(old.replace('new', mebibyte).isKnown, false)
  })
})
