import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { KeyIndex } from '../../../src/streams/stores/key-index.ts'
import type { Key } from '../../../src/streams/stores/serde.ts'
import { KeyCodec } from '../../../src/streams/stores/serde.ts'

type Step = readonly ['add' | 'delete' | 'get', key: string]

/** Few keys, so that steps meet; some long, some not ASCII, one empty. */
const keys = fc.oneof(
  fc.integer({ min: 0, max: 40 }).map((n) => `k${n}`),
  fc.integer({ min: 0, max: 3 }).map((n) => 'x'.repeat(126 + n)),
  fc.constantFrom('', 'é', '漢字', '\u{1f600}', 'y'.repeat(20_000)),
)

describe('an index of keys', () => {
  it('is a map from keys to rows, whatever is added and deleted', () => {
    const steps = fc.array(fc.tuple(fc.constantFrom('add', 'add', 'delete', 'get'), keys), {
      maxLength: 400,
    })
    fc.assert(
      fc.property(steps, fc.boolean(), (list, asBytes) => {
        const index = new KeyIndex(new KeyCodec('string'))
        const map = new Map<Key, number>()
        for (const [i, step] of list.entries()) play(index, map, step, i, asBytes)
        assert.equal(index.size, map.size)
        assert.deepEqual(new Map(index), map)
      }),
    )
  })

  it('gives the keys within bounds, in the order in which texts are compared', () => {
    // On either side of the surrogates, where the order of UTF-8 is another.
    const letters = fc.constantFrom('', 'a', 'b', 'é', '\ud7ff', '\ue000', '\uffff', '\u{1f600}')
    const text = fc.array(letters, { maxLength: 3 }).map((parts) => parts.join(''))
    const bound = fc.oneof(text, fc.constantFrom('a\ud83d', '\ud83d'))
    const prefixes = fc.oneof({ arbitrary: fc.constant(''), weight: 4 }, bound)
    const given = fc.tuple(fc.uniqueArray(text, { maxLength: 30 }), prefixes, bound, bound)
    fc.assert(
      fc.property(given, ([all, prefix, from, to]) => {
        const index = new KeyIndex(new KeyCodec('string'))
        for (const [row, key] of all.entries()) index.add(key, row)
        const found = [...index.within({ prefix, from, to })].map(([key]) => String(key))
        const isWithin = (key: string): boolean => {
          return key.startsWith(prefix) && key >= from && key <= to
        }
        const missing = all.filter((key) => isWithin(key) && !found.includes(key))
        assert.deepEqual(missing, [])
        // Half a character has no bytes, so it leaves out nothing.
        if (![prefix, from, to].every((each) => each.isWellFormed()) || to === '') return
        assert.deepEqual(found.toSorted(), all.filter(isWithin).toSorted())
      }),
      { numRuns: 1_000 },
    )
  })

  it('keeps a hundred thousand keys, and forgets them', () => {
    const index = new KeyIndex(new KeyCodec('int64'))
    const count = 100_000
    for (let i = 0; i < count; i++) index.add(BigInt(i - 50), i)
    for (let i = 0; i < count; i++) assert.equal(index.get(BigInt(i - 50)), i)
    assert.equal(index.get(-51n), undefined)
    for (let i = 0; i < count; i += 2) index.delete(BigInt(i - 50))
    assert.equal(index.size, count / 2)
    for (let i = 0; i < count; i++) {
      assert.equal(index.get(BigInt(i - 50)), i % 2 === 0 ? undefined : i)
    }
  })

  it('uses the bytes of deleted keys again', () => {
    const index = new KeyIndex(new KeyCodec('string'))
    const before = heldBytes()
    for (let i = 0; i < 300_000; i++) {
      index.add(`a key that is a hundred bytes long or so ${'.'.repeat(50)} ${i}`, i)
      if (i >= 100)
        index.delete(`a key that is a hundred bytes long or so ${'.'.repeat(50)} ${i - 100}`)
    }
    assert.equal(index.size, 100)
    const held = heldBytes() - before
    assert.ok(held < 10_000_000, `${held} bytes for 100 keys`)
  })

  it('takes a key longer than all before without being asked for it first', () => {
    const index = new KeyIndex(new KeyCodec('string'))
    index.add('z'.repeat(1000), 7)
    assert.equal(index.get('z'.repeat(1000)), 7)
  })

  it('holds nothing of a key that it is asked for: there is one for each window', () => {
    const codec = new KeyCodec('string')
    const indexes = Array.from({ length: 1_000 }, () => new KeyIndex(codec))
    const before = heldBytes()
    for (const index of indexes) assert.equal(index.get('x'.repeat(50_000)), undefined)
    const held = heldBytes() - before
    assert.ok(held < 5_000_000, `${held} bytes for nothing`)
    assert.equal(indexes.length, 1_000)
  })

  it('takes any row number of 32 bits', () => {
    const index = new KeyIndex(new KeyCodec('string'))
    for (const row of [0, 255, 65_536, 2 ** 31, 2 ** 32 - 1]) {
      index.add(`row ${row}`, row)
      assert.equal(index.get(`row ${row}`), row)
    }
  })
})

/** What arrays hold outside the heap, after a collection. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().arrayBuffers
}

function play(
  index: KeyIndex,
  map: Map<Key, number>,
  [what, key]: Step,
  row: number,
  asBytes: boolean,
): void {
  const bytes = utf8Bytes(`_${key}_`)
  const [start, end] = [1, bytes.length - 1]
  const found = asBytes ? index.getBytes(bytes, start, end) : index.get(key)
  assert.equal(found, map.get(key))
  if (what === 'add' && found === undefined) {
    if (asBytes) index.addBytes(bytes, start, end, row)
    else index.add(key, row)
    map.set(key, row)
  } else if (what === 'delete') {
    if (asBytes) index.deleteBytes(bytes, start, end)
    else index.delete(key)
    map.delete(key)
  }
}
