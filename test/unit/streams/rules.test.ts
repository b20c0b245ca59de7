/** The rules of stream processing that services rely on, one test each, on the driver without a broker. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { service } from '../../../src/service/service.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import { TopologyDriver } from '../../../src/testing/topology-driver.ts'
import {
  CustomerId,
  CustomerWindows,
  Orders,
  Payments,
  Shipments,
  shipping,
} from '../../types/shop.ts'

const minute = 60_000

describe('stream time', () => {
  it('is the greatest event time seen, never the wall clock: old events fill their windows', () => {
    const driver = new TopologyDriver(perOrder('0ms'))
    pay(driver, 'o1', Date.UTC(2001, 0, 1))
    pay(driver, 'o1', Date.UTC(2001, 0, 1) + minute)
    driver.settle()
    assert.equal(driver.get('perOrder', 'o1', new Date('2001-01-01T00:00:00Z')), 2)
  })

  it('is the operator’s own: what a table’s records say does not close a window', () => {
    const driver = new TopologyDriver(shipping)
    order(driver, 'o1', 'c1', Date.UTC(2026, 0, 1))
    pay(driver, 'o1', Date.UTC(2001, 0, 1))
    driver.settle()
    assert.equal(driver.get('perCustomer', 'c1', new Date('2001-01-01T00:00:00Z')), 1)
    assert.equal(driver.counts.late, 0)
  })

  it('goes on after a restart where it was', () => {
    const driver = new TopologyDriver(perOrder('1m'))
    pay(driver, 'o1', 10 * minute)
    driver.settle()
    driver.restart()
    pay(driver, 'o1', 1 * minute)
    driver.settle()
    assert.equal(driver.counts.late, 1)
    assert.equal(driver.get('perOrder', 'o1', new Date(0)), undefined)
  })
})

describe('event time across an inner topic', () => {
  /** Two orders whose payments lie in different partitions. */
  const [slow, quick] = ['o1', 'o3'] as const

  it('is that of the record’s first task: who is behind is not late', () => {
    const driver = new TopologyDriver(perStatus('0ms'))
    for (let at = 0; at < 12; at++) pay(driver, quick, at * 10 * minute)
    driver.settle()
    for (let at = 0; at < 12; at++) pay(driver, slow, at * 10 * minute)
    driver.settle()
    assert.equal(driver.counts.late, 0)
    assert.deepEqual(
      driver.rows('perStatus').map(({ value }) => value),
      Array.from({ length: 12 }, () => 2),
    )
  })

  it('says late of the same records at any pace', () => {
    const times = [0, 30, 10, 31, 40, 5, 50].map((at) => at * minute)
    const pay2 = (driver: TopologyDriver): void => {
      for (const at of times) for (const id of [quick, slow]) pay(driver, id, at)
    }
    const atOnce = new TopologyDriver(perStatus('0ms'))
    pay2(atOnce)
    atOnce.settle()
    const oneByOne = new TopologyDriver(perStatus('0ms'))
    for (const id of [slow, quick]) {
      for (const at of times) {
        pay(oneByOne, id, at)
        oneByOne.settle()
        oneByOne.restart()
      }
    }
    assert.equal(atOnce.counts.late, 4)
    assert.equal(oneByOne.counts.late, 4)
    assert.deepEqual(oneByOne.rows('perStatus'), atOnce.rows('perStatus'))
  })

  it('keeps windows until the slowest task has passed them', () => {
    const driver = new TopologyDriver(perStatus('0ms', '0ms'))
    pay(driver, slow, 0)
    pay(driver, quick, 0)
    driver.settle()
    for (let at = 1; at < 30; at++) {
      pay(driver, quick, at * 10 * minute)
      driver.settle()
    }
    pay(driver, slow, 1)
    driver.settle()
    assert.equal(driver.get('perStatus', 'CAPTURED', new Date(0)), 3)
    for (let at = 1; at < 30; at++) {
      pay(driver, slow, at * 10 * minute)
      driver.settle()
    }
    assert.equal(driver.get('perStatus', 'CAPTURED', new Date(0)), undefined)
    assert.equal(driver.counts.late, 0)
  })
})

