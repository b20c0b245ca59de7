/** Contracts as the generated descriptors carry them, and each contract that cannot hold. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DescMessage } from '@bufbuild/protobuf'
import { readContract } from '../../../src/schema/descriptor.ts'
import * as broken from '../../gen/shop/v1/broken_pb.ts'
import {
  AddressSchema,
  OrderSchema,
  PaymentSchema,
  VisitSchema,
} from '../../gen/shop/v1/shop_pb.ts'

describe('a contract', () => {
  test('of an entity stream names its key and its event time', () => {
    const contract = readContract(OrderSchema)
    assert.equal(contract.stream, 'orders')
    assert.equal(contract.kind, 'entity')
    assert.equal(contract.key?.localName, 'orderId')
    assert.equal(contract.owner, 'checkout')
    assert.equal(contract.context, 'ordering')
    assert.equal(contract.eventTime?.localName, 'placedAt')
    assert.equal(contract.keyspace, '')
  })

  test('may name its keyspace', () => {
    assert.equal(readContract(broken.NamedKeyspaceSchema).keyspace, 'Named')
  })

  test('of a keyed stream may have an int64 of milliseconds as event time', () => {
    assert.equal(readContract(PaymentSchema).eventTime?.localName, 'paidAt')
  })

  test('of an unkeyed stream has no key and may say how many partitions', () => {
    const contract = readContract(VisitSchema)
    assert.equal(contract.kind, 'unkeyed')
    assert.equal(contract.key, undefined)
    assert.equal(contract.eventTime, undefined)
    assert.equal(contract.partitions, 3)
  })

  const refused: readonly (readonly [schema: DescMessage, why: RegExp])[] = [
    [AddressSchema, /shop\.v1\.Address is not the value of a stream: give it option/],
    [
      broken.NoKindSchema,
      /NoKind has no kind: write KIND_UNKEYED, KIND_KEYED, KIND_ENTITY or KIND_COMMAND in/,
    ],
    [broken.NoOwnerSchema, /NoOwner has no owner in its stream option: write one/],
    [broken.NoKeySchema, /NoKey is entity but names no key field/],
    [
      broken.KeyNowhereSchema,
      /KeyNowhere names the key 'nowhere', which is none of its fields: id/,
    ],
    [broken.KeyOfUnkeyedSchema, /KeyOfUnkeyed is unkeyed and yet names a key, 'id'/],
    [broken.KeyspaceOfUnkeyedSchema, /KeyspaceOfUnkeyed is unkeyed and yet names a keyspace, 'Id'/],
    [broken.KeyIsDoubleSchema, /KeyIsDouble has the key 'id', but a key is one string or 64-bit/],
    [broken.BadNameSchema, /BadName names its stream 'two words', which is no topic name/],
    [broken.TwoTimesSchema, /TwoTimes has two event times, 'a' and 'b': keep one/],
    [
      broken.TimeIsTextSchema,
      /TimeIsText has the event time 'a', which must be a google\.protobuf/,
    ],
  ]
  for (const [schema, why] of refused) {
    test(`is refused: ${schema.name}`, () => {
      assert.throws(() => readContract(schema), { code: 'contract-invalid', message: why })
    })
  }
})
