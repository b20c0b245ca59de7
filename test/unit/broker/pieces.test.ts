/** Lists in pieces: whatever the bound, they are what they were when they are put together again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { join, piecesOf, slicesOf } from '../../../src/broker/handlers/pieces.ts'

const topics = fc.array(
  fc.record(
    { name: fc.constantFrom('a', 'b', 'c'), partitions: fc.array(fc.nat(9)) },
    { noNullPrototype: true },
  ),
)

test('topics in pieces are the topics again when their answers are joined', () => {
  fc.assert(
    fc.property(topics, fc.integer({ min: 1, max: 7 }), (asked, itemsMax) => {
      const joined: { name: string; partitions: number[] }[] = []
      for (const piece of piecesOf(asked, 'partitions', itemsMax)) {
        assert(piece.items <= itemsMax + 1, `${piece.items} items`)
        join(joined, piece.topics, 'partitions', piece)
      }
      assert.deepEqual(joined, asked)
    }),
  )
})

test('a list that fits is one piece, as it is', () => {
  const asked = [{ name: 'a', partitions: [1, 2, 3] }]
  const [piece, ...others] = piecesOf(asked, 'partitions', 10)
  assert.equal(piece?.topics[0], asked[0])
  assert.deepEqual(others, [])
})

test('slices of a list are the list', () => {
  fc.assert(
    fc.property(fc.array(fc.nat()), fc.integer({ min: 1, max: 7 }), (items, itemsMax) => {
      const slices = [...slicesOf(items, itemsMax)]
      assert.deepEqual(slices.flat(), items)
      assert(slices.every(({ length }) => length <= itemsMax))
    }),
  )
})
