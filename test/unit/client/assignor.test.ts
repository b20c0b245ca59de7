import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rangeAssignor } from '../../../src/client/group/assignor.ts'
import { decodeAssignment, encodeAssignment } from '../../../src/client/group/group-protocol.ts'
import {
  decodeSubscription,
  encodeSubscription,
} from '../../../src/protocol/messages/consumer-protocol.ts'

function member(
  memberId: string,
  topics: readonly string[],
  groupInstanceId: string | null = null,
) {
  return { memberId, topics, groupInstanceId, userData: null }
}

test('each member gets a run of neighbours, the first ones one more', () => {
  const members = [member('b', ['t']), member('a', ['t']), member('c', ['t'])]
  const assigned = rangeAssignor.assign(members, new Map([['t', 8]]))
  const partitions = (id: string) => assigned.get(id)!.partitions.map(({ partition }) => partition)
  assert.deepEqual(
    [partitions('a'), partitions('b'), partitions('c')],
    [
      [0, 1, 2],
      [3, 4, 5],
      [6, 7],
    ],
  )
})

test("members subscribe to what they like, and a topic that is not there is nobody's", () => {
  const members = [member('a', ['t', 'gone']), member('b', ['t', 'u'])]
  const assigned = rangeAssignor.assign(
    members,
    new Map([
      ['t', 2],
      ['u', 1],
    ]),
  )
  assert.deepEqual(assigned.get('a')!.partitions, [{ topic: 't', partition: 0 }])
  assert.deepEqual(assigned.get('b')!.partitions, [
    { topic: 't', partition: 1 },
    { topic: 'u', partition: 0 },
  ])
})

test('static members are ordered by instance, so a new member id changes nothing', () => {
  const counts = new Map([['t', 4]])
  const before = rangeAssignor.assign([member('x', ['t'], 'i1'), member('y', ['t'], 'i2')], counts)
  const after = rangeAssignor.assign([member('z', ['t'], 'i1'), member('y', ['t'], 'i2')], counts)
  assert.deepEqual(after.get('z'), before.get('x'))
  assert.deepEqual(after.get('y'), before.get('y'))
})

test('every partition has one reader, and equal topics are cut alike', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 7 }),
      fc.integer({ min: 1, max: 30 }),
      (ids, count) => {
        const members = ids.map((id) => member(id, ['t', 'u']))
        const assigned = rangeAssignor.assign(
          members,
          new Map([
            ['t', count],
            ['u', count],
          ]),
        )
        const seen: number[] = []
        for (const { partitions } of assigned.values()) {
          const of = (topic: string) =>
            partitions.flatMap((p) => (p.topic === topic ? [p.partition] : []))
          assert.deepEqual(of('t'), of('u'))
          seen.push(...of('t'))
        }
        assert.deepEqual(
          seen.toSorted((a, b) => a - b),
          [...Array(count).keys()],
        )
      },
    ),
  )
})

test('subscriptions and assignments read back as written', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string()),
      fc.option(fc.uint8Array(), { nil: null }),
      (topics, userData) => {
        const encoded = encodeSubscription({ topics, userData })
        assert.deepEqual(decodeSubscription(encoded), { topics, userData })
      },
    ),
  )
  const partitions = [
    { topic: 'ü', partition: 3 },
    { topic: 'ü', partition: 0 },
    { topic: 'v', partition: 1 },
  ]
  for (const userData of [null, Uint8Array.of(1, 2)]) {
    const assignment = { partitions, userData }
    assert.deepEqual(decodeAssignment(encodeAssignment(assignment)), assignment)
  }
  assert.deepEqual(decodeAssignment(new Uint8Array(0)), { partitions: [], userData: null })
})

test('bytes that are no subscription are refused and do not hang', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeSubscription(bytes)
        decodeAssignment(bytes)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'frame-invalid')
      }
    }),
  )
})
