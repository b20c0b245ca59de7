/**
 * What must not compile. Each directive carries the sentence that the compiler has to print for the line
 * after it: the type check of the repository proves that every line is refused, and `refused.test.ts`
 * that the refusal says why. Nothing here is ever run.
 */
import { command, entity, keyed, unkeyed } from '../../src/events/event.ts'
import { connect } from '../../src/query/client.ts'
import { service } from '../../src/service/service.ts'
import type { Service } from '../../src/service/service.ts'
import type { CommandAsker } from '../../src/streams/runtime/asker.ts'
import type { EventProducer } from '../../src/streams/runtime/producer.ts'
import { run } from '../../src/streams/runtime/run.ts'
import type { RunningServices } from '../../src/streams/runtime/run.ts'
import type { Views } from '../../src/streams/views/views.ts'
import { TopologyDriver } from '../../src/testing/topology-driver.ts'
import { tumbling } from '../../src/streams/topology/windows.ts'
import { OrderCommandSchema } from '../gen/shop/v1/ordering_pb.ts'
import {
  CustomerWindowSchema,
  OrderSchema,
  PaymentSchema,
  VisitSchema,
  type Visit,
} from '../gen/shop/v1/shop_pb.ts'
import { OrderCommands, OrderEvents } from './ordering.ts'
import {
  Accounts,
  CustomerId,
  CustomerWindows,
  OrderId,
  Orders,
  Payments,
  Shipments,
  Visits,
  shipping,
} from './shop.ts'

// @ts-expect-error: stream 'payments' is owned by 'billing', so 'shipping' may not write it
service('shipping', { reads: [Orders], writes: [Payments], topology: () => ({}) })

// @ts-expect-error: stream 'orders' is owned by 'checkout', so 'shipping' may not write it
service('shipping', { reads: [], writes: [Shipments, Orders], topology: () => ({}) })

// @ts-expect-error: Type '"total"' is not assignable to type '"address" | "customerId" | "orderId"'
entity('orders', OrderSchema, { key: OrderId, by: 'total', owner: 'checkout' })

// @ts-expect-error: Type '"weight"' is not assignable to type
keyed('payments', PaymentSchema, { key: OrderId, by: 'weight', owner: 'billing' })

// @ts-expect-error: 'by' does not exist in type '{ owner: "web"; }'
unkeyed('visits', VisitSchema, { owner: 'web', by: 'path' })

// @ts-expect-error: Expected 2 arguments, but got 1
tumbling('5m')

// @ts-expect-error: Type '"5 minutes"' is not assignable to type
tumbling('5m', { grace: '5 minutes' })

