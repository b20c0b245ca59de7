/** Services as values, and what a service is refused for before it is ever built. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { service } from '../../../src/service/service.ts'
import {
  Accounts,
  CustomerWindows,
  Orders,
  Payments,
  Shipments,
  shipping,
} from '../../types/shop.ts'

const nothing = () => ({})

describe('a service', () => {
  test('says its name, its context and what it reads and writes', () => {
    assert.equal(shipping.name, 'shipping')
    assert.equal(shipping.context, 'logistics')
    assert.deepEqual(shipping.reads, [Orders, Payments])
    assert.deepEqual(shipping.writes, [Shipments, CustomerWindows])
    assert.ok(Object.isFrozen(shipping))
  })

  test('that writes nothing has no context', () => {
    assert.equal(service('audit', { reads: [], writes: [], topology: nothing }).context, undefined)
  })

  test('runs its topology function only when it is built', () => {
    let runs = 0
    const counted = service('audit', {
      reads: [Orders],
      writes: [],
      topology: (s) => {
        runs++
        return { orders: s.table(Orders) }
      },
    })
    assert.equal(runs, 0)
    assert.deepEqual(counted.build().views, { orders: 0 })
    assert.equal(runs, 1)
  })

  test('does not change when the arrays it was given do', () => {
    const reads = [Orders]
    const audit = service('audit', { reads, writes: [], topology: nothing })
    reads.pop()
    assert.deepEqual(audit.reads, [Orders])
  })
})

describe('a service is refused', () => {
  test("when it writes another's stream: a stream has one writer", () => {
    const writes = [Payments] as never[]
    assert.throws(() => service('shipping', { reads: [], writes, topology: nothing }), {
      code: 'topology-invalid',
      message:
        "service 'shipping': stream 'payments' is owned by 'billing', and a stream has one writer: " +
        "let 'billing' write it, or change the owner in its contract",
    })
  })

  test('when it names a stream twice', () => {
    assert.throws(
      () => service('audit', { reads: [Orders, Orders], writes: [], topology: nothing }),
      /service 'audit': reads names stream 'orders' twice: name it once/,
    )
  })

  test('when its name cannot be part of a topic name or a URL', () => {
    for (const name of ['the shop', '', '.', '..', 'a/b']) {
      const why = { message: /a service is called '.*', which topics and URLs cannot carry/ }
      assert.throws(() => service(name, { reads: [], writes: [], topology: nothing }), why)
    }
  })

  test('when its streams lie in two bounded contexts', () => {
    const stray = { ...Accounts, owner: 'shipping', context: 'money' } as const
    assert.throws(
      () => service('shipping', { reads: [], writes: [Shipments, stray], topology: nothing }),
      /it writes 'shipments' in context 'logistics' and 'accounts' in context 'money': a service lives in one/,
    )
  })
})
