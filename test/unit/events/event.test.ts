/** Events as values: what they carry, and every way in which program and contract can disagree. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { Writer } from '../../../src/base/bytes.ts'
import { entity, keyed, keyspace, unkeyed } from '../../../src/events/event.ts'
import { FivePartitionsSchema, NamedKeyspaceSchema } from '../../gen/shop/v1/broken_pb.ts'
import {
  AccountSchema,
  AddressSchema,
  OrderSchema,
  PaymentSchema,
  VisitSchema,
} from '../../gen/shop/v1/shop_pb.ts'

const OrderId = keyspace.string('OrderId', { partitions: 12 })
const AccountNumber = keyspace.int64('AccountNumber', { partitions: 3 })
const order = { key: OrderId, by: 'orderId', owner: 'checkout' } as const

describe('a keyspace', () => {
  test('stores strings as UTF-8', () => {
    assert.deepEqual(OrderId.encode('é1'), Uint8Array.of(0xc3, 0xa9, 0x31))
    assert.equal(OrderId.decode(Uint8Array.of(0xc3, 0xa9, 0x31)), 'é1')
  })

  test('keeps every character of a key, also one that looks like a byte-order mark', () => {
    assert.equal(OrderId.decode(OrderId.encode('\uFEFFo-1')), '\uFEFFo-1')
  })

  test('stores integers as decimal text, so that every client can make the same bytes', () => {
    assert.deepEqual(AccountNumber.encode(-42n), new TextEncoder().encode('-42'))
    assert.equal(AccountNumber.decode(AccountNumber.encode(2n ** 63n - 1n)), 2n ** 63n - 1n)
  })

  for (const partitions of [0, -1, 1.5, Number.NaN]) {
    test(`is refused with ${partitions} partitions`, () => {
      assert.throws(() => keyspace.string('X', { partitions }), {
        code: 'contract-invalid',
        message: /at least 1/,
      })
    })
  }

  test('is refused without a name', () => {
    assert.throws(() => keyspace.int64('', { partitions: 1 }), /no name/)
  })
})

describe('an event', () => {
  test('carries its contract, frozen', () => {
    const Orders = entity('orders', OrderSchema, order)
    const { kind, name, key, by, owner, context, partitions } = Orders
    assert.deepEqual(
      { kind, name, key, by, owner, context, partitions },
      {
        kind: 'entity',
        name: 'orders',
        key: OrderId,
        by: 'orderId',
        owner: 'checkout',
        context: 'ordering',
        partitions: 12,
      },
    )
    assert.ok(Object.isFrozen(Orders))
  })

  test('finds the key in a message', () => {
    const Accounts = entity('accounts', AccountSchema, {
      key: AccountNumber,
      by: 'accountNumber',
      owner: 'billing',
    })
    assert.equal(Accounts.keyOf({ accountNumber: 7n }), 7n)
    assert.equal(entity('orders', OrderSchema, order).keyOf({ orderId: 'o-1' }), 'o-1')
  })

  test('finds the event time in a Timestamp, whole and before 1970', () => {
    const Orders = entity('orders', OrderSchema, order)
    const at = (seconds: bigint, nanos: number) =>
      Orders.eventTimeOf({ placedAt: { seconds, nanos } })
    assert.equal(at(978_307_200n, 5_999_999), 978_307_200_005)
    assert.equal(at(-1n, 500_000_000), -500)
    assert.equal(Orders.eventTimeOf({ placedAt: { seconds: 3n } }), 3000)
    assert.equal(Orders.eventTimeOf(create(OrderSchema)), undefined)
  })

  test('finds the event time in an int64 of milliseconds', () => {
    const Payments = keyed('payments', PaymentSchema, {
      key: OrderId,
      by: 'orderId',
      owner: 'billing',
    })
    assert.equal(Payments.eventTimeOf({ paidAt: 978_307_200_123n }), 978_307_200_123)
    assert.equal(Payments.eventTimeOf({}), undefined)
  })

  test('that is unkeyed has no key, no event time here, and its own partitions', () => {
    const Visits = unkeyed('visits', VisitSchema, { owner: 'web' })
    assert.equal(Visits.keyOf({ path: '/' }), null)
    assert.equal(Visits.eventTimeOf({ path: '/' }), undefined)
    assert.equal(Visits.partitions, 3)
  })

  test('encodes and decodes its values', () => {
    const { codec } = entity('orders', OrderSchema, order)
    const writer = new Writer()
    codec.encode({ orderId: 'o-1', total: 5 }, writer)
    assert.equal(codec.decode(writer.finish()).total, 5)
  })
})

describe('a declaration that differs from the contract is refused, naming both sides', () => {
  const Number = keyspace.int64('Number', { partitions: 12 })
  const refused: readonly (readonly [what: string, declare: () => unknown, why: RegExp])[] = [
    [
      'another name',
      () => entity('Orders', OrderSchema, order),
      /the program says the name is 'Orders', the contract of shop\.v1\.Order in shop\/v1\/shop\.proto says 'orders'/,
    ],
    [
      'another kind',
      () => keyed('orders', OrderSchema, order),
      /says the kind is 'keyed', .* says 'entity': make them equal/,
    ],
    [
      'another owner',
      () => entity('orders', OrderSchema, { ...order, owner: 'shop' }),
      /says the owner is 'shop', .* says 'checkout'/,
    ],
    [
      'another key',
      () => entity('orders', OrderSchema, { ...order, by: 'customerId' }),
      /says the key is 'customerId', .* says 'orderId'/,
    ],
    [
      'another key type',
      () => entity('orders', OrderSchema, { ...order, key: Number, by: 'orderId' as never }),
      /says the key type of 'Number' is 'int64', .* says 'string'/,
    ],
    [
      'another number of partitions',
      () => keyed('five', FivePartitionsSchema, { key: OrderId, by: 'id', owner: 'a' }),
      /says the number of partitions is '12', .* says '5'/,
    ],
    [
      'another keyspace',
      () => keyed('named', NamedKeyspaceSchema, { key: OrderId, by: 'id', owner: 'a' }),
      /says the keyspace is 'OrderId', .* says 'Named'/,
    ],
    [
      'a message without a contract',
      () => unkeyed('addresses', AddressSchema, { owner: 'a' }),
      /Address is not the value of a stream/,
    ],
  ]
  for (const [what, declare, why] of refused) {
    test(what, () => assert.throws(declare, { code: 'contract-invalid', message: why }))
  }
})