service('shipping', {
  reads: [Orders, Payments, Visits, Accounts],
  writes: [Shipments, CustomerWindows],
  topology: (s) => {
    const orders = s.table(Orders)
    const payments = s.stream(Payments)
    const visits = s.stream(Visits)
    const byCustomer = payments.rekey('by-customer', CustomerId, (payment) => payment.paymentId)
    const day = tumbling('1d', { grace: '0ms' })

    // @ts-expect-error: give the event itself, as contracts declare it, and not its name
    s.stream('orders')

    // @ts-expect-error: give the event itself, as contracts declare it, and not its name
    payments.to('shipments', () => shipped)

    // @ts-expect-error: stream 'shipments' is not in this service's reads: add it there to read it
    s.stream(Shipments)

    // @ts-expect-error: stream 'shipments' is not in this service's reads: add it there to read it
    s.table(Shipments)

    // @ts-expect-error: 'payments' is a keyed stream: only an entity stream can be a table
    s.table(Payments)

    // @ts-expect-error: 'visits' is an unkeyed stream: only an entity stream can be a table
    s.table(Visits)

    // @ts-expect-error: Type '"later"' is not assignable to type 'Startup | undefined'
    s.table(Accounts, { startup: 'later' })

    // @ts-expect-error: stream 'orders' is not in this service's writes: add it there to write it
    s.input('orders-file', Orders, async function* () {})

    // @ts-expect-error: Types of property 'amount' are incompatible
    s.input('shipments-file', Shipments, (row: number = 0) => rows({ ...shipped, amount: '' }, row))

    // @ts-expect-error: Property 'amount' is missing in type
    s.input('shipments-list', Shipments, (row: number = 0) => rows({ orderId, address }, row))

    // @ts-expect-error: stream 'shipments' has no field 'tax': leave it out
    s.input('shipments-sheet', Shipments, (row: number = 0) => rows({ ...shipped, tax: 1 }, row))

    // @ts-expect-error: Type 'Position | undefined' is not assignable to type 'Date | undefined'
    s.input('shipments-database', Shipments, (since: Date | undefined) => rows(shipped, since))

    // @ts-expect-error: stream 'orders' is not in this service's writes: add it there to write it
    payments.to(Orders, (payment) => ({ orderId: payment.orderId }))

    // @ts-expect-error: stream 'shipments' is keyed by keyspace 'OrderId', these values by keyspace 'CustomerId': rekey them first
    byCustomer.to(Shipments, (payment) => ({ orderId: payment.orderId }))

    // @ts-expect-error: stream 'shipments' is keyed by keyspace 'OrderId', these values by no key: rekey them first
    visits.to(Shipments, (visit) => ({ orderId: visit.path }))

    // @ts-expect-error: Type 'number' is not assignable to type 'string'
    payments.to(Shipments, (payment) => ({ orderId: payment.orderId, address: 42 }))

    // @ts-expect-error: Property 'amount' is missing in type
    payments.to(Shipments, () => ({ orderId, address }))

    // @ts-expect-error: stream 'shipments' has no field 'tax': leave it out
    payments.to(Shipments, (payment) => ({ orderId, address, amount: payment.amount, tax: 1 }))

    // @ts-expect-error: stream 'shipments' has no field 'tax': leave it out
    payments.to(Shipments, () => ({ ...taxed, amount: 2 }))

    // @ts-expect-error: stream 'shipments' has no field 'tax': leave it out
    payments.to(Shipments, ({ amount }) => (amount > 1 ? shipped : { ...shipped, tax: 1 }))

    // @ts-expect-error: this is a shop.v1.Payment, and stream 'shipments' holds shop.v1.Shipment: make one of it
    payments.to(Shipments, (payment) => payment)

    // @ts-expect-error: this is a shop.v1.Order, and stream 'shipments' holds shop.v1.Shipment: make one of it
    orders.to(Shipments, (order) => ({ ...order, amount: 1 }))

    // @ts-expect-error: this is a shop.v1.Payment, and stream 'shipments' holds shop.v1.Shipment: give a function
    payments.to(Shipments)

    // @ts-expect-error: these values lack field 'address' of stream 'shipments': give a function
    payments.map(({ amount }) => ({ orderId, amount })).to(Shipments)

    // @ts-expect-error: field 'amount' of these values is of another type than in stream 'shipments'
    payments.map(() => ({ orderId, address, amount: 'many' })).to(Shipments)

    // @ts-expect-error: stream 'shipments' has no field 'tax': give a function that leaves it out
    payments.map(() => taxed).to(Shipments)

    // @ts-expect-error: this is a shop.v1.Order, and stream 'shipments' holds shop.v1.Shipment: give a function
    orders.to(Shipments)

    // @ts-expect-error: Property 'address' is missing in type
    orders.to(Shipments, (order) => ({ orderId, amount: order.total }))

    // @ts-expect-error: these values are keyed by keyspace 'CustomerId', the table by keyspace 'OrderId': rekey them first
    byCustomer.join(orders, (_, order) => order)

    // @ts-expect-error: these values are keyed by keyspace 'CustomerId', the table by keyspace 'OrderId': rekey them first
    byCustomer.leftJoin(orders, (_, order) => order)

    // @ts-expect-error: these values have no key to join by: rekey them first
    visits.join(orders, (_, order) => order)

    // @ts-expect-error: 'order' is possibly 'undefined'
    payments.leftJoin(orders, (_, order) => order.address)

    // @ts-expect-error: these values are keyed by keyspace 'OrderId', the others by keyspace 'CustomerId': rekey one of them first
    payments.merge(byCustomer)

    // @ts-expect-error: these values have no key to group by: rekey them first
    visits.count('visits')

    // @ts-expect-error: these values have no key to group by: rekey them first
    visits.reduce('visits', zero, add)

    // @ts-expect-error: these values have no key to group by: rekey them first
    visits.window(day)

    // @ts-expect-error: Type 'number' is not assignable to type 'string'
    payments.rekey('by-amount', CustomerId, (payment) => payment.amount)

    // @ts-expect-error: Expected 1-2 arguments, but got 0
    payments.window(day).count()

    // @ts-expect-error: Expected 3-4 arguments, but got 2
    payments.reduce(zero, add)

    // @ts-expect-error: the state is a Map, which cannot be stored: use plain objects, arrays, numbers
    payments.reduce('seen', () => new Map<string, number>(), same)

    // @ts-expect-error: the state.items[].when is a Set, which cannot be stored
    payments.reduce('items', (): { items: { when?: Set<string> }[] } => ({ items: [] }), same)

    // @ts-expect-error: the state.print is a function, which cannot be stored
    payments.window(day).reduce('lines', () => ({ lines: [''], print: () => 1 }), same)

    // @ts-expect-error: the state.at is a promise, which cannot be stored
    payments.reduce('later', () => ({ at: Promise.resolve(1) }), same)

    // @ts-expect-error: the state.points[] is an array of another kind than Uint8Array
    payments.reduce('points', () => ({ points: [new Float32Array(2)] }), same)

    // @ts-expect-error: the state is an object with symbols as keys
    payments.reduce('hidden', () => ({ [Symbol.iterator]: 1 }), same)

    // @ts-expect-error: this state is plain data: leave the option out, or make the state a whole message
    payments.reduce('message', () => ({ id: '' }), same, { state: CustomerWindowSchema })

    const seen = payments.map(({ orderId }) => ({ orderId, by: new Map([[orderId, 1]]) }))
    // @ts-expect-error: the value.by is a Map, which cannot be stored
    seen.rekey('by-map', CustomerId, ({ orderId }) => orderId)

    // @ts-expect-error: Type '"window table"' is not assignable to type '"table"'
    byCustomer.join(byCustomer.window(day).count('daily'), (_, count) => count)

    // @ts-expect-error: stream 'shipments' is keyed by keyspace 'OrderId', these values by keyspace 'CustomerId': rekey them first
    byCustomer.count('payments').to(Shipments, (amount, id) => ({ orderId: id, amount }))

    // @ts-expect-error: stream 'visits' is not in this service's writes: add it there to write it
    orders.to(Visits, (order) => ({ path: order.address }))

    const daily = byCustomer.window(day).count('daily')
    // @ts-expect-error: Type 'WindowSpan' is not assignable to type 'string'
    daily.to(CustomerWindows, (payments, id) => ({ id, customerId: '', payments }))

    // @ts-expect-error: stream 'customer-windows' has no field 'start': leave it out
    daily.to(CustomerWindows, (payments, { start }, id) => ({
      id,
      customerId: id,
      payments,
      start,
    }))

    return {}
  },
})

