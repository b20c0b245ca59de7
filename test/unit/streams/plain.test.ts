/** The format of plain data: one form for each value, a clear no for everything else. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Writer, utf8Bytes } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { plainCodec } from '../../../src/streams/stores/plain.ts'

const lone = '\ud800x'

describe('plain data', () => {
  it('comes back as it was', () => {
    const value = {
      integers: [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, Number.MAX_SAFE_INTEGER],
      doubles: [-0, 0.1, NaN, Infinity, -Infinity, Number.MIN_VALUE],
      bigints: [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 63n, -(2n ** 200n)],
      dates: [new Date('2001-01-15T10:00:00Z'), new Date(-1), new Date(NaN)],
      bytes: [new Uint8Array(), new Uint8Array([0, 255])],
      texts: ['', 'é', '😀', '\ufeff', lone, 'x'.repeat(1000), 'ü'.repeat(1000)],
      none: [null, undefined, true, false],
      absent: undefined,
      marks: [{ $bigint: '1' }, { $date: 5 }, { $bytes: '' }, { toString: 1 }] as unknown[],
      keys: { '': 1, [lone]: 2, 'a b': 3, '10': 4, constructor: 5 },
      proto: JSON.parse('{"__proto__": {"a": 1}, "b": 2}') as unknown,
      bare: Object.assign(Object.create(null) as object, { a: 1 }),
      grouped: Object.groupBy([1, 2], (n) => (n % 2 === 0 ? '__proto__' : 'odd')),
    }
    assert.deepEqual(again(value), value)
    assert.ok(Object.is((again(value) as typeof value).doubles[0], -0))
    assert.deepEqual(Object.keys(again(value) as object), Object.keys(value))
  })

  it('comes back for any plain value, and has one form', () => {
    fc.assert(
      fc.property(plainValue, (value) => {
        const bytes = encode(value)
        const back = plainCodec.decode(bytes, 0, bytes.length)
        assert.deepEqual(back, value)
        assert.deepEqual(encode(back), bytes)
      }),
    )
  })

  it('has the same bytes only when it is the same', () => {
    const scalars = [null, undefined, false, true, 0, -0, NaN, '', 0n, 1, 1n, '1', lone, '\ufffdx']
    const numbers = [2 ** 63, 2n ** 63n, -(2n ** 63n), 2n ** 64n, new Date(1), new Date(NaN)]
    const lists = [new Uint8Array([1]), [1], [], [undefined], [null], [[]], [[], []]]
    const keyed = [{}, { 0: 1 }, { a: undefined }, { a: null }, { a: 1, b: 2 }, { b: 2, a: 1 }]
    const bare = Object.create(null) as unknown
    const values = [scalars, numbers, lists, keyed, { $date: 1 }, bare].flat()
    const forms = new Set(values.map((value) => encode(value).join()))
    assert.equal(forms.size, values.length)
  })

  it('has the same bytes each time, whatever was written in between', () => {
    const first = encode({ n: 1, sum: 2 })
    for (let i = 0; i < 2000; i++) encode({ [`key ${i}`]: i, sum: 1 })
    assert.deepEqual(encode({ n: 1, sum: 2 }), first)
  })

  it('holds bytes as bytes, a Buffer’s as well', () => {
    const back = again({ hash: Buffer.from('abc') }) as { hash: unknown }
    assert.equal(Object.getPrototypeOf(back.hash), Uint8Array.prototype)
    assert.deepEqual(back, { hash: utf8Bytes('abc') })
  })
})

describe('what is not plain data', () => {
  const holed: unknown[] = [1]
  holed[2] = 3
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  const cases: readonly (readonly [what: string, value: unknown, why: RegExp])[] = [
    ['a Map', { items: [0, 1, { when: new Map() }] }, /^\.items\[2\]\.when is a Map, which cannot/],
    ['a Set', { a: new Set() }, /^\.a is a Set/],
    ['a function', { a: () => 1 }, /^\.a is a function/],
    ['a toJSON', { a: { toJSON: () => 1 } }, /^\.a\.toJSON is a function/],
    ['a symbol', [Symbol('x')], /^\[0\] is a symbol/],
    ['a symbol as a key', { a: { [Symbol('x')]: 1 } }, /^\.a is an object with symbols as keys/],
    ['an instance', { 'a b': new (class Point {})() }, /^\["a b"\] is a Point/],
    ['an Array of another class', new (class List extends Array {})(), /^it is a List/],
    ['a Float32Array', new Float32Array(1), /^it is a Float32Array/],
    ['an ArrayBuffer', new ArrayBuffer(1), /^it is an ArrayBuffer/],
    ['a RegExp', { a: /x/ }, /^\.a is a RegExp/],
    ['an Error', { a: new Error('x') }, /^\.a is an Error/],
    ['a hole', { a: holed }, /^\.a\[1\] is a hole in an array/],
    ['a match', /x/.exec('x'), /^it is an array with properties of its own/],
    [
      'an accessor',
      {
        a: {
          get b() {
            return 1
          },
        },
      },
      /^\.a\.b is an accessor/,
    ],
    ['hidden', Object.defineProperty({}, 'a', { value: 1 }), /^it is an object with hidden/],
    ['a cycle', { cycle }, /^\.cycle\.self\.self.*… is more than 100 levels deep, or holds itself/],
    ['depth', nested(101), /^\[0\]\[0\].* is more than 100 levels deep/],
  ]
  for (const [what, value, why] of cases) {
    it(`is refused: ${what}`, () => {
      assert.throws(() => encode(value), {
        name: 'HeadwaterError',
        code: 'record-invalid',
        message: why,
      })
    })
  }

  it('does not spoil what is written after it', () => {
    assert.throws(() => encode([[new Map()]]))
    assert.deepEqual(again({ a: [1] }), { a: [1] })
  })

  it('may be a hundred levels deep', () => {
    assert.deepEqual(again(nested(100)), nested(100))
  })
})

describe('bytes that are not plain data', () => {
  const cases: readonly (readonly [what: string, bytes: readonly number[], why: RegExp])[] = [
    ['nothing', [], /not plain data of format plain\/1 \(it is empty/],
    [
      'JSON',
      [...utf8Bytes('{"a":1}')],
      /not plain data of format plain\/1 \(it begins with byte 123/,
    ],
    ['a tag of nobody', [0xc1, 99], /99 is no tag/],
    ['more than a value', [0xc1, 0, 0], /1 bytes follow its end/],
    ['a long array', [0xc1, 12, 0xff, 0xff, 0xff, 0xff, 0x0f], /ends early/],
    ['a long text', [0xc1, 8, 0xff, 0xff, 0xff, 0xff, 0x0f, 1], /ends early/],
    ['a size of more than 32 bits', [0xc1, 12, 0xff, 0xff, 0xff, 0xff, 0x10], /shortest form/],
    ['a padded size', [0xc1, 8, 0x80, 0], /shortest form/],
    ['a double that is whole', [0xc1, 5, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0], /whole number/],
    ['a NaN with a message', [0xc1, 5, 0x7f, 0xf8, 0, 0, 0, 0, 0, 1], /NaN of another form/],
    ['a small bigint', [0xc1, 7, 0, 1, 1], /bigint is not in its shortest form/],
    ['text that is not UTF-8', [0xc1, 8, 1, 0xff], /not UTF-8/],
    ['half a character', [0xc1, 9, 1, 0xd8], /not UTF-16/],
    ['wide text without need', [0xc1, 9, 2, 0, 0x61], /without need/],
    ['a date of no time', [0xc1, 10, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0], /0.5 is not a time/],
    ['a key twice', [0xc1, 13, 4, 2, 0x61, 2, 0x61, 0, 0], /keys twice or out of order/],
    [
      'number keys out of order',
      [0xc1, 13, 4, 2, 0x61, 2, 0x31, 0, 0],
      /keys twice or out of order/,
    ],
    ['a key that ends early', [0xc1, 13, 1, 4, 0], /ends early/],
    [
      'deep nesting',
      [0xc1, ...Array.from({ length: 300 }, () => [12, 1]).flat(), 0],
      /levels deep/,
    ],
  ]
  for (const [what, bytes, why] of cases) {
    it(`are refused: ${what}`, () => {
      assert.throws(() => plainCodec.decode(Uint8Array.from(bytes), 0, bytes.length), {
        code: 'record-invalid',
        message: why,
      })
    })
  }

  it('never hang or become a value of another form', () => {
    const start = fc.constantFrom(0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)
    const rest = fc.array(fc.oneof(fc.nat(14), fc.nat(255)), { maxLength: 40 })
    fc.assert(
      fc.property(start, rest, (tag, tail) => {
        const bytes = Uint8Array.from([0xc1, tag, ...tail])
        let value: unknown
        try {
          value = plainCodec.decode(bytes, 0, bytes.length)
        } catch (error) {
          assert.ok(isHeadwaterError(error, 'record-invalid'), String(error))
          return
        }
        assert.deepEqual(encode(value), bytes)
      }),
      { numRuns: 3000 },
    )
  })

  it('are refused wherever a good value is cut', () => {
    const bytes = encode({ a: [1, 'text', 5n, new Date(0)], b: { c: new Uint8Array(3), d: 0.5 } })
    for (let end = 0; end < bytes.length; end++) {
      assert.throws(() => plainCodec.decode(bytes, 0, end), { code: 'record-invalid' })
    }
  })
})

const plainValue = fc.anything({
  withBigInt: true,
  withDate: true,
  withNullPrototype: true,
  values: [
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('a', '\ud800', '\udc00', 'é') }),
    fc.bigInt(),
    fc.date({ noInvalidDate: false }),
    fc.uint8Array(),
  ],
  key: fc.oneof(fc.string(), fc.constantFrom('__proto__', '$bigint', '', '0', 'constructor')),
})

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = [value]
  return value
}

function encode(value: unknown): Uint8Array {
  const writer = new Writer()
  plainCodec.encode(value, writer)
  return writer.finish()
}

function again(value: unknown): unknown {
  const bytes = encode(value)
  return plainCodec.decode(bytes, 0, bytes.length)
}
