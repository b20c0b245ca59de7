import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { entity, keyed, keyspace } from '../../../src/events/event.ts'
import { service } from '../../../src/service/service.ts'
import { planTopology } from '../../../src/streams/plan/plan.ts'
import type { Topology } from '../../../src/streams/topology/topology.ts'
import { OrderSchema, PaymentSchema } from '../../gen/shop/v1/shop_pb.ts'
import { CustomerId, Orders, Payments, shipping } from '../../types/shop.ts'

describe('a plan', () => {
  const plan = planTopology(shipping.build())

  it('cuts the topology where keys change, and only there', () => {
    assert.deepEqual(
      plan.subTopologies.map(({ id, partitions }) => ({ id, partitions })),
      [
        { id: 'orders+payments', partitions: 12 },
        { id: 'shipping-by-customer-repartition', partitions: 12 },
      ],
    )
  })

  it('names every topic the service needs, with partitions and cleanup', () => {
    const all = { 'cleanup.policy': 'delete', 'retention.ms': '-1' }
    const last = { 'cleanup.policy': 'compact' }
    const longMax = '9223372036854775807'
    const anyTime = {
      'message.timestamp.after.max.ms': longMax,
      'message.timestamp.before.max.ms': longMax,
    }
    assert.deepEqual(plan.topics, [
      { name: 'customer-windows', partitions: 12, configs: last, own: false },
      { name: 'orders', partitions: 12, configs: last, own: false },
      { name: 'payments', partitions: 12, configs: all, own: false },
      { name: 'shipments', partitions: 12, configs: last, own: false },
      ...(
        [
          ['shipping-by-customer-repartition', 12, all],
          ['shipping-payments-5m-changelog', 12, last],
          ['shipping-progress-changelog', 12, last],
          ['shipping-stores', 1, last],
        ] as const
      ).map(([name, partitions, configs]) => {
        return { name, partitions, configs: { ...configs, ...anyTime }, own: true }
      }),
    ])
  })

  it('rebuilds a table from its stream and an aggregate from its changelog', () => {
    const stores = plan.subTopologies.flatMap((part) => part.stores)
    assert.deepEqual(
      stores.map(({ kind, topic }) => ({ kind, topic })),
      [
        { kind: 'table', topic: 'orders' },
        { kind: 'aggregate', topic: 'shipping-payments-5m-changelog' },
      ],
    )
  })

  it('keeps the closed windows of a table that can be queried, for its retention', () => {
    const [, windowed] = plan.subTopologies.flatMap((part) => part.stores)
    assert.equal(windowed!.window!.retentionMs, 30 * 86_400_000)
  })

  it('says in which format each store keeps its values', () => {
    const stores = plan.subTopologies.flatMap((part) => part.stores)
    assert.deepEqual(
      stores.map(({ name, format }) => `${name} ${format}`),
      ['orders protobuf/shop.v1.Order', 'payments-5m plain/1'],
    )
  })

  it('does not change when an operator is put before others (rule 36)', () => {
    const wider = service('shipping', {
      reads: [Orders, Payments],
      writes: [],
      topology: (s) => {
        const extra = s
          .stream(Payments)
          .filter(() => true)
          .count('extra')
        const orders = s.table(Orders)
        const perCustomer = s
          .stream(Payments)
          .join(orders, (_payment, order) => order)
          .rekey('by-customer', CustomerId, (order) => order.customerId)
          .count('payments-5m')
        return { extra, orders, perCustomer }
      },
    })
    assert.deepEqual(
      planTopology(wider.build()).subTopologies.map(({ id }) => id),
      plan.subTopologies.map(({ id }) => id),
    )
  })

  it('refuses to join streams with different numbers of partitions (rule 24)', () => {
    const four = entity('orders', OrderSchema, {
      key: keyspace.string('Id', { partitions: 4 }),
      by: 'orderId',
      owner: 'checkout',
    })
    const eight = keyed('payments', PaymentSchema, {
      key: keyspace.string('Id', { partitions: 8 }),
      by: 'orderId',
      owner: 'billing',
    })
    const topology: Topology = {
      service: 'shipping',
      nodes: [
        {
          id: 0,
          kind: 'table',
          event: four,
          store: 'orders',
          startup: 'bootstrap',
          onError: 'stop',
        },
        { id: 1, kind: 'source', event: eight, onError: 'stop' },
        {
          id: 2,
          kind: 'join',
          from: 1,
          table: 0,
          left: false,
          onError: 'stop',
          f: (value) => value,
        },
      ],
      views: { orders: 0 },
    }
    assert.throws(
      () => planTopology(topology),
      (error: Error) =>
        isHeadwaterError(error, 'topology-invalid') &&
        /'orders' with 4 partitions and 'payments' with 8/.test(error.message),
    )
  })

  it('gives an input a topic for its position', () => {
    const billing = service('billing', {
      reads: [],
      writes: [Payments],
      topology: (s) => {
        s.input('bank', Payments, async function* () {})
        return {}
      },
    })
    const { inputs, topics, subTopologies } = planTopology(billing.build())
    assert.equal(subTopologies.length, 0)
    assert.equal(inputs[0]!.positionTopic, 'billing-bank-position')
    assert.deepEqual(
      topics.map(({ name, partitions }) => `${name} ${partitions}`),
      ['billing-bank-position 1', 'billing-stores 1', 'payments 12'],
    )
  })
})