// @ts-expect-error: Type 'Stream<Keyspace<"OrderId", string>, Order, never>' is not assignable to type 'Table<
service('audit', { reads: [Orders], writes: [], topology: (s) => ({ o: s.stream(Orders) }) })

service('checkout', {
  reads: [Orders],
  writes: [Orders],
  topology: (s) => {
    const seconds = 1n
    // @ts-expect-error: stream 'orders' has no field 'placedAt.micros': leave it out
    s.stream(Orders).to(Orders, () => ({ ...whole, placedAt: { seconds, nanos: 0, micros: 0 } }))

    // @ts-expect-error: Property 'nanos' is missing in type
    s.stream(Orders).to(Orders, () => ({ ...whole, placedAt: { seconds } }))

    return {}
  },
})

service('web', {
  reads: [Orders],
  writes: [Visits],
  topology: (s) => {
    // @ts-expect-error: 'visits' is an unkeyed stream: a table can only be written to an entity stream
    s.table(Orders).to(Visits, (order) => ({ path: order.address }))
    return {}
  },
})

declare function rows<V, P>(event: V, position?: P): AsyncIterable<{ events: V[]; position: P }>
declare function zero(): number
declare function same<T>(state: T): T
declare function add(sum: number): number
declare const orderId: string
declare const address: string
const shipped = { orderId: 'o', address: 'a', amount: 1 }
const taxed = { ...shipped, tax: 1 }
declare const query: Views<typeof shipping>

// @ts-expect-error: Property 'customers' does not exist
void query.customers

// @ts-expect-error: Expected 2-3 arguments, but got 1
void query.perCustomer.get('c-1')

// @ts-expect-error: Argument of type 'number' is not assignable to parameter of type 'string'
void query.orders.get(7)

declare const checkout: EventProducer<'checkout'>
declare const app: RunningServices<[Service<'checkout', {}>, Service<'web', {}>]>
declare const visit: Visit
const whole = { orderId: 'o', customerId: 'c', address: 'a', total: 1 }

// @ts-expect-error: stream 'payments' is owned by 'billing', so 'checkout' may not send it
void checkout.send(Payments, {})

// @ts-expect-error: Property 'total' is missing in type
void checkout.send(Orders, { orderId: 'o', customerId: 'c', address: 'a' })

// @ts-expect-error: 'tax' does not exist in type
void checkout.send(Orders, { ...whole, tax: 1 })

// @ts-expect-error: Type 'string' is not assignable to type 'number'
void checkout.send(Orders, { ...whole, total: 'many' })

// @ts-expect-error: Property 'nanos' is missing in type
void checkout.send(Orders, { ...whole, placedAt: { seconds: 1n } })

