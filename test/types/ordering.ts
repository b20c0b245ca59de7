/** A service that decides: what tests of commands are about. */
import type { Duration } from '../../src/base/units.ts'
import { command, keyed } from '../../src/events/event.ts'
import { service } from '../../src/service/service.ts'
import type { OnError } from '../../src/streams/topology/topology.ts'
import { OrderCommandSchema, OrderEventSchema } from '../gen/shop/v1/ordering_pb.ts'
import { OrderId } from './shop.ts'

export const OrderCommands = command('order-commands', OrderCommandSchema, {
  key: OrderId,
  by: 'orderId',
  owner: 'ordering',
  reasons: ['already-placed', 'not-placed', 'too-much'],
})

export const OrderEvents = keyed('order-events', OrderEventSchema, {
  key: OrderId,
  by: 'orderId',
  owner: 'ordering',
})

interface Remembering {
  readonly remember?: Duration
  readonly rememberBytesMax?: number
}

interface OrderState {
  total: number
  changes: number
}

/** The most that an order may cost. */
export const totalMax = 1_000

/** What a change by 13 does, so that tests see what becomes of it. */
export class Unlucky extends Error {}

/** A change by 14 is decided into an event of another order. */
export function ordering(onError: OnError = 'stop', remembering: Remembering = {}) {
  return service('ordering', {
    reads: [OrderCommands],
    writes: [OrderEvents],
    onError,
    topology: (s) => {
      const { state, events } = s.decide('orders', OrderCommands, {
        ...remembering,
        events: OrderEvents,
        initial: (): OrderState => ({ total: 0, changes: 0 }),
        decide: ({ orderId, command: asked }, order, { accept, reject }) => {
          if (asked.case === 'place') {
            if (order.total > 0) return reject('already-placed')
            const { total } = asked.value
            return total > totalMax
              ? reject('too-much', { most: totalMax })
              : accept({ orderId, event: { case: 'placed', value: { total } } })
          }
          if (order.total === 0) return reject('not-placed')
          if (asked.case === 'cancel')
            return accept({ orderId, event: { case: 'cancelled', value: {} } })
          const by = asked.case === 'change' ? asked.value.by : 0
          if (by === 13) throw new Unlucky('by thirteen')
          const about = by === 14 ? 'another' : orderId
          return accept({ orderId: about, event: { case: 'changed', value: { by } } })
        },
        evolve: (order, { event }) => {
          if (event.case === 'cancelled') return null
          if (event.case === 'placed') order.total = event.value.total
          if (event.case === 'changed') {
            order.total += event.value.by
            order.changes++
          }
          return order
        },
      })
      return { orders: state, events: events.count('events') }
    },
  })
}

export function place(orderId: string, total = 10) {
  return { orderId, command: { case: 'place' as const, value: { total } } }
}

export function change(orderId: string, by = 1) {
  return { orderId, command: { case: 'change' as const, value: { by } } }
}

export function cancel(orderId: string) {
  return { orderId, command: { case: 'cancel' as const, value: {} } }
}
