/** Keys must go where every other client sends them, or one key lives in two partitions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssignerProtocol, Partitioners } from 'kafkajs'
import { partitionForKey } from '../../../src/base/checksum.ts'
import { decodeAssignment, decodeSubscription } from '../../../src/client/group/group-protocol.ts'

test('keys go to the partition kafkajs sends them to', () => {
  const choose = Partitioners.DefaultPartitioner()
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), fc.integer({ min: 1, max: 64 }), (key, count) => {
      const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
        partitionId,
        leader: 1,
        partitionErrorCode: 0,
        replicas: [1],
        isr: [1],
      }))
      const message = { key: Buffer.from(key), value: null }
      const theirs = choose({ topic: 't', partitionMetadata, message })
      assert.equal(partitionForKey(key, count), theirs)
    }),
    { numRuns: 1_000 },
  )
})

test('what kafkajs members say of themselves is understood', () => {
  const subscription = AssignerProtocol.MemberMetadata.encode({
    version: 1,
    topics: ['a', 'b'],
    userData: Buffer.from('x'),
  })
  const decoded = decodeSubscription(new Uint8Array(subscription))
  assert.deepEqual(decoded.topics, ['a', 'b'])
  assert.deepEqual(decoded.userData, new Uint8Array([0x78]))
  const assignment = AssignerProtocol.MemberAssignment.encode({
    version: 1,
    assignment: { a: [0, 2] },
    userData: Buffer.alloc(0),
  })
  assert.deepEqual(decodeAssignment(new Uint8Array(assignment)), [
    { topic: 'a', partition: 0 },
    { topic: 'a', partition: 2 },
  ])
})
