/** What values may be and what becomes of those that are none: state, nulls, times, deleted windows. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { HeadwaterError } from '../../../src/base/errors.ts'
import { service } from '../../../src/service/service.ts'
import type { AnyEvent } from '../../../src/events/event.ts'
import type { Service } from '../../../src/service/service.ts'
import type { Builder, Queries } from '../../../src/streams/topology/builder.ts'
import { operatorCounts } from '../../../src/streams/operators/counts.ts'
import { planTopology } from '../../../src/streams/plan/plan.ts'
import { keyCodecs } from '../../../src/streams/stores/serde.ts'
import { Task } from '../../../src/streams/task/task.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import { TopologyDriver } from '../../../src/testing/topology-driver.ts'
import { CustomerWindowSchema, OrderSchema, PaymentSchema } from '../../gen/shop/v1/shop_pb.ts'
import {
  CustomerId,
  CustomerWindows,
  Orders,
  Payments,
  Shipments,
  Visits,
} from '../../types/shop.ts'

const minute = 60_000
const minutes5 = tumbling('5m', { grace: '0ms', retention: '10m' })

describe('a null or undefined that a function returns', () => {
  const nothing = (): { orderId: string; address: string; amount: number } | null => null

  it('is dropped and counted where it arises, and never written, joined or deleted with', () => {
    const called: string[] = []
    const driver = over([Payments, Orders], [Shipments], (s) => {
      const orders = s.table(Orders)
      const payments = s.stream(Payments)
      payments.map(nothing).to(Shipments, (shipment) => {
        called.push('to')
        return shipment
      })
      payments.flatMap(() => [nothing(), undefined]).to(Shipments)
      payments
        .map(nothing)
        .leftJoin(orders, () => called.push('join'))
        .to(Shipments, () => ({ orderId: '', address: '', amount: 0 }))
      payments.leftJoin(orders, nothing).to(Shipments)
      payments.to(Shipments, (() => null) as never)
      payments.to(Shipments, (() => undefined) as never)
      return {}
    })
    pay(driver, 'o1', 1)
    driver.settle()
    assert.deepEqual(called, [])
    assert.deepEqual(driver.read(Shipments), [])
    assert.deepEqual(driver.counts.drops, {
      noKey: 0,
      noValue: 7,
      noTime: 0,
      late: 0,
      unmatched: 0,
    })
    assert.equal(driver.counts.dropped, 7)
  })

  it('deletes downstream when it is made of a row of a table', () => {
    const s = service('shipping', {
      reads: [Orders],
      writes: [Shipments],
      topology: (b) => {
        b.table(Orders).to(Shipments, ((order: { orderId: string; total: number }) =>
          order.total > 5 ? { orderId: order.orderId } : null) as never)
        return {}
      },
    })
    const { task, written } = run(s)
    put(task, Orders.name, 'o1', { total: 9 })
    put(task, Orders.name, 'o1', { total: 1 })
    assert.deepEqual(written, ['shipments o1 value', 'shipments o1 null'])
  })
})

describe('a record without a time', () => {
  it('is in no window: it is dropped and counted', () => {
    const driver = over([Visits], [], (s) => ({
      visits: s
        .stream(Visits)
        .rekey('by-path', CustomerId, ({ path }) => path)
        .window(tumbling('5m', { grace: '1m' }))
        .count('visits'),
    }))
    driver.send(Visits, { path: '/a' }, -1)
    driver.send(Visits, { path: '/a' }, -2)
    driver.settle()
    assert.deepEqual(driver.rows('visits'), [{ key: '/a', start: -5 * minute, value: 1 }])
    assert.deepEqual(driver.counts.drops, {
      noKey: 0,
      noValue: 0,
      noTime: 1,
      late: 0,
      unmatched: 0,
    })
  })
})

describe('a windowed table', () => {
  const refundable = service('shipping', {
    reads: [Payments],
    writes: [CustomerWindows],
    topology: (s) => {
      s.stream(Payments)
        .window(minutes5)
        .reduce<{ sum: number } | undefined>(
          'sums',
          () => ({ sum: 0 }),
          (state, { status, amount }) => {
            if (status === 'REFUNDED') return undefined
            state!.sum += amount
            return state
          },
        )
        .to(CustomerWindows, (state, { start }, id) => {
          return { id: `${id} ${start.getTime()}`, customerId: id, payments: state!.sum }
        })
      return {}
    },
  })

  it('deletes downstream what it deletes, under the key its message had', () => {
    const { task, written } = run(refundable)
    payment(task, 'o1', 1)
    payment(task, 'o1', 5 * minute)
    flush(task)
    task.pipeline.committed()
    payment(task, 'o1', 5 * minute, 'REFUNDED')
    flush(task)
    assert.deepEqual(outOf(written, CustomerWindows.name), [
      'customer-windows o1 0 value',
      'customer-windows o1 300000 value',
      'customer-windows o1 300000 null',
    ])
  })

  it('deletes what was written in the same transaction, and nothing that never was', () => {
    const { task, written } = run(refundable)
    payment(task, 'o1', 1)
    flush(task)
    payment(task, 'o1', 2, 'REFUNDED')
    flush(task)
    payment(task, 'o2', 1, 'REFUNDED')
    flush(task)
    assert.deepEqual(outOf(written, CustomerWindows.name), [
      'customer-windows o1 0 value',
      'customer-windows o1 0 null',
    ])
  })

  it('keeps closed windows for its retention when it is returned, also in its changelog', () => {
    const driver = over([Payments], [], (s) => ({
      perOrder: s.stream(Payments).window(minutes5).count('per-order'),
    }))
    const starts = () => driver.rows('perOrder').map(({ start }) => start)
    pay(driver, 'o1', 0)
    pay(driver, 'o1', 15 * minute - 1)
    driver.settle()
    assert.deepEqual(starts(), [0, 10 * minute])
    pay(driver, 'o1', 15 * minute)
    driver.settle()
    assert.deepEqual(starts(), [10 * minute, 15 * minute])
    driver.restart()
    assert.deepEqual(starts(), [10 * minute, 15 * minute])
  })
})

describe('state', () => {
  it('comes back after a restart as it was, whatever its keys are called', () => {
    const driver = over([Payments], [], (s) => ({
      seen: s.stream(Payments).reduce(
        'seen',
        (): Record<string, unknown> => ({}),
        (seen, { paymentId, amount }) => {
          return { ...seen, [paymentId]: amount, at: new Date(5), hash: Buffer.from('abc') }
        },
      ),
    }))
    const ids = ['$bigint', '$date', '$bytes', '$number', '', 'constructor']
    for (const paymentId of ids) pay(driver, 'o1', 1, { paymentId, amount: 5 })
    driver.settle()
    const before = driver.get('seen', 'o1')
    driver.restart()
    assert.deepEqual(driver.get('seen', 'o1'), before)
    assert.deepEqual(Object.keys(before as object).toSorted(), [...ids, 'at', 'hash'].toSorted())
  })

  it('cannot be changed through what a query or a join got', () => {
    const driver = over([Payments], [Shipments], (s) => {
      const payments = s.stream(Payments)
      const sums = payments.reduce(
        'sums',
        () => ({ sum: 0 }),
        (state, { amount }) => {
          state.sum += amount
          return state
        },
      )
      payments
        .join(sums, ({ orderId }, state) => {
          state.sum = 1000
          return { orderId, address: '', amount: 0 }
        })
        .to(Shipments)
      return { sums }
    })
    pay(driver, 'o1', 1)
    driver.settle()
    ;(driver.get('sums', 'o1') as { sum: number }).sum = 1000
    pay(driver, 'o1', 2)
    driver.settle()
    assert.deepEqual(driver.get('sums', 'o1'), { sum: 2 })
    assert.equal(driver.read(Shipments).length, 2)
  })

  it('that cannot be stored stops the service with the store, the key and the place', () => {
    const driver = over([Payments], [], (s) => ({
      n: s.stream(Payments).reduce(
        'n',
        (): unknown => ({}),
        () => ({ items: [0, { when: new Map() }] }),
      ),
    }))
    pay(driver, 'a', 1)
    assert.throws(() => driver.settle(), {
      code: 'operator-failed',
      causeCode: 'record-invalid',
      message: /^state of 'n' for key 'a': \.items\[1\]\.when is a Map, which cannot be stored/,
    })
  })

  it('may be a message', () => {
    const s = service('shipping', {
      reads: [Payments],
      writes: [],
      topology: (b) => ({
        sums: b.stream(Payments).reduce(
          'sums',
          (id) => create(CustomerWindowSchema, { id }),
          (sum, { amount }) => ({ ...sum, payments: sum.payments + amount }),
          { state: CustomerWindowSchema },
        ),
      }),
    })
    const plan = planTopology(s.build())
    assert.equal(plan.subTopologies[0]!.stores[0]!.format, 'protobuf/shop.v1.CustomerWindow')
    const driver = new TopologyDriver(s)
    pay(driver, 'o1', 1)
    driver.settle()
    driver.restart()
    pay(driver, 'o1', 1)
    driver.settle()
    assert.deepEqual(
      driver.get('sums', 'o1'),
      create(CustomerWindowSchema, { id: 'o1', payments: 2 }),
    )
  })
})

describe('a value under another key', () => {
  it('keeps its bytes as bytes', () => {
    const seen: unknown[] = []
    const driver = over([Payments], [], (s) => ({
      n: s
        .stream(Payments)
        .map(({ orderId }) => ({ orderId, hash: Buffer.from('abc') }))
        .rekey('by-order', CustomerId, ({ orderId }) => orderId)
        .filter((value) => seen.push(value) > 0)
        .count('n'),
    }))
    pay(driver, 'o1', 1)
    driver.settle()
    assert.deepEqual(seen, [{ orderId: 'o1', hash: new Uint8Array([97, 98, 99]) }])
  })

  it('that cannot be stored is the function’s failure, with the place', () => {
    const driver = over([Payments], [], (s) => ({
      n: s
        .stream(Payments)
        .map(({ orderId }) => ({ orderId, by: new Map() as unknown }))
        .rekey('by-order', CustomerId, ({ orderId }) => orderId)
        .count('n'),
    }))
    pay(driver, 'o1', 1)
    assert.throws(() => driver.settle(), {
      code: 'operator-failed',
      causeCode: 'record-invalid',
      message: /rekey 'by-order' cannot write its value: \.by is a Map.*\(record-invalid\)/,
    })
  })
})

describe('what the producer throws', () => {
  const toStream = service('shipping', {
    reads: [Payments],
    writes: [Shipments],
    topology: (s) => {
      s.stream(Payments).to(Shipments, ({ orderId }) => ({ orderId, address: '', amount: 0 }))
      return {}
    },
  })
  const rekeyed = service('shipping', {
    reads: [Payments],
    writes: [],
    topology: (s) => ({
      n: s
        .stream(Payments)
        .rekey('by-customer', CustomerId, () => 'c')
        .count('n'),
    }),
  })
  const counted = service('shipping', {
    reads: [Payments],
    writes: [],
    topology: (s) => ({ n: s.stream(Payments).count('n') }),
  })
  for (const [way, declared] of Object.entries({ toStream, rekeyed, counted })) {
    it(`passes unchanged: ${way}`, () => {
      const fenced = new HeadwaterError('fenced', 'the producer was replaced')
      const { task } = run(declared, () => {
        throw fenced
      })
      const work = (): void => {
        payment(task, 'o1', 1)
        flush(task)
      }
      assert.throws(work, (error) => error === fenced)
    })
  }
})

type Topology = (s: Builder<string, string>) => Queries

/** A driver of a service that may read and write the streams by any name. */
function over(
  reads: readonly AnyEvent[],
  writes: readonly AnyEvent[],
  topology: Topology,
): TopologyDriver {
  return new TopologyDriver(service('shipping', { reads, writes, topology } as never))
}

