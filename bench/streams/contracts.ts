/**
 * The streams of these benches, declared with the doors of any checkout of the project: so that the same
 * code runs on two of them.
 */
import { join } from 'node:path'
import type * as mainDoor from '../../src/index.ts'
import type * as shop from '../../test/gen/shop/v1/shop_pb.ts'

export const partitions = 4

/** The checkout this file is in. */
export const here = join(import.meta.dirname, '../..')

/** @param home the directory of a checkout */
export async function contracts(home: string) {
  const doors = (await import(join(home, 'src/index.ts'))) as typeof mainDoor
  const messages = (await import(join(home, 'test/gen/shop/v1/shop_pb.ts'))) as typeof shop
  const key = doors.keyspace.string('OrderId', { partitions })
  const by = 'orderId'
  const Payments = doors.keyed('payments', messages.PaymentSchema, { key, by, owner: 'billing' })
  const Shipments = doors.entity('shipments', messages.ShipmentSchema, {
    key,
    by,
    owner: 'shipping',
  })
  return { doors, Payments, Shipments }
}
