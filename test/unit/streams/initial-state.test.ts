/** What keys begin from is their own, also where one object is given for all of them. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { service } from '../../../src/service/service.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import type { OnError } from '../../../src/streams/topology/topology.ts'
import { TopologyDriver } from '../../../src/testing/topology-driver.ts'
import { ShipmentSchema } from '../../gen/shop/v1/shop_pb.ts'
import { Payments } from '../../types/shop.ts'

interface Sums {
  sum: number
  readonly amounts: number[]
}

function add(sums: Sums, amount: number): Sums {
  sums.sum += amount
  sums.amounts.push(amount)
  return sums
}

for (const onError of ['stop', 'skip'] satisfies OnError[]) {
  it(`keys share no state that folds change in place (onError: '${onError}')`, () => {
    const shared: Sums = { sum: 0, amounts: [] }
    const message = create(ShipmentSchema, { orderId: '', address: '', amount: 0 })
    const driver = new TopologyDriver(
      service('sums', {
        reads: [Payments],
        writes: [],
        onError,
        topology: (s) => {
          const payments = s.stream(Payments)
          return {
            plain: payments.reduce(
              'plain',
              () => shared,
              (sums, { amount }) => add(sums, amount),
            ),
            windowed: payments.window(tumbling('1m', { grace: '0s' })).reduce(
              'windowed',
              () => shared,
              (sums, { amount }) => add(sums, amount),
            ),
            messages: payments.reduce(
              'messages',
              () => message,
              (sum, { amount }) => {
                sum.amount += amount
                return sum
              },
              { state: ShipmentSchema },
            ),
          }
        },
      }),
    )
    const orders = ['o1', 'o2', 'o1', 'o3'] as const
    for (const [n, orderId] of orders.entries()) {
      const payment = { paymentId: 'p', status: 'CAPTURED', orderId, paidAt: 1n }
      driver.send(Payments, { ...payment, amount: 10 ** n })
    }
    driver.settle()
    const of = (orderId: string) => [
      driver.get('plain', orderId),
      driver.get('windowed', orderId, new Date(0)),
      driver.get('messages', orderId)?.amount,
    ]
    const sums = (...amounts: number[]): Sums => ({
      sum: amounts.reduce((a, b) => a + b),
      amounts,
    })
    assert.deepEqual(of('o1'), [sums(1, 100), sums(1, 100), 101])
    assert.deepEqual(of('o2'), [sums(10), sums(10), 10])
    assert.deepEqual(of('o3'), [sums(1000), sums(1000), 1000])
    assert.deepEqual([shared, message.amount], [{ sum: 0, amounts: [] }, 0])
  })
}
