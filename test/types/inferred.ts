/**
 * What TypeScript infers, so that nobody has to write a type: each line compiles only while the inferred
 * type is exactly the expected one. Nothing here is ever run.
 */
import type { ValueOf } from '../../src/events/event.ts'
import type { Service } from '../../src/service/service.ts'
import { service } from '../../src/service/service.ts'
import type { Views } from '../../src/streams/views/views.ts'
import { tumbling } from '../../src/streams/topology/windows.ts'
import { create } from '@bufbuild/protobuf'
import { CustomerWindowSchema, ShipmentSchema } from '../gen/shop/v1/shop_pb.ts'
import type { Order, Payment } from '../gen/shop/v1/shop_pb.ts'
import { Accounts, CustomerId, Orders, Payments, Shipments, Visits, shipping } from './shop.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

declare const query: Views<typeof shipping>

export const windowValue: Same<
  ReturnType<typeof query.perCustomer.get>,
  Promise<number | undefined>
> = true
export const tableValue: Same<
  ReturnType<typeof query.orders.get>,
  Promise<Order | undefined>
> = true
export const names: Same<keyof typeof query, 'orders' | 'perCustomer'> = true
export const value: Same<ValueOf<typeof Payments>, Payment> = true
export const anyService: Service = shipping

/** The longest chain: every step infers from the one before. */
export const accounts = service('billing', {
  reads: [Accounts, Orders, Payments],
  writes: [],
  topology: (s) => {
    const holders = s.table(Accounts)
    const large = s
      .stream(Payments)
      .filter((payment): payment is Payment & { status: 'CAPTURED' } => payment.amount > 100)
      .map((payment) => payment.status)
      .flatMap((status) => [status, status] as const)
      .filter((status) => status.length > 0)
    const all = s.stream(Orders).merge(large)
    const totals = all
      .rekey('by-customer', CustomerId, (it) => (typeof it === 'string' ? it : it.customerId))
      .window(tumbling('1h', { grace: '10m' }))
      .reduce(
        'totals',
        () => ({ orders: 0, total: 0 }),
        (sum, it) =>
          typeof it === 'string'
            ? { ...sum, orders: sum.orders + 1 }
            : { orders: sum.orders, total: sum.total + it.total },
      )
    return { holders, totals }
  },
})

/** State may be a tree, a message, or a list; a stream has no null after a map. */
interface Tree {
  readonly children: readonly Tree[]
  readonly at: Date | undefined
}
export const states = service('billing', {
  reads: [Payments],
  writes: [],
  topology: (s) => {
    const payments = s.stream(Payments)
    const amounts = payments.map(({ amount }) => (amount > 0 ? amount : null))
    return {
      amounts: amounts.reduce(
        'amounts',
        () => 0,
        (most, amount) => Math.max(most, amount),
      ),
      trees: payments.reduce(
        'trees',
        (): Tree => ({ children: [], at: undefined }),
        (it) => it,
      ),
      sums: payments.reduce(
        'sums',
        (id) => create(CustomerWindowSchema, { id }),
        (sum, { amount }) => ({ ...sum, payments: sum.payments + amount }),
        { state: CustomerWindowSchema },
      ),
      bytes: payments.reduce(
        'bytes',
        () => Buffer.from('x'),
        (it) => it,
      ),
    }
  },
})

declare const accountQuery: Views<typeof accounts>
export const bigKey: Same<Parameters<typeof accountQuery.holders.get>[0], bigint> = true
export const state: Same<
  Awaited<ReturnType<typeof accountQuery.totals.get>>,
  { orders: number; total: number } | undefined
> = true

/** A service that only brings events in reads nothing. */
export const web = service('web', {
  reads: [],
  writes: [Visits],
  topology: (s) => {
    s.input('access-log', Visits, async function* (line: number = 0) {
      yield { events: [{ path: '/' }], position: line + 1 }
    })
    return {}
  },
})

/** Values that already fit need no function. */
export const copier = service('shipping', {
  reads: [Orders],
  writes: [Shipments],
  topology: (s) => {
    s.stream(Orders)
      .map((order) => ({ orderId: order.orderId, address: order.address, amount: 1 }))
      .to(Shipments)
    s.table(Orders).to(Shipments, ({ address, total }, key) => ({
      orderId: key,
      address,
      amount: total,
    }))
    // Null deletes; a message may be made of itself, and what a function may leave out has options, too.
    s.table(Orders).to(Shipments, ({ address, total }, orderId) =>
      total === 0 ? null : { orderId, address, amount: total },
    )
    s.stream(Orders)
      .map(({ orderId, address }) => create(ShipmentSchema, { orderId, address }))
      .to(Shipments, undefined, { onError: 'skip' })
    return {}
  },
})
