/** A small shop: a desk that takes orders, a bank that has payments, and shipping with two kinds of state. */
import { sleep } from '../../../src/client/cluster/backoff.ts'
import { entity, keyed, keyspace } from '../../../src/events/event.ts'
import type { Clock } from '../../../src/io/ports.ts'
import { service } from '../../../src/service/service.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import {
  CustomerWindowSchema,
  OrderSchema,
  PaymentSchema,
  ShipmentSchema,
} from '../../gen/shop/v1/shop_pb.ts'

const OrderId = keyspace.string('OrderId', { partitions: 2 })
const CustomerId = keyspace.string('CustomerId', { partitions: 2 })
const CustomerWindowId = keyspace.string('CustomerWindowId', { partitions: 1 })

const Orders = entity('orders', OrderSchema, { key: OrderId, by: 'orderId', owner: 'checkout' })
const Payments = keyed('payments', PaymentSchema, { key: OrderId, by: 'orderId', owner: 'billing' })
export const Shipments = entity('shipments', ShipmentSchema, {
  key: OrderId,
  by: 'orderId',
  owner: 'shipping',
})
export const CustomerWindows = entity('customer-windows', CustomerWindowSchema, {
  key: CustomerWindowId,
  by: 'id',
  owner: 'shipping',
})

const orderCount = 20
const customerCount = 4
const paymentCount = 60
const batchRows = 6
const fiveMinutesMs = 300_000

/** All orders, before anything is paid. */
export const checkout = service('checkout', {
  reads: [],
  writes: [Orders],
  topology: (s) => {
    s.input('desk', Orders, async function* (position: number = 0) {
      if (position === orderCount) return
      const events = range(position, orderCount).map((n) => ({
        orderId: `o${n}`,
        customerId: `c${n % customerCount}`,
        address: `${n} Main St`,
        total: n,
      }))
      yield { events, position: orderCount }
    })
    return {}
  },
})

/** Payments in small batches, with pauses of the clock's in between; every fifth is not captured. */
export function billing(clock: Clock, pauseMs: () => number) {
  return service('billing', {
    reads: [],
    writes: [Payments],
    topology: (s) => {
      s.input('bank', Payments, async function* (position: number = 0) {
        for (let from = position; from < paymentCount; from += batchRows) {
          await sleep(clock, pauseMs())
          const to = Math.min(paymentCount, from + batchRows)
          yield { events: range(from, to).map(payment), position: to }
        }
      })
      return {}
    },
  })
}

export const shipping = service('shipping', {
  reads: [Orders, Payments],
  writes: [Shipments, CustomerWindows],
  topology: (s) => {
    const known = s.table(Orders)
    const paid = s
      .stream(Payments)
      .filter(({ status }) => status === 'CAPTURED')
      .join(known, (captured, order) => ({ captured, order }))
    paid.to(Shipments, ({ captured, order }) => {
      return { orderId: order.orderId, address: order.address, amount: captured.amount }
    })
    const perCustomer = paid
      .rekey('by-customer', CustomerId, ({ order }) => order.customerId)
      .window(tumbling('5m', { grace: '1000d' }))
      .count('per-customer')
    perCustomer.to(CustomerWindows, (count, { start }, customerId) => {
      return { id: `${customerId} ${start.getTime()}`, customerId, payments: count }
    })
    return { perCustomer }
  },
})

/** Amounts shipped, each once, as text to compare. */
export function expectedShipments(): string[] {
  return captured()
    .map(({ orderId, amount }) => `${orderId} ${amount}`)
    .toSorted()
}

export function expectedWindows(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { orderId, paidAt } of captured()) {
    const start = Math.floor(Number(paidAt) / fiveMinutesMs) * fiveMinutesMs
    const id = `c${Number(orderId.slice(1)) % customerCount} ${start}`
    counts[id] = (counts[id] ?? 0) + 1
  }
  return counts
}

function payment(n: number) {
  return {
    paymentId: `p${n}`,
    orderId: `o${n % orderCount}`,
    amount: n,
    status: n % 5 === 0 ? 'FAILED' : 'CAPTURED',
    paidAt: BigInt((n % 9) * 100_000),
  } as const
}

function captured() {
  return range(0, paymentCount)
    .map(payment)
    .filter(({ status }) => status === 'CAPTURED')
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}
