import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { base64Encode } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { utf8Bytes, Writer } from '../../../src/base/bytes.ts'
import { crc32c } from '../../../src/base/checksum.ts'
import { plainCodec } from '../../../src/streams/stores/plain.ts'
import {
  cursorKeyMax,
  cursorSkipMax,
  placeAfter,
  readCursor,
  writeCursor,
} from '../../../src/streams/views/cursor.ts'
import { firstRows } from '../../../src/streams/views/rows.ts'
import type { RowPlace } from '../../../src/streams/views/rows.ts'
import type { ReadableStore, RowKey } from '../../../src/streams/stores/store.ts'
import { urlCharsMax } from '../../../src/query/target.ts'

const listing = { service: 'board', view: 'orders', signature: 'count n 1', prefix: '' }

describe('pages over rows', () => {
  const key = fc.oneof(
    fc.string({ maxLength: 3 }),
    fc.constantFrom('a'.repeat(cursorKeyMax), 'a'.repeat(cursorKeyMax - 1), 'a'.repeat(9_000)),
    fc.nat(30).map((n) => 'a'.repeat(cursorKeyMax) + String(n)),
  )
  const rowKeys = fc.uniqueArray(
    fc.record({ key, start: fc.option(fc.integer({ min: -3, max: 3 }), { nil: undefined }) }),
    { selector: ({ key, start }) => `${start ?? 0} ${key}`, maxLength: 60 },
  )

  it('give every row once and in order, whatever the keys, the windows and the page size', () => {
    fc.assert(
      fc.property(rowKeys, fc.integer({ min: 1, max: 7 }), fc.nat(2), (keys, limit, prefixSize) => {
        const prefix = 'a'.repeat(prefixSize)
        const half = keys.length >> 1
        const stores = [storeOf(keys.slice(0, half)), storeOf(keys.slice(half))]
        const expected = keys
          .filter(({ key }) => key.startsWith(prefix))
          .toSorted((a, b) => {
            if (a.key !== b.key) return a.key < b.key ? -1 : 1
            return (a.start ?? 0) - (b.start ?? 0)
          })
        const given = allPages(() => stores, prefix, limit)
        assert.deepEqual(given.map(nameOf), expected.map(nameOf))
      }),
      { numRuns: 300 },
    )
  })

  it('give a row that stays exactly once while others come and go', () => {
    fc.assert(
      fc.property(rowKeys, rowKeys, fc.integer({ min: 1, max: 5 }), (stay, come, limit) => {
        const staying = new Set(stay.map(nameOf))
        const coming = come.filter((row) => !staying.has(nameOf(row)) && row.key.length < 99)
        let page = 0
        const rows = () => [storeOf([...stay, ...coming.filter((_, n) => (n + page++) % 2 === 0)])]
        const given = allPages(rows, '', limit).map(nameOf)
        assert.deepEqual(
          given.filter((name) => staying.has(name)).toSorted(),
          [...staying].toSorted(),
        )
      }),
    )
  })

  it('look at many rows and keep few', () => {
    const rows = Array.from({ length: 50_000 }, (_, n) => ({
      key: String((n * 7_919) % 50_000).padStart(5, '0'),
      start: undefined,
    }))
    const found = firstRows([storeOf(rows)], { prefix: '', place: undefined, limit: 3 })
    assert.deepEqual(
      found.map(({ text }) => text),
      ['00000', '00001', '00002'],
    )
  })
})

