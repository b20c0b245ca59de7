/** What the members of a group are told of each other, over versions of the format. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { utf8Bytes, utf8String } from '../../../src/base/bytes.ts'
import type { AssignorMember } from '../../../src/client/group/assignor.ts'
import { holdersBytesMax, readPeers, writePeers } from '../../../src/streams/plan/peers.ts'
import type { Given } from '../../../src/streams/plan/peers.ts'
import { taskAssignor } from '../../../src/streams/plan/task-assignor.ts'

function given(n: number, places: readonly string[], queryAddress?: string): Given {
  const partitions = places.map((place) => {
    const [topic, partition] = place.split('-')
    return { topic: topic!, partition: Number(partition) }
  })
  return { transactionalId: `shop/${n}`, queryAddress, partitions }
}

function addressesOf(userData: Uint8Array, topic: string, count: number) {
  const { holders } = readPeers(userData)
  assert.ok(holders.isTold)
  return Array.from({ length: count }, (_, partition) => {
    const holder = holders.of({ topic, partition })
    return holder === undefined ? 'nobody' : (holder.address ?? 'no address')
  })
}

describe('what members are told of each other', () => {
  it('names who holds each partition, and where', () => {
    const told = writePeers([
      given(1, ['orders-0', 'orders-1', 'visits-0'], '10.0.0.1:8092'),
      given(2, ['orders-3', 'visits-1', 'visits-3']),
    ])
    assert.deepEqual(readPeers(told).transactionalIds, ['shop/1', 'shop/2'])
    const first = '10.0.0.1:8092'
    assert.deepEqual(addressesOf(told, 'orders', 5), [
      first,
      first,
      'nobody',
      'no address',
      'nobody',
    ])
    assert.deepEqual(addressesOf(told, 'visits', 4), [first, 'no address', 'nobody', 'no address'])
    assert.deepEqual(addressesOf(told, 'other', 1), ['nobody'])
  })

  it('has no address in what is more than a host and a port', () => {
    const others = [
      'a:80/v1/x?',
      'a?x=1:80',
      'a#:80',
      'user@a:80',
      String.raw`a\b:80`,
      'a%2f:80',
      'a',
      'a:0',
      '',
      ' a:80',
    ]
    for (const other of others) {
      const told = writePeers([given(1, ['orders-0'], other)])
      assert.deepEqual(addressesOf(told, 'orders', 1), ['no address'], other)
    }
  })

  it('comes back as it was, whoever holds what', () => {
    const shares = fc.array(
      fc.record({
        at: fc.option(fc.constantFrom('a:1', 'b:2', '[::1]:3'), { nil: undefined }),
        places: fc.uniqueArray(fc.tuple(fc.constantFrom('x', 'y', 'z'), fc.nat(20)), {
          selector: String,
          maxLength: 12,
        }),
      }),
      { minLength: 1, maxLength: 6 },
    )
    fc.assert(
      fc.property(shares, (all) => {
        const expected = new Map<string, string | undefined>()
        const members = all.map(({ at, places }, n): Given => {
          const own = places.filter((place) => !expected.has(String(place)))
          for (const place of own) expected.set(String(place), at)
          const partitions = own.map(([topic, partition]) => ({ topic, partition }))
          return { transactionalId: `${n}`, queryAddress: at, partitions }
        })
        const { holders } = readPeers(writePeers(members))
        assert.equal(
          holders.isTold,
          all.some(({ at }) => at !== undefined),
        )
        if (!holders.isTold) return
        for (const topic of ['x', 'y', 'z']) {
          for (let partition = 0; partition <= 21; partition++) {
            const place = `${topic},${partition}`
            const found: { address: string | undefined } | undefined = holders.of({
              topic,
              partition,
            })
            assert.equal(found !== undefined, expected.has(place), place)
            assert.equal(found?.address, expected.get(place), place)
          }
        }
      }),
    )
  })

  it('is read where a leader of an older version says nothing of holders', () => {
    const old = utf8Bytes(JSON.stringify({ transactionalIds: ['shop/1'] }))
    assert.deepEqual(readPeers(old), {
      transactionalIds: ['shop/1'],
      holders: { isTold: false, why: 'old-leader' },
    })
  })

  it('is nothing for who did not come, and then nobody holds anything just now', () => {
    const { transactionalIds, holders } = readPeers(null)
    assert.deepEqual(transactionalIds, [])
    assert.ok(holders.isTold)
    assert.equal(holders.of({ topic: 'orders', partition: 0 }), undefined)
  })

  it('is read by members of an older version, and with what later ones may add', () => {
    const told = writePeers([given(1, ['orders-0'], 'a:1'), given(2, ['orders-1'], 'b:2')])
    // All that version 0.1.0 looks at.
    const asOld = JSON.parse(utf8String(told)) as { transactionalIds: readonly string[] }
    assert.deepEqual(asOld.transactionalIds, ['shop/1', 'shop/2'])
    const later = utf8Bytes(JSON.stringify({ ...asOld, racks: ['r1', 'r2'] }))
    assert.deepEqual(addressesOf(later, 'orders', 2), ['a:1', 'b:2'])
  })

  it('says that there are no addresses, and names topics that are shared out alike together', () => {
    const none = writePeers([given(1, ['orders-0'])])
    assert.deepEqual(readPeers(none).holders, { isTold: false, why: 'no-addresses' })
    const topics = Array.from({ length: 50 }, (_, n) => `t${n}`)
    const share = (from: number): string[] => {
      return topics.flatMap((topic) =>
        Array.from({ length: 500 }, (_, n) => `${topic}-${from + n}`),
      )
    }
    const told = writePeers([given(1, share(0), 'a:1'), given(2, share(500), 'b:2')])
    assert.ok(told.length < 1_000, `${told.length} bytes`)
  })

  it('leaves holders out where they would be too long for the group’s record', () => {
    const group = (size: number): Uint8Array => {
      return writePeers(
        Array.from({ length: size }, (_, n) => given(n, [`orders-${n}`], `host-${n}.example:8092`)),
      )
    }
    const fits = group(80)
    assert.ok(readPeers(fits).holders.isTold)
    const tooMany = group(100)
    assert.deepEqual(readPeers(tooMany).holders, { isTold: false, why: 'too-long' })
    assert.equal(readPeers(tooMany).transactionalIds.length, 100)
    assert.ok(tooMany.length * 100 < holdersBytesMax)
  })

  it('is shared out by a leader that knows addresses, among members that do not', () => {
    const readTogether = [['orders']]
    const newer = taskAssignor({
      transactionalId: 'shop/a',
      incarnation: 'a',
      queryAddress: 'a:1',
      readTogether,
    })
    const member = (id: string, userData: Uint8Array | null): AssignorMember => {
      return { memberId: id, groupInstanceId: id, topics: ['orders'], userData }
    }
    // As version 0.1.0 says it.
    const word = { transactionalId: 'shop/b', incarnation: 'b', readTogether, round: 1 }
    const older = member('b', utf8Bytes(JSON.stringify(word)))
    const own = member('a', newer.userData!())
    const assigned = newer.assign([own, older], new Map([['orders', 2]]))
    const told = assigned.get('b')!.userData!
    assert.deepEqual(addressesOf(told, 'orders', 2), ['a:1', 'no address'])
    assert.deepEqual(told, assigned.get('a')!.userData)
  })
})
