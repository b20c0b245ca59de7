import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assignTasks, subscribedTopics } from '../../../src/streams/plan/assignment.ts'
import { planTopology } from '../../../src/streams/plan/plan.ts'
import { service } from '../../../src/service/service.ts'
import { Payments, shipping } from '../../types/shop.ts'

describe('an assignment', () => {
  const plan = planTopology(shipping.build())

  it('asks the group for every topic that is read, inner ones included', () => {
    assert.deepEqual(subscribedTopics(plan), [
      'orders',
      'payments',
      'shipping-by-customer-repartition',
    ])
  })

  it('makes one task of the same partition of all topics of a sub-topology', () => {
    const { tasks, inputs } = assignTasks(plan, [
      { topic: 'payments', partition: 3 },
      { topic: 'orders', partition: 3 },
      { topic: 'shipping-by-customer-repartition', partition: 7 },
    ])
    assert.deepEqual(
      tasks.map(({ id }) => id),
      ['orders+payments/3', 'shipping-by-customer-repartition/7'],
    )
    assert.deepEqual(inputs, [])
  })

  it('refuses a task with state and only some of its inputs', () => {
    assert.throws(
      () => assignTasks(plan, [{ topic: 'payments', partition: 3 }]),
      /orders\+payments\/3 has state and was assigned only some of its inputs/,
    )
  })

  it('gives an input to the owner of its position', () => {
    const billing = service('billing', {
      reads: [],
      writes: [Payments],
      topology: (s) => {
        s.input('bank', Payments, async function* () {})
        return {}
      },
    })
    const withInput = planTopology(billing.build())
    const mine = assignTasks(withInput, [{ topic: 'billing-bank-position', partition: 0 }])
    assert.deepEqual(
      mine.inputs.map(({ id, split }) => [id, split]),
      [['bank', 0]],
    )
    assert.deepEqual(assignTasks(withInput, []).inputs, [])
  })

  it('gives the splits of an input to the owners of their positions', () => {
    const billing = service('billing', {
      reads: [],
      writes: [Payments],
      topology: (s) => {
        s.input('bank', Payments, async function* () {}, { splits: 3 })
        return {}
      },
    })
    const owned = [2, 0, 7].map((partition) => ({ topic: 'billing-bank-position', partition }))
    assert.deepEqual(
      assignTasks(planTopology(billing.build()), owned).inputs.map(({ id, split }) => [id, split]),
      [
        ['bank/0', 0],
        ['bank/2', 2],
      ],
    )
  })
})
