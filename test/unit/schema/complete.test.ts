import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import type { DescMessage } from '@bufbuild/protobuf'
import { completeCheckOf } from '../../../src/schema/complete.ts'
import {
  ChoiceSchema,
  FiveSchema,
  ListsSchema,
  MapsSchema,
  OptionalsSchema,
  ScalarsSchema,
} from '../../gen/codec/v1/codec_pb.ts'
import { OrderSchema } from '../../gen/shop/v1/shop_pb.ts'

const order = { orderId: 'o', customerId: 'c', address: 'a', total: 0 }

function wrong(schema: DescMessage, message: unknown): string | undefined {
  return completeCheckOf(schema)(message)
}

test('a message is whole when all its fields are there, be they their defaults', () => {
  assert.equal(wrong(OrderSchema, order), undefined)
  assert.equal(wrong(OrderSchema, { ...order, placedAt: undefined }), undefined)
  assert.equal(wrong(OrderSchema, { ...order, placedAt: { seconds: 0n, nanos: 0 } }), undefined)
  for (const schema of [ScalarsSchema, ListsSchema, MapsSchema, ChoiceSchema, FiveSchema]) {
    assert.equal(wrong(schema, create(schema)), undefined, schema.typeName)
  }
})

test('a field that is missing, undefined or null is named, inside of messages, too', () => {
  for (const total of [undefined, null]) {
    assert.equal(wrong(OrderSchema, { ...order, total }), "field 'total' is missing")
  }
  const at = { seconds: 1n }
  assert.equal(wrong(OrderSchema, { ...order, placedAt: at }), "field 'placedAt.nanos' is missing")
  assert.equal(
    wrong(OrderSchema, { ...order, placedAt: new Date() }),
    "field 'placedAt' is a Date and no google.protobuf.Timestamp: timestampFromDate makes one of it",
  )
  const five = { delay: 1, distance: 1, origin: '' }
  assert.equal(
    wrong(ListsSchema, { ...create(ListsSchema), fives: [create(FiveSchema), five] }),
    "field 'fives.1.destination' is missing",
  )
  assert.equal(
    wrong(MapsSchema, { ...create(MapsSchema), fives: { 7: five } }),
    "field 'fives.7.destination' is missing",
  )
})

test('only what is optional, or a message, may be left out', () => {
  assert.equal(wrong(OptionalsSchema, {}), undefined)
  assert.match(wrong(ListsSchema, {})!, /^field 'doubles' is missing$/)
  assert.match(wrong(MapsSchema, {})!, /^field 'texts' is missing$/)
  assert.match(wrong(ScalarsSchema, {})!, /^field 'doubleField' is missing$/)
})

test('what is no field is named with the message it is in', () => {
  assert.equal(wrong(OrderSchema, { ...order, tax: 1 }), "'tax' is no field of shop.v1.Order")
  assert.equal(
    wrong(OptionalsSchema, { fiveField: { ...create(FiveSchema), six: 6 } }),
    "'fiveField.six' is no field of codec.v1.Five",
  )
  const unknown = { $typeName: 'shop.v1.Order', $unknown: [] }
  assert.equal(wrong(OrderSchema, { ...order, ...unknown }), undefined)
})

test('what is no object is no message', () => {
  assert.equal(wrong(OrderSchema, undefined), 'the message is undefined and no shop.v1.Order')
  assert.equal(wrong(OrderSchema, null), 'the message is null and no shop.v1.Order')
  assert.equal(
    wrong(OrderSchema, { ...order, placedAt: 5 }),
    "field 'placedAt' is 5 and no google.protobuf.Timestamp",
  )
})

test('a oneof is there, and has one of its cases or none', () => {
  const choice = create(ChoiceSchema)
  const group = ChoiceSchema.oneofs[0]!
  const name = group.localName
  const part = (value: unknown) => wrong(ChoiceSchema, { ...choice, [name]: value })
  assert.equal(part({ case: undefined }), undefined)
  assert.equal(part(undefined), `field '${name}' is missing`)
  assert.equal(part({ case: 'nothing', value: 1 }), `'nothing' is no case of '${name}'`)
  const inner = group.fields.find((field) => field.message?.typeName === 'codec.v1.Five')!
  assert.match(
    part({ case: inner.localName, value: {} })!,
    new RegExp(`^field '${name}\\.value\\.\\w+' is missing$`),
  )
})
