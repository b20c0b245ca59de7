/** The desk of `shop.ts` as it was before: it counted under another name. */
import { entity, keyspace, service } from '../../../../src/index.ts'
import { OrderSchema } from '../../../gen/shop/v1/shop_pb.ts'

const OrderId = keyspace.string('OrderId', { partitions: 2 })
const CustomerId = keyspace.string('CustomerId', { partitions: 2 })
const Orders = entity('orders', OrderSchema, { key: OrderId, by: 'orderId', owner: 'checkout' })
const orders = ['ada', 'ben', 'ada'].map((customerId, i) => {
  return { orderId: `o-${i}`, customerId, address: '', total: 0 }
})

export const checkout = service('checkout', {
  reads: [],
  writes: [Orders],
  topology: (s) => {
    s.input('till', Orders, async function* (position: number = 0) {
      if (position < orders.length)
        yield { events: orders.slice(position), position: orders.length }
    })
    return {}
  },
})

export const desk = service('desk', {
  reads: [Orders],
  writes: [],
  topology: (s) => ({
    orders: s.table(Orders),
    counted: s
      .stream(Orders)
      .rekey('by-customer', CustomerId, (order) => order.customerId)
      .count('orders-before'),
  }),
})
