/**
 * Our codec against protobuf-es: the same bytes for the same message, the same message for the same bytes,
 * for every shape a field can have. The messages are made by fast-check from their descriptors.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ScalarType, create, equals, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescField, DescMessage, Message } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { Writer } from '../../../src/base/bytes.ts'
import { compileCodec } from '../../../src/schema/codec.ts'
import * as codecMessages from '../../gen/codec/v1/codec_pb.ts'
import { LegacySchema } from '../../gen/codec/v1/legacy_pb.ts'

const { FiveSchema, ScalarsSchema, ListsSchema, MapsSchema, ChangedSchema, TreeSchema } =
  codecMessages

const schemas: readonly DescMessage[] = [
  codecMessages.FiveSchema,
  codecMessages.ScalarsSchema,
  codecMessages.OptionalsSchema,
  codecMessages.ListsSchema,
  codecMessages.MapsSchema,
  codecMessages.ChoiceSchema,
  codecMessages.TreeSchema,
  codecMessages.WellKnownSchema,
  LegacySchema,
]

function encode(schema: DescMessage, message: unknown): Uint8Array {
  const writer = new Writer(8)
  compileCodec(schema).encode(message as Message, writer)
  return writer.finish().slice()
}

describe('the codec agrees with protobuf-es', () => {
  for (const schema of schemas) {
    test(`on the bytes of any ${schema.typeName}, from a message and from its initializer`, () => {
      fc.assert(
        fc.property(initOf(schema, 2), (init) => {
          const message = create(schema, init as never)
          const expected = toBinary(schema, message)
          assert.deepEqual(encode(schema, message), expected)
          assert.deepEqual(encode(schema, init), expected)
        }),
        { numRuns: 200 },
      )
    })

    test(`on the message in any bytes of ${schema.typeName}`, () => {
      fc.assert(
        fc.property(initOf(schema, 2), fc.nat(3), (init, shift) => {
          const bytes = toBinary(schema, create(schema, init as never))
          const shifted = new Uint8Array(bytes.length + shift + 2)
          shifted.fill(0xff)
          shifted.set(bytes, shift)
          const decoded = compileCodec(schema).decode(shifted, shift, shift + bytes.length)
          assert.deepEqual(decoded, fromBinary(schema, bytes))
        }),
        { numRuns: 200 },
      )
    })

    test(`on two ${schema.typeName} one after the other, which merge`, () => {
      fc.assert(
        fc.property(initOf(schema, 2), initOf(schema, 2), (first, second) => {
          const bytes = Buffer.concat([
            toBinary(schema, create(schema, first as never)),
            toBinary(schema, create(schema, second as never)),
          ])
          assert.deepEqual(compileCodec(schema).decode(bytes), fromBinary(schema, bytes))
        }),
        { numRuns: 100 },
      )
    })
  }
})

describe('bytes of another version of a schema', () => {
  test('keep unknown fields through decode and encode', () => {
    const writer = new Writer()
    const codec = compileCodec(FiveSchema)
    const newer = { distance: 7, more: { delay: 3, origin: 'ATL' } }
    const bytes = toBinary(ChangedSchema, create(ChangedSchema, { more: newer.more }))
    const read = codec.decode(bytes)
    assert.deepEqual(
      read.$unknown?.map((field) => field.no),
      [6],
    )
    codec.encode(read, writer)
    assert.deepEqual(fromBinary(ChangedSchema, writer.finish()).more?.origin, 'ATL')
  })

  test('keep a field of another wire type as unknown, where protobuf-es throws or misreads', () => {
    const changed = { at: 5, delay: 'late', distance: 1.5, origin: 9n, destination: [1, 2] }
    const bytes = toBinary(ChangedSchema, create(ChangedSchema, changed))
    const read = compileCodec(FiveSchema).decode(bytes)
    assert.equal(read.at, undefined)
    assert.equal(read.delay, 0)
    assert.equal(read.distance, 0)
    assert.equal(read.origin, '')
    assert.deepEqual(
      read.$unknown?.map((field) => [field.no, field.wireType]),
      [
        [1, 0],
        [2, 2],
        [3, 1],
        [4, 0],
      ],
    )
    const again = fromBinary(ChangedSchema, encode(FiveSchema, read))
    assert.deepEqual([again.at, again.delay, again.distance, again.origin], [5, 'late', 1.5, 9n])
  })
})

describe('the wire format allows', () => {
  test('a list of numbers packed or one by one, whatever the schema says', () => {
    const packed = Uint8Array.of(0x92, 0x01, 3, 1, 2, 3)
    const single = Uint8Array.of(0x18, 1, 0x18, 2, 0x1a, 2, 3, 4)
    const codec = compileCodec(ListsSchema)
    assert.deepEqual(codec.decode(packed).unpacked, [1, 2, 3])
    assert.deepEqual(codec.decode(single).int32s, [1, 2, 3, 4])
  })

  test('a number that a closed enum does not name, which is kept as unknown', () => {
    const bytes = Uint8Array.of(0x0a, 1, 0x61, 0x20, 9)
    const read = compileCodec(LegacySchema).decode(bytes)
    assert.deepEqual(read, fromBinary(LegacySchema, bytes))
    assert.equal(read.closed, 3)
    assert.deepEqual(encode(LegacySchema, read), bytes)
  })

  test('unknown groups, which are kept whole', () => {
    const bytes = Uint8Array.of(0x53, 0x08, 1, 0x5b, 0x5c, 0x12, 1, 0x41, 0x54)
    assert.deepEqual(encode(FiveSchema, compileCodec(FiveSchema).decode(bytes)), bytes)
  })

  test('map entries without key or value, and a key that is a name of every object', () => {
    const bytes = Uint8Array.of(0x0a, 0, 0x12, 0, 0x0a, 11, 0x0a, 9, ...Buffer.from('__proto__'))
    const read = compileCodec(MapsSchema).decode(bytes)
    assert.deepEqual(read, fromBinary(MapsSchema, bytes))
    assert.deepEqual(Object.keys(read.texts), ['', '__proto__'])
    assert.deepEqual(Object.keys(read.fives), ['0'])
  })

  test('a last scalar to win and a negative zero to be told from zero', () => {
    const read = compileCodec(FiveSchema).decode(Uint8Array.of(0x10, 1, 0x10, 2))
    assert.equal(read.delay, 2)
    assert.equal(encode(ScalarsSchema, { doubleField: -0 }).length, 9)
    assert.equal(encode(ScalarsSchema, { doubleField: 0 }).length, 0)
  })
})

describe('bytes that are no message', () => {
  test('are refused as record-invalid wherever they are cut, and never read past their end', () => {
    const whole = toBinary(
      TreeSchema,
      create(TreeSchema, { name: 'ä root', left: { name: 'left', children: [{ name: 'x' }] } }),
    )
    for (let end = 0; end <= whole.length; end++) {
      try {
        compileCodec(TreeSchema).decode(whole, 0, end)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'record-invalid', String(error))
      }
    }
  })

  test('never fail in another way than record-invalid, whatever they are', () => {
    for (const schema of schemas) {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
          try {
            compileCodec(schema).decode(bytes)
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'record-invalid', String(error))
          }
        }),
        { numRuns: 300 },
      )
    }
  })

  test('or are one that survives writing and reading again', () => {
    for (const schema of schemas) {
      const codec = compileCodec(schema)
      fc.assert(
        fc.property(initOf(schema, 2), fc.nat(), fc.nat(255), (init, at, byte) => {
          const bytes = toBinary(schema, create(schema, init as never))
          if (bytes.length > 0) bytes[at % bytes.length] = byte
          let read: Message
          try {
            read = codec.decode(bytes)
          } catch {
            return
          }
          if (schema === LegacySchema && !Object.hasOwn(read, 'id')) return
          assert.deepEqual(codec.decode(encode(schema, read)), read)
        }),
        { numRuns: 300 },
      )
    }
  })

  test('say which message and why', () => {
    const refusals: readonly (readonly [bytes: number[], why: RegExp])[] = [
      [[0x22, 9, 65], /no codec\.v1\.Five: 9 bytes are announced and 1 left/],
      [[0x22, 2, 0xc3, 0x28], /a string is no UTF-8/],
      [[0x10, ...Array<number>(11).fill(0xff)], /a varint is longer than ten bytes/],
      [[0x02, 0], /the number 0/],
      [[0x27], /wire type 7/],
      [[0x33, 0x3c], /group 6 ends as group 7/],
      [[0x33], /group 6 does not end/],
    ]
    for (const [bytes, why] of refusals) {
      assert.throws(() => compileCodec(FiveSchema).decode(Uint8Array.from(bytes)), why)
    }
  })

  test('are refused when messages nest more than 100 deep', () => {
    let bytes: Uint8Array = new Uint8Array(0)
    for (let depth = 0; depth < 99; depth++) bytes = encodeLeft(bytes)
    compileCodec(TreeSchema).decode(bytes)
    assert.throws(() => compileCodec(TreeSchema).decode(encodeLeft(bytes)), /100 deep/)
  })
})

describe('values that a field cannot hold', () => {
  const refused: readonly (readonly [init: object, why: RegExp])[] = [
    [{ int32Field: 1.5 }, /codec\.v1\.Scalars\.int32_field is 1\.5, which is not a whole number/],
    [{ int32Field: 2 ** 31 }, /int32_field is 2147483648/],
    [{ uint32Field: -1 }, /uint32_field is -1/],
    [{ int64Field: 2n ** 63n }, /int64_field is 9223372036854775808/],
    [{ uint64Field: -1n }, /uint64_field is -1/],
    [{ floatField: 1e300 }, /float_field is 1e\+300/],
    [{ stringField: 5 }, /string_field is 5, which is not a string/],
    [{ boolField: 1 }, /bool_field is 1, which is not a boolean/],
    [{ bytesField: [1] }, /bytes_field is 1, which is not a Uint8Array/],
    [{ colorField: 'RED' }, /color_field is 'RED'/],
  ]
  for (const [init, why] of refused) {
    test(`are refused: ${Object.entries(init).join()}`, () => {
      assert.throws(() => encode(ScalarsSchema, init), { name: 'HeadwaterError', message: why })
    })
  }

  test('are refused when a message is of another type', () => {
    assert.throws(
      () => encode(ScalarsSchema, create(FiveSchema)),
      /a message codec\.v1\.Five was given where codec\.v1\.Scalars is wanted/,
    )
  })

  test('are refused when a required field is missing', () => {
    assert.throws(() => encode(LegacySchema, {}), /codec\.v1\.Legacy\.id is required and not set/)
  })
})

test('decoded messages are protobuf-es messages', () => {
  const message = create(FiveSchema, { at: { seconds: 5n, nanos: 6 }, origin: 'ATL' })
  const decoded = compileCodec(FiveSchema).decode(toBinary(FiveSchema, message))
  assert.equal(decoded.$typeName, 'codec.v1.Five')
  assert.ok(equals(FiveSchema, decoded, message))
})

test('bytes fields are copies, so that a small value does not keep a batch alive', () => {
  const bytes = encode(ScalarsSchema, { bytesField: Uint8Array.of(1, 2, 3) })
  const decoded = compileCodec(ScalarsSchema).decode(bytes)
  bytes.fill(0)
  assert.deepEqual(decoded.bytesField, Uint8Array.of(1, 2, 3))
})

function encodeLeft(inner: Uint8Array): Uint8Array {
  const writer = new Writer()
  writer.uint8(0x12)
  writer.uvarint(inner.length)
  writer.append(inner)
  return writer.finish()
}

/** Any initializer of a message, nested `depth` deep. */
function initOf(schema: DescMessage, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const model: Record<string, fc.Arbitrary<unknown>> = {}
  const required: string[] = []
  for (const member of schema.members) {
    if (member.kind === 'oneof') {
      const cases = member.fields.filter((field) => depth > 0 || field.fieldKind !== 'message')
      model[member.localName] = fc.oneof(
        ...cases.map((field) =>
          valueOf(field, depth).map((value) => ({ case: field.localName, value })),
        ),
      )
    } else if (depth > 0 || !('message' in member && member.message !== undefined)) {
      model[member.localName] = valueOf(member, depth)
      if (member.presence === 3) required.push(member.localName)
    }
  }
  return fc.record(model, { requiredKeys: required })
}