describe('a tumbling window', () => {
  it('holds its start and not its end, aligned to 1970, before 1970 too', () => {
    const driver = new TopologyDriver(perOrder('1m'))
    for (const at of [-2, 0, 5 * minute - 1, 5 * minute]) pay(driver, 'o1', at)
    driver.settle()
    const counts = driver.rows('perOrder').map(({ start, value }) => [start, value])
    assert.deepEqual(counts, [
      [-5 * minute, 1],
      [0, 2],
      [5 * minute, 1],
    ])
  })

  it('takes late records during its grace, and none from the moment the grace ends', () => {
    const driver = new TopologyDriver(perOrder('1m'))
    pay(driver, 'o1', 0)
    pay(driver, 'o1', 6 * minute - 1)
    pay(driver, 'o1', 1)
    pay(driver, 'o1', 6 * minute)
    pay(driver, 'o1', 2)
    driver.settle()
    assert.equal(driver.get('perOrder', 'o1', new Date(0)), 2)
    assert.equal(driver.counts.late, 1)
  })

  it('is dropped after its grace, without a deletion downstream, when nobody can query it', () => {
    const driver = new TopologyDriver(emitted)
    pay(driver, 'o1', 0)
    driver.settle()
    pay(driver, 'o1', 60 * minute)
    driver.settle()
    driver.restart()
    driver.settle()
    assert.deepEqual(
      driver
        .read(CustomerWindows)
        .map(({ id, payments }) => `${id}: ${payments}`)
        .toSorted(),
      ['o1 1970-01-01T00:00:00.000Z: 1', 'o1 1970-01-01T01:00:00.000Z: 1'],
    )
  })
})

describe('a stream joined with a table', () => {
  it('meets the row of that moment: earlier by time, later not', () => {
    const driver = new TopologyDriver(joined('interleave'))
    order(driver, 'o1', 'before', 1)
    pay(driver, 'o1', 2)
    order(driver, 'o1', 'after', 3)
    driver.settle()
    assert.deepEqual(addresses(driver), ['before'])
  })

  it('waits until the table is read to its end when it is bootstrapped', () => {
    const driver = new TopologyDriver(joined('bootstrap'))
    pay(driver, 'o1', 1)
    order(driver, 'o1', 'later', 2)
    driver.restart()
    driver.settle()
    assert.deepEqual(addresses(driver), ['later'])
  })

  it('is triggered by the stream alone: a change or deletion of the table emits nothing', () => {
    const driver = new TopologyDriver(joined('interleave'))
    order(driver, 'o1', 'a', 1)
    pay(driver, 'o1', 2)
    driver.settle()
    order(driver, 'o1', 'b', 3)
    driver.delete(Orders, 'o1', 4)
    driver.settle()
    assert.deepEqual(addresses(driver), ['a'])
  })

  it('finds nothing after a deletion: an inner join drops, a left join keeps', () => {
    for (const [left, expected] of [
      [false, []],
      [true, ['nowhere']],
    ] as const) {
      const driver = new TopologyDriver(joined('interleave', left))
      order(driver, 'o1', 'a', 1)
      driver.delete(Orders, 'o1', 2)
      pay(driver, 'o1', 3)
      driver.settle()
      assert.deepEqual(addresses(driver), expected)
    }
  })
})

describe('a table', () => {
  it('keeps the last record by offset, even with an older timestamp', () => {
    const driver = new TopologyDriver(joined('interleave'))
    order(driver, 'o1', 'newer', 10)
    order(driver, 'o1', 'older', 5)
    driver.settle()
    assert.equal((driver.get('orders', 'o1') as { address: string }).address, 'older')
  })

  it('is rebuilt from its stream, but only up to the committed position', () => {
    const driver = new TopologyDriver(joined('interleave'))
    order(driver, 'o1', 'processed', 1)
    driver.settle()
    order(driver, 'o1', 'not yet', 3)
    pay(driver, 'o1', 2)
    driver.restart()
    driver.settle()
    assert.deepEqual(addresses(driver), ['processed'])
  })
})

describe('a fold', () => {
  it('leaves once per key and commit, with its last value', () => {
    const driver = new TopologyDriver(emitted)
    for (let n = 0; n < 5; n++) pay(driver, 'o1', n)
    driver.settle()
    assert.deepEqual(
      driver.read(CustomerWindows).map(({ payments }) => payments),
      [5],
    )
  })

  it('begins anew after it has folded to nothing, and deletes downstream', () => {
    const driver = new TopologyDriver(untilRefund)
    pay(driver, 'o1', 1, 'CAPTURED', 5)
    driver.settle()
    pay(driver, 'o1', 2, 'REFUNDED')
    driver.settle()
    assert.deepEqual(driver.rows('paid'), [])
    driver.restart()
    pay(driver, 'o1', 3, 'CAPTURED', 7)
    driver.settle()
    assert.deepEqual(driver.rows('paid'), [{ key: 'o1', start: undefined, value: 7 }])
    assert.deepEqual(
      driver.read(Shipments).map(({ amount }) => amount),
      [5, 7],
    )
  })

  it('continues from its changelog after a restart', () => {
    const driver = new TopologyDriver(perOrder('1m'))
    pay(driver, 'o1', 1)
    pay(driver, 'o2', 2)
    driver.settle()
    driver.restart()
    pay(driver, 'o1', 3)
    driver.settle()
    assert.equal(driver.get('perOrder', 'o1', new Date(0)), 2)
    assert.equal(driver.get('perOrder', 'o2', new Date(0)), 1)
  })
})