function pay(
  driver: TopologyDriver,
  orderId: string,
  at: number,
  { paymentId = 'p', amount = 1 } = {},
): void {
  driver.send(Payments, { paymentId, orderId, amount, status: 'CAPTURED', paidAt: BigInt(at) })
}

/** The first task of a service, and what it writes. */
function run(declared: Service, onAppend: () => void = () => undefined) {
  const plan = planTopology(declared.build())
  const written: string[] = []
  const text = new TextDecoder()
  const emit = {
    append(
      topic: string,
      _partition: number,
      _at: number,
      key: Uint8Array,
      value: Uint8Array | null,
    ) {
      onAppend()
      written.push(`${topic} ${text.decode(key)} ${value === null ? 'null' : 'value'}`)
    },
  }
  const context = { plan, keys: keyCodecs(), emit, counts: operatorCounts() }
  const first = plan.subTopologies.find(({ sources }) => sources.every(({ inner }) => !inner))!
  return { task: new Task(context, first, 0), written }
}

function payment(task: Task, orderId: string, at: number, status = 'CAPTURED'): void {
  task.pipeline.enter.get(Payments.name)!(
    orderId,
    create(PaymentSchema, { orderId, status, amount: 1 }),
    at,
  )
}

function put(task: Task, topic: string, orderId: string, fields: { total: number }): void {
  task.pipeline.enter.get(topic)!(orderId, create(OrderSchema, { orderId, ...fields }), 1)
  flush(task)
}

function flush(task: Task): void {
  while (!task.flush(1000));
}

function outOf(written: readonly string[], topic: string): string[] {
  return written.filter((line) => line.startsWith(topic))
}
