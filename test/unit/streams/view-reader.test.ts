import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { operatorCounts } from '../../../src/streams/operators/counts.ts'
import type { Holders } from '../../../src/streams/plan/peers.ts'
import { planTopology } from '../../../src/streams/plan/plan.ts'
import { keyCodecs } from '../../../src/streams/stores/serde.ts'
import { Task } from '../../../src/streams/task/task.ts'
import { nodeHttpAsk } from '../../../src/io/node-http-ask.ts'
import { sharedView } from '../../../src/streams/asking/shared-view.ts'
import { PeerCounts } from '../../../src/streams/views/peer-counts.ts'
import type { ViewReader } from '../../../src/streams/views/view-reader.ts'
import { openViews } from '../../../src/streams/views/view-reader.ts'
import type { TableView, WindowView } from '../../../src/streams/views/views.ts'
import { OrderSchema } from '../../gen/shop/v1/shop_pb.ts'
import type { Order } from '../../gen/shop/v1/shop_pb.ts'
import { shipping } from '../../types/shop.ts'

const minute = 60_000
const unasked = (): never => assert.fail('nobody waits here')

describe('views over the tasks of an instance', () => {
  const plan = planTopology(shipping.build())
  const all = Array.from({ length: 12 }, (_, partition) => partition)
  const [orderTasks, countTasks] = plan.subTopologies.map((part) => all.map((n) => task(part, n)))
  let failure: Error | undefined
  let state = 'running'
  let isHeld = (_partition: number): boolean => true
  const unknown: Holders = { isTold: false, why: 'no-addresses' }
  let holders: Holders = unknown
  const views = openViews(plan, {
    tasks: () => [...orderTasks!, ...countTasks!].filter(({ partition }) => isHeld(partition)),
    gate: () => {
      if (failure !== undefined) throw failure
      return state
    },
    peers: new PeerCounts(),
    feed: unasked,
    progress: { now: () => 0, until: unasked, committed: unasked, ends: unasked },
    around: () => ({
      standing: { cluster: 'c', generation: 1 },
      holders,
      queryAddress: undefined,
    }),
  })
  const orders = views['orders']!
  const counts = views['perCustomer']!
  for (const key of ['b', 'a2', 'a1']) {
    orderTasks![partitionOf(key)]!.pipeline.tables.get(0)!.put(key, { orderId: key })
  }
  for (const [key, start, value] of [
    ['c1', 5 * minute, 2],
    ['c1', 0, 1],
    ['c2', 0, 7],
  ] as const) {
    const store = [...countTasks![partitionOf(key)]!.pipeline.aggregates.values()][0]!
    store.set(store.touch(key, start), value, start)
  }
  for (const { pipeline } of [...orderTasks!, ...countTasks!]) {
    pipeline.flush(100, new Set())
    pipeline.committed()
  }
  afterEach(() => {
    failure = undefined
    state = 'running'
    isHeld = () => true
    holders = unknown
  })

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
    const table = localView('shipping', 'orders', orders) as TableView<string, unknown>
    assert.equal(((await table.get('b')) as Order).orderId, 'b')
    const listed = await Array.fromAsync(table.scan({ prefix: 'a', limit: 1 }))
    assert.deepEqual(
      listed.map(([key, order]) => [key, (order as Order).orderId]),
      [['a1', 'a1']],
    )
    const windows = localView('shipping', 'perCustomer', counts) as WindowView<string, unknown>
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
    const table = localView('shipping', 'orders', orders) as TableView<string, unknown>
    const windows = localView('shipping', 'perCustomer', counts) as WindowView<string, unknown>
    assert.throws(() => orders.size(), failure)
    await assert.rejects(table.get('b'), failure)
    await assert.rejects(Array.fromAsync(table.scan()), failure)
    await assert.rejects(windows.get('c1', new Date(0)), failure)
    await assert.rejects(Array.fromAsync(windows.range('c1', new Date(0), new Date(1))), failure)
  })

  it('reject while partitions move or are restored, and say so', async () => {
    for (const [now, why] of [
      ['starting', /service 'shipping' has not started yet/],
      ['restoring', /getting its partitions from the group or restoring their tables/],
    ] as const) {
      state = now
      const table = localView('shipping', 'orders', orders) as TableView<string, unknown>
      const refused = { code: 'not-ready', retriable: true, message: why }
      await assert.rejects(table.get('b'), refused)
      await assert.rejects(Array.fromAsync(table.scan()), refused)
      await assert.rejects(Array.fromAsync(table.scan({ partial: true })), refused)
      await assert.rejects(table.page(), refused)
      assert.throws(() => counts.getWindow('c1', 0), refused)
      assert.throws(() => orders.held(), refused)
      assert.equal(orders.size(), 3)
    }
  })

  it('say which partition has a key that is not here, never that there is nothing', async () => {
    const gone = partitionOf('b')
    isHeld = (partition) => partition !== gone
    const table = localView('shipping', 'orders', orders) as TableView<string, unknown>
    const message = new RegExp(`key "b" of view 'orders' lies in partition ${gone} of 12`)
    await assert.rejects(table.get('b'), { code: 'partition-elsewhere', retriable: true, message })
    assert.equal(((await table.get('a1')) as Order).orderId, 'a1')
    assert.equal(await table.get(keyIn((partition) => partition !== gone)), undefined)
    await assert.rejects(table.get(keyIn((partition) => partition === gone)), {
      code: 'partition-elsewhere',
    })
  })

  it('give the part of a table that is here, and say in a page which it is', async () => {
    const gone = partitionOf('b')
    isHeld = (partition) => partition !== gone
    const table = localView('shipping', 'orders', orders) as TableView<string, unknown>
    await assert.rejects(table.get('b'), { code: 'partition-elsewhere' })
    const part = await Array.fromAsync(table.scan())
    assert.deepEqual(
      part.map(([key]) => key),
      ['a1', 'a2'],
    )
    const { entries, more, partitions } = await table.page()
    assert.deepEqual([entries.length, more], [2, false])
    assert.deepEqual(partitions, { count: 12, covered: all.filter((n) => n !== gone) })
  })

  it('do not give a part for the whole while nobody holds the rest', async () => {
    const gone = partitionOf('b')
    isHeld = (partition) => partition !== gone
    holders = { isTold: true, of: () => undefined }
    const table = localView('shipping', 'orders', orders) as TableView<string, unknown>
    const message = new RegExp(`no instance .* holds partition ${gone} of view 'orders'`)
    const refused = { code: 'not-ready', retriable: true, message }
    await assert.rejects(table.get('b'), refused)
    await assert.rejects(table.page(), refused)
    await assert.rejects(Array.fromAsync(table.scan()), refused)
    assert.equal((await Array.fromAsync(table.scan({ partial: true }))).length, 2)
  })

  it('find a key that another client put elsewhere than Kafka would', () => {
    const wrong = (partitionOf('odd') + 1) % 12
    const { pipeline } = orderTasks![wrong]!
    pipeline.tables.get(0)!.put('odd', { orderId: 'odd' })
    pipeline.committed()
    assert.equal((orders.get('odd') as Order).orderId, 'odd')
    pipeline.tables.get(0)!.put('odd', null)
    pipeline.committed()
  })

  it('give pages with a way to go on, and refuse a limit that is none', async () => {
    const table = localView('shipping', 'orders', orders) as TableView<string, unknown>
    const first = await table.page({ limit: 2 })
    assert.deepEqual([first.entries.map(([key]) => key), first.more], [['a1', 'a2'], true])
    const second = await table.page({ limit: 2, cursor: first.next! })
    assert.deepEqual([second.entries.map(([key]) => key), second.more], [['b'], false])
    assert.equal(second.next, undefined)
    for (const limit of [0, -1, 1.5, Number.NaN]) {
      await assert.rejects(Array.fromAsync(table.scan({ limit })), { code: 'input-invalid' })
      await assert.rejects(table.page({ limit }), { code: 'input-invalid' })
    }
    assert.equal((await Array.fromAsync(table.scan({ limit: Infinity }))).length, 3)
    for (const limit of [Infinity, 10_001, 0, 1.5]) {
      await assert.rejects(table.page({ limit }), {
        code: 'input-invalid',
        message: /whole number of rows from 1 to 10000/,
      })
    }
  })

  it('refuse what is no key, no time and too long a range', async () => {
    const table = localView('shipping', 'orders', orders) as TableView<unknown, unknown>
    const windows = localView('shipping', 'perCustomer', counts) as WindowView<string, unknown>
    const refused = { code: 'input-invalid' }
    for (const key of ['half \ud800', 7n, 7, undefined])
      await assert.rejects(table.get(key), refused)
    const never = new Date(Number.NaN)
    await assert.rejects(windows.get('c1', never), { ...refused, message: /at is an invalid Date/ })
    const [from, to] = [new Date(0), new Date(5 * minute * 10_001)]
    await assert.rejects(Array.fromAsync(windows.range('c1', from, never)), refused)
    await assert.rejects(Array.fromAsync(windows.range('c1', from, to)), {
      ...refused,
      message: /span 10001 windows: ask for at most 10000/,
    })
  })

  function task(part: (typeof plan.subTopologies)[number], partition: number): Task {
    const counts = operatorCounts()
    const emit = { append: () => undefined }
    return new Task({ plan, keys: keyCodecs(), emit, counts }, part, partition)
  }
})

function partitionOf(key: string): number {
  return keyCodecs().string.encode(key).hash % 12
}

/** A key without a row, in such a partition. */
function keyIn(isWanted: (partition: number) => boolean): string {
  for (let n = 0; ; n++) if (isWanted(partitionOf(`none-${n}`))) return `none-${n}`
}

function localView(service: string, view: string, reader: ViewReader) {
  return sharedView({ service, view, reader, http: nodeHttpAsk })
}
