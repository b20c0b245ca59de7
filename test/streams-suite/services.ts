/** What the suite writes, and plain loops that say what a service must make of it. */
import type { InitOf } from '../../src/events/event.ts'
import { service } from '../../src/service/service.ts'
import { CustomerId, CustomerWindows, Orders, Payments, Shipments } from '../types/shop.ts'
import { tumbling } from '../../src/streams/topology/windows.ts'

const minute = 60_000

export type Payment = InitOf<typeof Payments> & {
  readonly orderId: string
  readonly amount: number
}
export type Order = InitOf<typeof Orders> & {
  readonly orderId: string
  readonly customerId: string
}

/** Orders `o<from>` to `o<to - 1>`, of seven customers. */
export function orders(from: number, to: number): Order[] {
  return range(from, to).map((n) => ({
    orderId: `o${n}`,
    customerId: `c${n % 7}`,
    address: `${n} Main St`,
  }))
}

/** One payment for each order, all within a quarter of an hour; every fifth is not captured. */
export function payments(from: number, to: number): Payment[] {
  return range(from, to).map((n) => ({
    paymentId: `p${n}`,
    orderId: `o${n}`,
    amount: n,
    status: n % 5 === 0 ? 'FAILED' : 'CAPTURED',
    paidAt: BigInt((n % 90) * 10_000),
  }))
}

/** The shop's shipping, with a state that survives nothing but by its changelog. */
export const shipping = service('shipping', {
  reads: [Orders, Payments],
  writes: [Shipments, CustomerWindows],
  topology: (s) => {
    const known = s.table(Orders)
    const paid = s
      .stream(Payments)
      .filter(({ status }) => status === 'CAPTURED')
      .join(known, (payment, order) => ({ payment, order }))
    paid.to(Shipments, ({ payment, order }) => {
      return { orderId: order.orderId, address: order.address, amount: payment.amount }
    })
    const perCustomer = paid
      .rekey('by-customer', CustomerId, ({ order }) => order.customerId)
      .window(tumbling('5m', { grace: '1000d' }))
      .count('per-customer')
    perCustomer.to(CustomerWindows, (count, { start }, customerId) => {
      return { id: `${customerId} ${start.getTime()}`, customerId, payments: count }
    })
    return { orders: known, perCustomer }
  },
})

/** What `shipping` must have written for payments of known orders. */
export function expectedShipments(paid: readonly Payment[]): string[] {
  return paid
    .filter(({ status }) => status === 'CAPTURED')
    .map(({ orderId, amount }) => `${orderId} ${amount}`)
    .toSorted()
}

export function expectedWindows(paid: readonly Payment[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { orderId, status, paidAt } of paid) {
    if (status !== 'CAPTURED') continue
    const customer = `c${Number(orderId.slice(1)) % 7}`
    const start = Math.floor(Number(paidAt) / (5 * minute)) * 5 * minute
    counts[`${customer} ${start}`] = (counts[`${customer} ${start}`] ?? 0) + 1
  }
  return counts
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}