describe('a rekeyed stream', () => {
  it('carries values that are no message whole, and groups them by the new key', () => {
    const driver = new TopologyDriver(shipping)
    for (let n = 0; n < 20; n++) {
      order(driver, `o${n}`, `c${n % 3}`, 1)
      pay(driver, `o${n}`, 2)
    }
    driver.restart()
    driver.settle()
    const counts = ['c0', 'c1', 'c2'].map((key) => driver.get('perCustomer', key, new Date(0)))
    assert.deepEqual(counts, [7, 7, 6])
    assert.equal(driver.read(Shipments).length, 20)
  })

  it('drops values whose new key is null, and counts them', () => {
    const driver = new TopologyDriver(
      service('shipping', {
        reads: [Payments],
        writes: [],
        topology: (s) => ({
          n: s
            .stream(Payments)
            .rekey('by-nothing', CustomerId, () => null as unknown as string)
            .count('n'),
        }),
      }),
    )
    pay(driver, 'o1', 1)
    driver.settle()
    assert.equal(driver.counts.dropped, 1)
    assert.deepEqual(driver.rows('n'), [])
  })
})

function perStatus(grace: '0ms', retention: '0ms' | 'forever' = 'forever') {
  return service('shipping', {
    reads: [Payments],
    writes: [],
    topology: (s) => ({
      perStatus: s
        .stream(Payments)
        .rekey('by-status', CustomerId, ({ status }) => status)
        .window(tumbling('5m', { grace, retention }))
        .count('per-status'),
    }),
  })
}

function perOrder(grace: '0ms' | '1m') {
  return service('shipping', {
    reads: [Payments],
    writes: [],
    topology: (s) => ({
      perOrder: s.stream(Payments).window(tumbling('5m', { grace })).count('per-order'),
    }),
  })
}

const emitted = service('shipping', {
  reads: [Payments],
  writes: [CustomerWindows],
  topology: (s) => {
    s.stream(Payments)
      .window(tumbling('5m', { grace: '0ms' }))
      .count('per-order')
      .to(CustomerWindows, (payments, { start }, id) => {
        return { id: `${id} ${start.toISOString()}`, customerId: id, payments }
      })
    return {}
  },
})

const untilRefund = service('shipping', {
  reads: [Payments],
  writes: [Shipments],
  topology: (s) => {
    const paid = s.stream(Payments).reduce<number | undefined>(
      'paid',
      () => 0,
      (sum, { status, amount }) => (status === 'REFUNDED' ? undefined : (sum ?? 0) + amount),
    )
    paid.to(Shipments, (amount, orderId) => ({ orderId, address: '', amount: amount ?? 0 }))
    return { paid }
  },
})

function joined(startup: 'bootstrap' | 'interleave', left = false) {
  return service('shipping', {
    reads: [Orders, Payments],
    writes: [Shipments],
    topology: (s) => {
      const orders = s.table(Orders, { startup })
      const payments = s.stream(Payments)
      if (left) {
        payments
          .leftJoin(orders, ({ orderId, amount }, row) => {
            return { orderId, address: row?.address ?? 'nowhere', amount }
          })
          .to(Shipments)
      } else {
        payments
          .join(orders, ({ orderId, amount }, { address }) => ({ orderId, address, amount }))
          .to(Shipments)
      }
      return { orders }
    },
  })
}

function addresses(driver: TopologyDriver): string[] {
  return driver.read(Shipments).map(({ address }) => address)
}

function pay(
  driver: TopologyDriver,
  orderId: string,
  at: number,
  status = 'CAPTURED',
  amount = 1,
): void {
  driver.send(Payments, { paymentId: 'p', orderId, status, amount, paidAt: BigInt(at) })
}

function order(driver: TopologyDriver, orderId: string, name: string, at: number): void {
  const placedAt = { seconds: BigInt(Math.floor(at / 1000)), nanos: (at % 1000) * 1_000_000 }
  driver.send(Orders, { orderId, customerId: name, address: name, total: 1, placedAt })
}