describe('a cursor', () => {
  const place: RowPlace = { text: 'o-1 ü\uD800', start: -5, skip: undefined }

  it('comes back as the place it was, in characters that URLs leave alone', () => {
    const cursor = writeCursor(listing, place)
    assert.match(cursor, /^[\w-]+$/)
    assert.deepEqual(readCursor(listing, cursor), place)
  })

  it('fits into a URL however long the key is', () => {
    const rows = [{ key: '\u20AC'.repeat(300_000), value: 1 }]
    const cursor = writeCursor(listing, placeAfter(rows, undefined, listing)!)
    assert.ok(cursor.length < urlCharsMax / 2, `${cursor.length}`)
  })

  it('fits into a URL beside its prefix, however long that may be there', () => {
    for (const [prefix, rest] of [
      ['\u20AC'.repeat(5_000), 300],
      ['\u20AC'.repeat(5_000), 5],
      ['p'.repeat(60_000), 9_000],
      ['/'.repeat(20_000), 9_000],
    ] as const) {
      const key = prefix + '\u20AC'.repeat(rest)
      const own = { ...listing, prefix }
      const cursor = writeCursor(own, placeAfter([{ key }], undefined, own)!)
      const url = `http://127.0.0.1:8092/v1/board/orders?limit=10000&prefix=${encodeURIComponent(prefix)}`
      assert.ok(`${url}&cursor=${cursor}`.length < urlCharsMax, `${cursor.length}`)
      const { text } = readCursor(own, cursor)
      assert.ok(key.startsWith(text) && text.length >= Math.min(key.length, prefix.length + 256))
    }
  })

  it('of another listing, of another version or with a changed letter is refused by name', () => {
    const cursor = writeCursor({ ...listing, prefix: 'o-' }, place)
    const own = { ...listing, prefix: 'o-' }
    assert.deepEqual(readCursor(own, cursor), place)
    for (const [other, why] of [
      [{ service: 'shop' }, /is one of view 'orders' of service 'board'/],
      [{ view: 'totals' }, /is one of view 'orders' of service 'board'/],
      [{ signature: 'count n 2' }, /is of another version of the service/],
      [{ prefix: '' }, /another prefix than ''/],
      [{ prefix: 'o-1' }, /another prefix than 'o-1'/],
      [{ prefix: 'x-' }, /another prefix than 'x-'/],
    ] as const) {
      const refused = { code: 'input-invalid', message: why }
      assert.throws(() => readCursor({ ...own, ...other }, cursor), refused)
    }
    const changed = { code: 'input-invalid', message: /none that was given out here/ }
    for (let at = 0; at < cursor.length; at++) {
      for (const letter of ['A', '_', '=', ' ', '%', 'é']) {
        if (cursor[at] === letter) continue
        const broken = cursor.slice(0, at) + letter + cursor.slice(at + 1)
        // The last letter has bits that stand for nothing.
        if (at === cursor.length - 1 && /[\w-]/.test(letter)) continue
        assert.throws(() => readCursor(own, broken), changed, `${letter} at ${at}`)
      }
    }
    for (const broken of ['', 'x', cursor.slice(1), cursor.slice(0, -4), cursor + cursor]) {
      assert.throws(() => readCursor(own, broken), changed, broken)
    }
  })

  const sumOfNoPrefix = crc32c(utf8Bytes('""'))
  const parts = ['board', 'orders', 'count n 1', sumOfNoPrefix, 'o-1', 5, 0]
  const odd = [undefined, null, true, { toString: 1 }, ['x'], 1n, new Date(0), Uint8Array.of(1)]
  const noTexts = [...odd, 7]
  const noNumbers = [...odd, '7', 0.5, NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 53)]
  const wrong: readonly (readonly [what: string, at: number, values: readonly unknown[]])[] = [
    ['service', 0, noTexts],
    ['view', 1, noTexts],
    ['signature', 2, noTexts],
    ['text', 4, noTexts],
    ['start', 5, noNumbers.filter((value) => value !== undefined)],
    ['skip', 6, [...noNumbers.filter((value) => value !== undefined), -1, -3]],
  ]

  for (const [what, at, values] of wrong) {
    it(`that somebody made up is refused: another ${what} than there can be`, () => {
      assert.deepEqual(readCursor(listing, sealed(parts)), { text: 'o-1', start: 5, skip: 0 })
      for (const value of values) {
        const forged = sealed(parts.with(at, value as string))
        const refused = { code: 'input-invalid', message: /none that was given out here/ }
        assert.throws(() => readCursor(listing, forged), refused, String(typeof value))
      }
    })
  }

  it('that somebody made up is refused: of another prefix, or other parts', () => {
    for (const value of noNumbers) {
      assert.throws(() => readCursor(listing, sealed(parts.with(3, value as number))), {
        code: 'input-invalid',
      })
    }
    for (const forged of [undefined, 'x', {}, [], parts.slice(1), [...parts, 0]]) {
      assert.throws(() => readCursor(listing, sealed(forged)), {
        code: 'input-invalid',
        message: /none that was given out here/,
      })
    }
  })

  it('counts so many rows and no more', () => {
    const counting = (skip: number): string => writeCursor(listing, { ...place, skip })
    assert.equal(readCursor(listing, counting(cursorSkipMax)).skip, cursorSkipMax)
    for (const skip of [cursorSkipMax + 1, 1e9, Number.MAX_SAFE_INTEGER]) {
      assert.throws(() => readCursor(listing, counting(skip)), {
        code: 'input-invalid',
        message: new RegExp(`counts ${skip} rows .* most ${cursorSkipMax} are .* longer prefixes`),
      })
    }
  })
})

/** What anybody can make who knows how cursors are sealed. */
function sealed(parts: unknown): string {
  const writer = new Writer()
  plainCodec.encode(parts, writer)
  const bytes = writer.finish()
  const whole = new Uint8Array(bytes.length + 4)
  whole.set(bytes)
  new DataView(whole.buffer).setUint32(bytes.length, crc32c(bytes))
  return base64Encode(whole, 'url')
}

function allPages(
  stores: () => ReadableStore[],
  prefix: string,
  limit: number,
): { key: string; start: number | undefined }[] {
  const given: { key: string; start: number | undefined }[] = []
  let place: RowPlace | undefined
  for (;;) {
    const rows = firstRows(stores(), { prefix, place, limit: limit + 1 })
    const page = rows.slice(0, limit)
    for (const { text, start } of page) given.push({ key: text, start })
    if (rows.length <= limit) return given
    const shown = page.map(({ key, start }) => ({ key, windowStart: start!, value: 0 }))
    const next = placeAfter(shown, place, { prefix })
    place = readCursor({ ...listing, prefix }, writeCursor({ ...listing, prefix }, next!))
  }
}

function nameOf({ key, start }: { key: string; start: number | undefined }): string {
  return `${start ?? 0} ${key}`
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
