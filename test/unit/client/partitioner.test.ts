/** Keys must go where every other client sends them, or one key lives in two partitions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssignerProtocol, Partitioners } from 'kafkajs'
import { decodeAssignment } from '../../../src/client/group/group-protocol.ts'
import { decodeSubscription } from '../../../src/protocol/messages/consumer-protocol.ts'
import { KeyCodec } from '../../../src/streams/stores/serde.ts'

test('keys go to the partition kafkajs sends them to', () => {
  const codec = new KeyCodec('string')
  const anyText = fc.string({ minLength: 1, unit: 'grapheme' })
  const choose = Partitioners.DefaultPartitioner()
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 64 }), (key, count) => {
      const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
        partitionId,
        leader: 1,
        partitionErrorCode: 0,
        replicas: [1],
        isr: [1],
      }))
      const message = { key: Buffer.from(key), value: null }
      const theirs = choose({ topic: 't', partitionMetadata, message })
      assert.equal(codec.encode(key).hash % count, theirs)
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
  assert.deepEqual(decodeAssignment(new Uint8Array(assignment)).partitions, [
    { topic: 'a', partition: 0 },
    { topic: 'a', partition: 2 },
  ])
})
