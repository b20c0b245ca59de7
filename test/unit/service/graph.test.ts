/** The business topology: who writes, who reads, and services that contradict each other. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { keyspace } from '../../../src/events/event.ts'
import { businessTopology } from '../../../src/service/graph.ts'
import { service } from '../../../src/service/service.ts'
import { copier, web } from '../../types/inferred.ts'
import { Orders, Payments, Visits, shipping } from '../../types/shop.ts'

const nothing = () => ({})

describe('the business topology', () => {
  test('shows services and streams in order, with writers and readers', () => {
    const audit = service('audit', { reads: [Visits, Orders], writes: [], topology: nothing })
    const { services, streams } = businessTopology([shipping, web, audit])
    assert.deepEqual(services, [
      { name: 'audit', context: undefined, reads: ['visits', 'orders'], writes: [] },
      {
        name: 'shipping',
        context: 'logistics',
        reads: ['orders', 'payments'],
        writes: ['shipments', 'customer-windows'],
      },
      { name: 'web', context: 'shop-front', reads: [], writes: ['visits'] },
    ])
    assert.deepEqual(
      streams.map(({ name, writer, readers }) => [name, writer, readers]),
      [
        ['customer-windows', 'shipping', []],
        ['orders', undefined, ['audit', 'shipping']],
        ['payments', undefined, ['shipping']],
        ['shipments', 'shipping', []],
        ['visits', 'web', ['audit']],
      ],
    )
    assert.deepEqual(streams[1], {
      name: 'orders',
      kind: 'entity',
      context: 'ordering',
      owner: 'checkout',
      message: 'shop.v1.Order',
      keyspace: 'OrderId',
      partitions: 12,
      writer: undefined,
      readers: ['audit', 'shipping'],
    })
  })

  test('is refused when two services have one name', () => {
    assert.throws(() => businessTopology([shipping, web, copier]), {
      code: 'topology-invalid',
      message: "two services are called 'shipping': rename one of them",
    })
  })

  test('is refused when two services would write one stream', () => {
    const claimed = { ...Visits, owner: 'tracker' } as const
    const tracker = service('tracker', { reads: [], writes: [claimed], topology: nothing })
    assert.throws(
      () => businessTopology([web, tracker]),
      /stream 'visits' has the owner 'tracker' in service 'tracker' and 'web' in service 'web'/,
    )
  })

  test('is refused when two services see one stream differently', () => {
    const OtherId = keyspace.string('OtherId', { partitions: 12 })
    const other = { ...Payments, key: OtherId } as const
    const audit = service('audit', { reads: [other], writes: [], topology: nothing })
    assert.throws(
      () => businessTopology([shipping, audit]),
      /stream 'payments' has the keyspace 'OtherId' in service 'audit' and 'OrderId' in service 'shipping': let both use one declaration/,
    )
  })
})