// @ts-expect-error: Type '"shop.v1.Visit"' is not assignable to type '"shop.v1.Order"'
void checkout.send(Orders, { ...whole, ...visit })

// @ts-expect-error: Property 'total' is missing in type
void checkout.sendAll(Orders, [whole, { orderId: 'o', customerId: 'c', address: 'a' }])

// @ts-expect-error: stream 'shipments' is owned by 'shipping', so 'checkout' may not send it
void checkout.transaction((tx) => tx.send(Shipments, {}))

// @ts-expect-error: stream 'accounts' is owned by 'billing', so
void app.send(Accounts, { accountNumber: 1n, holder: 'h' })

// @ts-expect-error: Property 'transaction' does not exist
void app.transaction(() => {})

// @ts-expect-error: stream 'visits' is owned by 'web', so 'checkout' may not send it
void app.sends.checkout.send(Visits, { path: '/' })

declare const asking: CommandAsker
const ordered = { key: OrderId, by: 'orderId', owner: 'ordering' } as const

// @ts-expect-error: Property 'reasons' is missing in type
command('order-commands', OrderCommandSchema, ordered)

// @ts-expect-error: Property 'command' is missing in type
void asking.ask(OrderCommands, { orderId: 'o' })

// @ts-expect-error: Type '"entity"' is not assignable to type '"command"'
void asking.ask(Orders, whole)

service('ordering', {
  reads: [OrderCommands, Payments],
  writes: [OrderEvents],
  topology: (s) => {
    const evolve = same
    const initial = zero
    s.decide('refused', OrderCommands, {
      events: OrderEvents,
      initial,
      evolve,
      // @ts-expect-error: '"already-payed"' is not assignable to parameter of type
      decide: (_command, _state, { reject }) => reject('already-payed'),
    })
    s.decide('incomplete', OrderCommands, {
      events: OrderEvents,
      initial,
      evolve,
      // @ts-expect-error: Property 'event' is missing in type
      decide: (_command, _state, { accept }) => accept({ orderId: 'o' }),
    })
    s.decide('undecided', OrderCommands, {
      events: OrderEvents,
      initial,
      evolve,
      // @ts-expect-error: is not assignable to type 'AcceptedDecision | RejectedDecision'
      decide: () => undefined,
    })
    s.decide('elsewhere', OrderCommands, {
      // @ts-expect-error: 'visits' is an unkeyed stream: what is decided is written to a keyed one
      events: Visits,
      initial,
      evolve,
      decide: (_command, _state, { accept }) => accept(),
    })
    // @ts-expect-error: the state is a Map, which cannot be stored
    s.decide('stateful', OrderCommands, {
      events: OrderEvents,
      initial: () => new Map<string, number>(),
      evolve: (state) => state,
      decide: (_command, _state, { accept }) => accept(),
    })
    return {}
  },
})

// @ts-expect-error: give the event itself, as contracts declare it, and not its name
void checkout.send('orders', whole)

// @ts-expect-error: 'customer_id' does not exist in type
void checkout.send(Orders, { orderId: 'o', customer_id: 'c', address: 'a', total: 1 })

const unnamed = connect('http://127.0.0.1:8092/v1/shipping')
// @ts-expect-error: say whose views they are: connect<typeof theService>(url), with the type of the service
void unnamed.orders

// @ts-expect-error: Type 'string' is not assignable to type 'BrokerAddress'
void run(shipping, { broker: '127.0.0.1:9092' })

// @ts-expect-error: Type 'string' is not assignable to type 'BrokerAddress'
void run([shipping], { broker: '127.0.0.1:9092' })

const driver = new TopologyDriver(shipping)

// @ts-expect-error: Property 'total' is missing in type
driver.send(Orders, { orderId: 'o', customerId: 'c', address: 'a' })

// @ts-expect-error: Type 'number' is not assignable to type 'string'
driver.send(Orders, { ...whole, address: 7 })

// @ts-expect-error: Argument of type 'number' is not assignable to parameter of type 'string'
driver.delete(Orders, 7)

// @ts-expect-error: Property 'weight' does not exist on type
void driver.read(Shipments)[0]?.weight

// @ts-expect-error: Argument of type '"customers"' is not assignable to parameter of type '"orders" | "perCustomer"'
driver.get('customers', 'c')

// @ts-expect-error: Argument of type 'number' is not assignable to parameter of type 'string'
driver.get('orders', 7)

// @ts-expect-error: Expected 3 arguments, but got 2
driver.get('perCustomer', 'c')

// @ts-expect-error: Property 'weight' does not exist on type
void driver.rows('orders')[0]?.value.weight
