/** The values by which types are judged are enough: where none of them is misread, no value is. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { ScalarType } from '@bufbuild/protobuf'
import type { DescField } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { misread, misreading } from '../../../src/evolution/reading.ts'
import { compiled } from '../codegen/contracts.ts'

const int32 = fc.integer()
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  int32,
  sint32: int32,
  sfixed32: int32,
  uint32,
  fixed32: uint32,
  int64,
  sint64: int64,
  sfixed64: int64,
  uint64,
  fixed64: uint64,
  bool: fc.boolean(),
  float: fc.float({ noNaN: true }),
  double: fc.double({ noNaN: true }),
  string: fc.string({ unit: 'grapheme' }),
  bytes: fc.uint8Array(),
}
const names = Object.keys(values)

let fields: ReadonlyMap<string, DescField>
before(async () => {
  const messages = names.map((name) => `message M_${name} { optional ${name} x = 1; }`)
  const files = await compiled({ 'm.proto': `syntax = "proto3"; package m; ${messages.join(' ')}` })
  fields = new Map(
    files[0]!.messages.map(({ fields: [field] }) => [ScalarType[field!.scalar!], field!]),
  )
})

const fieldOf = (name: string): DescField => fields.get(name.toUpperCase())!

/** What can be read as another type without losing anything, besides itself. */
const wider: readonly string[] = [
  'bool int32',
  'bool int64',
  'bool uint32',
  'bool uint64',
  'int32 int64',
  'uint32 int64',
  'uint32 uint64',
  'sint32 sint64',
  'string bytes',
]

describe('of two scalar types', () => {
  test('those that can be read as another are known, and no others', () => {
    const found = names.flatMap((writer) =>
      names
        .filter((reader) => reader !== writer)
        .filter((reader) => misreading(fieldOf(writer), fieldOf(reader)) === undefined)
        .map((reader) => `${writer} ${reader}`),
    )
    assert.deepEqual(found.toSorted(), wider.toSorted())
  })

  for (const pair of wider) {
    test(`${pair}: no value is misread`, () => {
      const [writer = '', reader = ''] = pair.split(' ')
      const read = (value: unknown) => misread(fieldOf(writer), fieldOf(reader), [value])
      fc.assert(fc.property(values[writer]!, (value) => assert.equal(read(value), undefined)))
    })
  }

  test('what is misread says both, as each version has it', () => {
    assert.deepEqual(misreading(fieldOf('int32'), fieldOf('uint32')), {
      written: 'x: -5',
      read: 'x: 4294967291',
    })
    assert.deepEqual(misreading(fieldOf('int32'), fieldOf('sint32')), {
      written: 'x: -5',
      read: 'x: -2147483646',
    })
    assert.deepEqual(misreading(fieldOf('string'), fieldOf('int32')), {
      written: 'x: "text"',
      read: 'x not set',
    })
    assert.deepEqual(misreading(fieldOf('bytes'), fieldOf('string')), {
      written: 'x: 0xff00fe',
      read: 'an event that cannot be read at all',
    })
  })
})
