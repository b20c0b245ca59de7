import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Heap } from '../../../src/base/heap.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import {
  durationMs,
  uuidBytes,
  uuidText,
  zeroUuid,
  type Duration,
} from '../../../src/base/units.ts'

describe('a duration', () => {
  it('is a number and a unit', () => {
    assert.equal(durationMs('250ms'), 250)
    assert.equal(durationMs('1.5s'), 1500)
    assert.equal(durationMs('5m'), 300_000)
    assert.equal(durationMs('1d'), 86_400_000)
  })

  it('in any other form is refused with the way to write it', () => {
    for (const text of ['5 minutes', '5', '-1s', 'm'] as Duration[]) {
      assert.throws(
        () => durationMs(text),
        (e) => isHeadwaterError(e, 'config-invalid'),
      )
    }
  })
})

describe('an id', () => {
  it('is printed as Kafka prints it, and read back', () => {
    assert.equal(uuidText(new Uint8Array(16)), zeroUuid)
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const text = uuidText(bytes)
        assert.match(text, /^[\w-]{22}$/)
        assert.deepEqual(uuidBytes(text), bytes)
      }),
    )
  })

  it('is refused when it is none', () => {
    assert.throws(() => uuidBytes('AAAA'), /'AAAA' is not an id of 22 characters/)
    for (const letter of '+é') {
      assert.throws(
        () => uuidBytes(zeroUuid.replace('A', letter)),
        /is not an id of URL-safe base64/,
      )
    }
  })
})

describe('a heap', () => {
  it('gives its items back in order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (numbers) => {
        const heap = new Heap<number>((a, b) => a < b)
        for (const number of numbers) heap.push(number)
        const sorted = Array.from({ length: numbers.length }, () => heap.pop())
        assert.deepEqual(
          sorted,
          numbers.toSorted((a, b) => a - b),
        )
        assert.equal(heap.size, 0)
      }),
    )
  })
})
