import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  Reader,
  Writer,
  adjoined,
  concatBytes,
  equalBytes,
  utf8Bytes,
} from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'

const safeIntegers = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })

describe('a reader', () => {
  it('reads back every integer a writer wrote', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.nat(),
        safeIntegers,
        fc.double({ noNaN: true }),
        (a, b, c, d) => {
          const writer = new Writer(1)
          writer.int32(a)
          writer.varint(a)
          writer.uvarint(b)
          writer.int64(c)
          writer.varlong(c)
          writer.float64(d)
          const reader = new Reader(writer.finish())
          assert.equal(reader.int32(), a)
          assert.equal(reader.varint(), a)
          assert.equal(reader.uvarint(), b)
          assert.equal(reader.int64(), c)
          assert.equal(reader.varlong(), c)
          assert.equal(reader.float64(), d)
          assert.equal(reader.remaining, 0)
        },
      ),
    )
  })

  it('writes zigzag varints as the record format wants them', () => {
    const cases: readonly (readonly [number, number[]])[] = [
      [0, [0]],
      [-1, [1]],
      [1, [2]],
      [63, [126]],
      [-64, [127]],
      [64, [0x80, 1]],
      [2147483647, [0xfe, 0xff, 0xff, 0xff, 0x0f]],
      [-2147483648, [0xff, 0xff, 0xff, 0xff, 0x0f]],
    ]
    for (const [value, bytes] of cases) {
      const varint = new Writer()
      varint.varint(value)
      assert.deepEqual([...varint.finish()], bytes)
      const varlong = new Writer()
      varlong.varlong(value)
      assert.deepEqual([...varlong.finish()], bytes)
    }
  })

  it('reads the smallest 64-bit integer, as large as a double can tell', () => {
    const bytes = new Uint8Array(8)
    bytes[0] = 0x80
    assert.equal(new Reader(bytes).int64(), -(2 ** 63))
  })

  it('never reads past its end', () => {
    const reader = new Reader(utf8Bytes('abcdef'), 0, 3)
    reader.skip(2)
    assert.throws(
      () => reader.int32(),
      (error) => isHeadwaterError(error, 'frame-invalid'),
    )
    assert.throws(
      () => reader.slice(-1),
      (error) => isHeadwaterError(error, 'frame-invalid'),
    )
  })

  it('refuses a varint that never ends', () => {
    const endless = new Uint8Array(16).fill(0xff)
    for (const read of ['uvarint', 'varint', 'varlong'] as const) {
      assert.throws(
        () => new Reader(endless)[read](),
        (e) => isHeadwaterError(e, 'frame-invalid'),
      )
    }
  })
})

describe('bytes', () => {
  it('concatenate in order and compare by content', () => {
    const whole = concatBytes([utf8Bytes('head'), utf8Bytes(''), utf8Bytes('water')])
    assert.ok(equalBytes(whole, utf8Bytes('headwater')))
    assert.ok(!equalBytes(whole, utf8Bytes('headwatex')))
    assert.ok(!equalBytes(whole, utf8Bytes('head')))
  })
})

describe('adjoined', () => {
  it('makes one view of neighbours in one buffer, and changes no byte', () => {
    const whole = Uint8Array.from({ length: 20 }, (_, at) => at)
    const cut = (from: number, to: number) => whole.subarray(from, to)
    const other = Uint8Array.of(10, 11)
    const views = [cut(0, 4), cut(4, 10), other, cut(10, 12), cut(14, 16), cut(16, 20)]
    const joined = adjoined(views)
    assert.deepEqual(joined, [cut(0, 10), other, cut(10, 12), cut(14, 20)])
    assert.equal(adjoined([other])[0], other)
  })
})
