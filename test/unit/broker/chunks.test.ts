/** Batches as chunks of an answer: the same bytes, and few. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concatBytes } from '../../../src/base/bytes.ts'
import { chunksOf } from '../../../src/broker/handlers/chunks.ts'

const kibibyte = 1024

test('chunks hold the same bytes in the same order, and small ones nothing but themselves', () => {
  const size = fc.oneof(fc.nat(300), fc.integer({ min: 2_000, max: 2_100 }), fc.nat(70_000))
  const batch = fc.record({ size, isNext: fc.boolean() })
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 40 }), (wanted) => {
      let buffer = new Uint8Array(4_000_000)
      let at = 0
      const batches = wanted.map(({ size: length, isNext }, n) => {
        if (!isNext) [buffer, at] = [new Uint8Array(4_000_000), 0]
        const view = buffer.subarray(at, (at += length)).fill(n)
        return view
      })
      const chunks = chunksOf(batches)
      assert.deepEqual(concatBytes(chunks), concatBytes(batches))
      for (const chunk of chunks) {
        const isSmall = chunks.length > 1 && chunk.length < 2 * kibibyte
        assert(
          !isSmall || chunk.buffer.byteLength === chunk.length,
          'a small view of a large buffer',
        )
      }
    }),
    { numRuns: 50 },
  )
})

test('ten thousand small batches are a few chunks, and large ones are not copied', () => {
  const small = Array.from({ length: 10_000 }, (_, n) => new Uint8Array(100).fill(n))
  assert.equal(chunksOf(small).length, Math.ceil(1_000_000 / (64 * kibibyte)))
  const large = Array.from({ length: 3 }, () => new Uint8Array(2 * kibibyte))
  assert.deepEqual(chunksOf(large), large)
  assert.equal(chunksOf(large)[1], large[1])
  const mixed = chunksOf([small[0]!, large[0]!, small[1]!, small[2]!, large[1]!])
  assert.deepEqual(
    mixed.map(({ length }) => length),
    [100, 2 * kibibyte, 200, 2 * kibibyte],
  )
})