function valueOf(field: DescField, depth: number): fc.Arbitrary<unknown> {
  switch (field.fieldKind) {
    case 'scalar':
      return scalarOf(field.scalar, field.longAsString)
    case 'enum':
      return fc.constantFrom(...field.enum.values.map((value) => value.number))
    case 'message':
      return messageOf(field, field.message, depth)
    case 'list':
      return fc.array(
        field.listKind === 'message'
          ? messageOf(field, field.message, depth)
          : field.listKind === 'enum'
            ? fc.constantFrom(...field.enum.values.map((value) => value.number))
            : scalarOf(field.scalar, field.longAsString),
        { maxLength: 4 },
      )
    case 'map': {
      const value =
        field.mapKind === 'message'
          ? messageOf(field, field.message, depth)
          : field.mapKind === 'enum'
            ? fc.constantFrom(...field.enum.values.map((enumValue) => enumValue.number))
            : scalarOf(field.scalar, false)
      const key = scalarOf(field.mapKey, false).map(String)
      return fc
        .array(fc.tuple(key, value), { maxLength: 4 })
        .map((entries) => Object.fromEntries(entries))
    }
  }
}

function messageOf(field: DescField, schema: DescMessage, depth: number): fc.Arbitrary<unknown> {
  const single = field.fieldKind === 'message' && !field.oneof
  switch (schema.typeName) {
    case 'google.protobuf.Struct':
      return fc.dictionary(fc.string({ maxLength: 4 }), jsonOf, { maxKeys: 3 })
    case 'google.protobuf.StringValue':
    case 'google.protobuf.Int64Value':
    case 'google.protobuf.BytesValue':
    case 'google.protobuf.BoolValue':
      if (single) return scalarOf(schema.fields[0]!.scalar!, false)
      break
    case 'google.protobuf.Value':
      return fc.oneof(
        fc.double({ noNaN: true }).map((value) => ({ kind: { case: 'numberValue', value } })),
        fc.string().map((value) => ({ kind: { case: 'stringValue', value } })),
        fc.constant({ kind: { case: 'structValue', value: { fields: {} } } }),
      )
  }
  return initOf(schema, depth - 1)
}

