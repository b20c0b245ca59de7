/** How a service's group is shared out: by task, over versions, and without those who are not there. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Assignor, AssignorMember } from '../../../src/client/group/assignor.ts'
import { readPeers } from '../../../src/streams/plan/peers.ts'
import { taskAssignor } from '../../../src/streams/plan/task-assignor.ts'

interface Joining {
  readonly member: AssignorMember
  readonly assignor: Assignor
}

/** A member as its coordinator lists it after it has joined. */
function joining(id: string, readTogether: readonly (readonly string[])[]): Joining {
  const assignor = taskAssignor({ transactionalId: `shop/${id}`, incarnation: id, readTogether })
  return { member: again({ id, assignor, readTogether }), assignor }
}

function again(o: {
  id: string
  assignor: Assignor
  readTogether: readonly (readonly string[])[]
}): AssignorMember {
  const { id, assignor, readTogether } = o
  const userData = assignor.userData!()
  return { memberId: id, groupInstanceId: id, topics: readTogether.flat(), userData }
}

function placesOf(assignor: Assignor, members: readonly AssignorMember[], counts: object) {
  const assigned = assignor.assign(members, new Map(Object.entries(counts)))
  return (id: string): string[] => {
    const { partitions = [] } = assigned.get(id) ?? {}
    return partitions.map(({ topic, partition }) => `${topic}-${partition}`)
  }
}

describe('the partitions of a service’s group', () => {
  it('go by task: whoever gets one topic of it gets them all', () => {
    const a = joining('a', [['orders', 'payments']])
    const b = joining('b', [['orders', 'payments']])
    const of = placesOf(a.assignor, [b.member, a.member], { orders: 3, payments: 3 })
    assert.deepEqual(of('a'), ['orders-0', 'payments-0', 'orders-1', 'payments-1'])
    assert.deepEqual(of('b'), ['orders-2', 'payments-2'])
  })

  it('go to those who read the most of what any of two versions reads together', () => {
    const older = joining('a', [['payments'], ['visits']])
    const newer = joining('b', [['orders', 'payments'], ['visits']])
    const counts = { orders: 2, payments: 2, visits: 2 }
    const of = placesOf(older.assignor, [older.member, newer.member], counts)
    assert.deepEqual(of('b').toSorted(), [
      'orders-0',
      'orders-1',
      'payments-0',
      'payments-1',
      'visits-0',
    ])
    assert.deepEqual(of('a'), ['visits-1'])
  })

  it('of topics that do not exist are nobody’s, and those with fewer partitions end sooner', () => {
    const a = joining('a', [['orders', 'gone', 'payments']])
    const of = placesOf(a.assignor, [a.member], { orders: 2, payments: 1 })
    assert.deepEqual(of('a'), ['orders-0', 'payments-0', 'orders-1'])
  })

  it('of single topics do not all begin with the same member', () => {
    const reads = [['x'], ['y'], ['z']]
    const [a, b] = [joining('a', reads), joining('b', reads)]
    const of = placesOf(a.assignor, [a.member, b.member], { x: 1, y: 1, z: 1 })
    assert.deepEqual([of('a'), of('b')], [['x-0', 'z-0'], ['y-0']])
  })

  it('are not given to a static member that the coordinator lists although it did not come', () => {
    const readTogether = [['orders']]
    const [a, b] = [joining('a', readTogether), joining('b', readTogether)]
    placesOf(a.assignor, [a.member, b.member], { orders: 4 })
    const back = again({ id: 'a', assignor: a.assignor, readTogether })
    const of = placesOf(a.assignor, [back, b.member], { orders: 4 })
    assert.deepEqual(of('b'), [])
    assert.equal(of('a').length, 4)
    const bBack = again({ id: 'b', assignor: b.assignor, readTogether })
    const later = again({ id: 'a', assignor: a.assignor, readTogether })
    const both = placesOf(a.assignor, [later, bBack], { orders: 4 })
    assert.deepEqual([both('a').length, both('b').length], [2, 2])
  })

  it('are told with the transactional ids of those who are there', () => {
    const readTogether = [['orders']]
    const [a, b] = [joining('a', readTogether), joining('b', readTogether)]
    const counts = new Map([['orders', 2]])
    const first = a.assignor.assign([a.member, b.member], counts).get('a')!
    assert.deepEqual(readPeers(first.userData).transactionalIds, ['shop/a', 'shop/b'])
    const back = again({ id: 'a', assignor: a.assignor, readTogether })
    const second = a.assignor.assign([back, b.member], counts).get('a')!
    assert.deepEqual(readPeers(second.userData).transactionalIds, ['shop/a'])
  })

  it('are shared with members that say nothing about tasks, topic by topic', () => {
    const a = joining('a', [['orders']])
    const foreign = { memberId: 'z', groupInstanceId: null, topics: ['orders'], userData: null }
    const of = placesOf(a.assignor, [a.member, foreign], { orders: 2 })
    assert.deepEqual([of('a'), of('z')], [['orders-0'], ['orders-1']])
    assert.deepEqual(readPeers(null).transactionalIds, [])
  })
})
