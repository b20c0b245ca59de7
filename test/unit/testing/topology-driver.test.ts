import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { TopologyDriver } from '../../../src/testing/topology-driver.ts'
import { Orders, Payments, Shipments, Visits, shipping } from '../../types/shop.ts'

function order(address: string) {
  return { orderId: 'o1', customerId: 'c1', address, total: 1 }
}

describe('the topology driver', () => {
  it('runs a service on what was sent, to the end, when it settles', () => {
    const driver = new TopologyDriver(shipping)
    driver.send(Orders, order('Main St'))
    const paid = { paymentId: 'p1', orderId: 'o1', status: 'CAPTURED', amount: 5 }
    driver.send(Payments, { ...paid, paidAt: 60_000n })
    assert.deepEqual(driver.read(Shipments), [])
    driver.settle()
    assert.deepEqual(
      driver.read(Shipments).map(({ orderId, amount }) => [orderId, amount]),
      [['o1', 5]],
    )
    assert.equal(driver.get('perCustomer', 'c1', new Date(0)), 1)
    assert.deepEqual(driver.rows('perCustomer'), [{ key: 'c1', start: 0, value: 1 }])
  })

  it('gives events without a time of their own the one that is asked for', () => {
    const driver = new TopologyDriver(shipping)
    driver.send(Orders, order('first'), 20)
    driver.send(Orders, order('second'), 10)
    driver.settle()
    assert.equal(driver.get('orders', 'o1')?.address, 'second')
  })

  it('forgets everything but the topics when it restarts', () => {
    const driver = new TopologyDriver(shipping)
    driver.send(Orders, order('Main St'))
    driver.settle()
    driver.restart()
    assert.notEqual(driver.get('orders', 'o1'), undefined)
    driver.delete(Orders, 'o1')
    driver.settle()
    assert.deepEqual(driver.rows('orders'), [])
  })

  it('knows only the streams and tables of its service', () => {
    const driver = new TopologyDriver(shipping)
    const isUnknown = (error: unknown): boolean => isHeadwaterError(error, 'not-found')
    assert.throws(() => driver.send(Visits, { path: '/' }), isUnknown)
    assert.throws(() => driver.read(Visits), isUnknown)
    assert.throws(() => driver.get('nothing' as 'orders', 'o1'), isUnknown)
  })
})
