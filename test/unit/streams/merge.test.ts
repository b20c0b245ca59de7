/** Listings of several instances, merged. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { cursorKeyMax, placeAfter } from '../../../src/streams/views/cursor.ts'
import { mergeParts } from '../../../src/streams/views/merge.ts'
import type { Part } from '../../../src/streams/views/merge.ts'
import { compareRows, firstRows } from '../../../src/streams/views/rows.ts'
import type { RowPlace } from '../../../src/streams/views/rows.ts'
import type { ReadableStore, RowKey } from '../../../src/streams/stores/store.ts'

interface Row {
  readonly key: string
  readonly windowStart?: number
}

const textOf = ({ key, windowStart }: Row): string => `${key} ${windowStart ?? ''}`

describe('listings of several instances', () => {
  const key = fc.oneof(
    fc.string({ maxLength: 3 }),
    fc.nat(12).map((n) => 'a'.repeat(cursorKeyMax) + String(n)),
  )
  const row = fc.record({
    key,
    start: fc.option(fc.integer({ min: -2, max: 2 }), { nil: undefined }),
  })
  const rows = fc.uniqueArray(row, { selector: (each) => `${each.key} ${each.start ?? 0}` })

  it('give every row once and in order, whoever holds it and however few each gives at once', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(rows, sizes, fc.integer({ min: 1, max: 6 }), (all, most, limit) => {
        const stores = most.map((_, n) => storeOf(all.filter((_row, i) => i % most.length === n)))
        const given: Row[] = []
        let place: RowPlace | undefined
        for (let more = true, turns = 0; more; turns++) {
          assert.ok(turns < 1_000, 'no end')
          const skip = place?.skip ?? 0
          // Counted rows may be more than an instance gives at once; then there is no way on by pages.
          const parts = stores.map((store, n) => {
            return partOf(store, place, Math.min(limit + skip, most[n]! + skip))
          })
          const page = mergeParts(parts, { skip, limit })
          assert.ok(page.rows.length > 0 || !page.more, 'no progress')
          given.push(...page.rows)
          place = placeAfter(page.rows, place, { prefix: '' })
          more = page.more
        }
        const expected = all.toSorted((a, b) => {
          return compareRows({ ...a, text: a.key }, { ...b, text: b.key })
        })
        assert.deepEqual(
          given.map(textOf),
          expected.map(({ key, start }) => `${key} ${start ?? ''}`),
        )
      }),
      { numRuns: 300 },
    )
  })

  it('end where one of them may have more', () => {
    const part = (keys: string, more: boolean): Part<Row> => {
      return { rows: keys.split('').map((each) => ({ key: each })), more }
    }
    const merged = mergeParts([part('ad', true), part('bcf', false)], { skip: 0, limit: 9 })
    assert.deepEqual(merged, {
      rows: ['a', 'b', 'c', 'd'].map((each) => ({ key: each })),
      more: true,
    })
    const whole = mergeParts([part('ad', false), part('bcf', false)], { skip: 0, limit: 9 })
    assert.deepEqual([whole.rows.length, whole.more], [5, false])
    const cut = mergeParts([part('ad', false), part('bcf', false)], { skip: 1, limit: 3 })
    assert.deepEqual([cut.rows.map((each) => each.key).join(''), cut.more], ['bcd', true])
  })
})

function partOf(store: ReadableStore, place: RowPlace | undefined, limit: number): Part<Row> {
  const whole = place && { ...place, skip: place.skip === undefined ? undefined : 0 }
  const found = firstRows([store], { prefix: '', place: whole, limit: limit + 1 })
  const rows = found.slice(0, limit).map(({ text, start }) => {
    return { key: text, ...(start !== undefined && { windowStart: start }) }
  })
  return { rows, more: found.length > limit }
}

function storeOf(keys: readonly RowKey[]): ReadableStore {
  return {
    size: keys.length,
    get: () => 0,
    getWindow: () => 0,
    keys: () => keys,
    committed: () => undefined,
  }
}
