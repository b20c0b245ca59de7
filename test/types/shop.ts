/** The shop of test/proto as events and as a service: it compiles, and the type tests build on it. */
import { entity, keyed, keyspace, unkeyed } from '../../src/events/event.ts'
import { service } from '../../src/service/service.ts'
import { tumbling } from '../../src/streams/topology/windows.ts'
import {
  AccountSchema,
  CustomerWindowSchema,
  OrderSchema,
  PaymentSchema,
  ShipmentSchema,
  VisitSchema,
} from '../gen/shop/v1/shop_pb.ts'

export const OrderId = keyspace.string('OrderId', { partitions: 12 })
export const CustomerId = keyspace.string('CustomerId', { partitions: 12 })
export const CustomerWindowId = keyspace.string('CustomerWindowId', { partitions: 12 })
export const AccountNumber = keyspace.int64('AccountNumber', { partitions: 3 })

export const Orders = entity('orders', OrderSchema, {
  key: OrderId,
  by: 'orderId',
  owner: 'checkout',
})
export const Payments = keyed('payments', PaymentSchema, {
  key: OrderId,
  by: 'orderId',
  owner: 'billing',
})
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
export const Accounts = entity('accounts', AccountSchema, {
  key: AccountNumber,
  by: 'accountNumber',
  owner: 'billing',
})
export const Visits = unkeyed('visits', VisitSchema, { owner: 'web' })

export const shipping = service('shipping', {
  reads: [Orders, Payments],
  writes: [Shipments, CustomerWindows],
  topology: (s) => {
    const orders = s.table(Orders, { startup: 'bootstrap' })
    const paid = s
      .stream(Payments)
      .filter((payment) => payment.status === 'CAPTURED')
      .join(orders, (payment, order) => ({ payment, order }))
    paid.to(Shipments, ({ payment, order }) => ({
      orderId: order.orderId,
      address: order.address,
      amount: payment.amount,
    }))
    const perCustomer = paid
      .rekey('by-customer', CustomerId, ({ order }) => order.customerId)
      .window(tumbling('5m', { grace: '1m' }))
      .count('payments-5m')
    perCustomer.to(CustomerWindows, (payments, window, customerId) => ({
      id: `${customerId} ${window.start.toISOString()}`,
      customerId,
      payments,
    }))
    return { orders, perCustomer }
  },
})