const jsonOf: fc.Arbitrary<unknown> = fc
  .jsonValue({ maxDepth: 2 })
  .map((value) => JSON.parse(JSON.stringify(value).replaceAll('-0', '0')) as unknown)

const text = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: 'binary', maxLength: 80 }))

function scalarOf(type: ScalarType, asText: boolean): fc.Arbitrary<unknown> {
  const long = (min: bigint, max: bigint): fc.Arbitrary<unknown> => {
    const edges = [min, max, 0n, 127n, 128n, 2n ** 28n, 2n ** 32n, 2n ** 53n]
    const any = fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(...edges))
    return asText ? any.map(String) : any
  }
  switch (type) {
    case ScalarType.STRING:
      return text
    case ScalarType.BOOL:
      return fc.boolean()
    case ScalarType.DOUBLE:
      return fc.double()
    case ScalarType.FLOAT:
      return fc.float()
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 200 })
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return fc.oneof(fc.integer(), fc.constantFrom(0, -1, 127, 128, 2 ** 31 - 1, -(2 ** 31)))
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.oneof(fc.nat(), fc.constantFrom(0, 127, 128, 2 ** 31, 2 ** 32 - 1))
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return long(-(2n ** 63n), 2n ** 63n - 1n)
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return long(0n, 2n ** 64n - 1n)
  }
}
