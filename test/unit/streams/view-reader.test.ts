import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { operatorCounts } from '../../../src/streams/operators/operator.ts'
import { planTopology } from '../../../src/streams/plan/plan.ts'
import { keyCodecs } from '../../../src/streams/stores/serde.ts'
import { Task } from '../../../src/streams/task/task.ts'
import { asView, openViews } from '../../../src/streams/views/view-reader.ts'
import type { TableView, WindowView } from '../../../src/streams/views/views.ts'
import { OrderSchema } from '../../gen/shop/v1/shop_pb.ts'
import type { Order } from '../../gen/shop/v1/shop_pb.ts'
import { shipping } from '../../types/shop.ts'

const minute = 60_000

describe('views over the tasks of an instance', () => {
  const plan = planTopology(shipping.build())
  let failure: Error | undefined
  const [orderTasks, countTasks] = plan.subTopologies.map((part) =>
    [0, 1].map((n) => task(part, n)),
  )
  const views = openViews(
    plan,
    () => [...orderTasks!, ...countTasks!],
    () => {
      if (failure !== undefined) throw failure
    },
  )
  const orders = views['orders']!
  const counts = views['perCustomer']!
  for (const [i, key] of ['b', 'a2', 'a1'].entries()) {
    orderTasks![i % 2]!.pipeline.tables.get(0)!.put(key, { orderId: key })
  }
  for (const [key, start, value] of [
    ['c1', 5 * minute, 2],
    ['c1', 0, 1],
    ['c2', 0, 7],
  ] as const) {
    const store = [...countTasks![0]!.pipeline.aggregates.values()][0]!
    store.set(store.touch(key, start), value, start)
  }
  for (const { pipeline } of [...orderTasks!, ...countTasks!]) {
    pipeline.flush(100, new Set())
    pipeline.committed()
  }

  it('say what they hold', () => {
    assert.deepEqual(
      [orders.keyType, orders.schema, orders.windowMs],
      ['string', OrderSchema, undefined],
    )
    assert.deepEqual([counts.schema, counts.windowMs], [undefined, 5 * minute])
    assert.deepEqual([orders.size(), counts.size()], [3, 3])
  })

  it('find a key in whichever task has it', () => {
    assert.equal((orders.get('a2') as Order).orderId, 'a2')
    assert.equal(orders.get('none'), undefined)
    assert.equal(counts.getWindow('c1', 5 * minute), 2)
    assert.equal(counts.get('c1'), undefined)
  })

  it('list keys in order, by prefix and up to a limit', () => {
    assert.deepEqual(
      orders.scan('a', 10).map(({ key }) => key),
      ['a1', 'a2'],
    )
    assert.deepEqual(
      orders.scan('', 2).map(({ key }) => key),
      ['a1', 'a2'],
    )
    assert.deepEqual(counts.scan('c1', 10), [
      { key: 'c1', windowStart: 0, value: 1 },
      { key: 'c1', windowStart: 5 * minute, value: 2 },
    ])
  })

  it('answer callers of this process by key, and by the time a window holds', async () => {
    const table = asView(orders) as TableView<string, unknown>
    assert.equal(((await table.get('b')) as Order).orderId, 'b')
    const listed = await Array.fromAsync(table.scan({ prefix: 'a', limit: 1 }))
    assert.deepEqual(
      listed.map(([key, order]) => [key, (order as Order).orderId]),
      [['a1', 'a1']],
    )
    const windows = asView(counts) as WindowView<string, unknown>
    assert.equal(await windows.get('c1', new Date(5 * minute + 1)), 2)
    const inRange = await Array.fromAsync(windows.range('c1', new Date(1), new Date(9 * minute)))
    assert.deepEqual(inRange, [
      { start: new Date(5 * minute), end: new Date(10 * minute), value: 2 },
    ])
  })

  it('hand out values that are the caller’s own', () => {
    ;(orders.get('b') as Order).orderId = 'mine'
    ;(orders.scan('b', 1)[0]!.value as Order).orderId = 'mine'
    assert.equal((orders.get('b') as Order).orderId, 'b')
  })

  it('reject with the reason when there can be no answer', async () => {
    failure = new Error('the service has failed')
    const table = asView(orders) as TableView<string, unknown>
    const windows = asView(counts) as WindowView<string, unknown>
    assert.throws(() => orders.size(), failure)
    await assert.rejects(table.get('b'), failure)
    await assert.rejects(Array.fromAsync(table.scan()), failure)
    await assert.rejects(windows.get('c1', new Date(0)), failure)
    await assert.rejects(Array.fromAsync(windows.range('c1', new Date(0), new Date(1))), failure)
    failure = undefined
  })

  function task(part: (typeof plan.subTopologies)[number], partition: number): Task {
    const counts = operatorCounts()
    const emit = { append: () => undefined }
    return new Task({ plan, keys: keyCodecs(), emit, counts }, part, partition)
  }
})
