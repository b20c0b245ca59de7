/** The service: what it reads, what it writes, and what happens in between. */
import { service } from 'headwater'
import { Orders } from '../gen/streams.ts'

export const shop = service('shop', {
  reads: [Orders],
  writes: [Orders],
  topology: (s) => ({
    /** By customer: how many orders, and what they come to. */
    customers: s.stream(Orders).reduce(
      'customers',
      () => ({ orders: 0, cents: 0 }),
      (sum, order) => ({
        orders: sum.orders + 1,
        cents: sum.cents + order.cents,
      }),
    ),
  }),
})
