/**
 * The streams of these benches, declared with the doors of any checkout of the project: so that the same
 * code runs on two of them.
 */
import { join } from 'node:path'

export type Doors = typeof import('../../src/index.ts')
type Messages = typeof import('../../test/gen/shop/v1/shop_pb.ts')

export const partitions = 4

/** The checkout this file is in. */
export const here = join(import.meta.dirname, '../..')

/** @param home the directory of a checkout */
export async function contracts(home: string) {
  const doors = (await import(join(home, 'src/index.ts'))) as Doors
  const messages = (await import(join(home, 'test/gen/shop/v1/shop_pb.ts'))) as Messages
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
