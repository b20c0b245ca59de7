import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../src/protocol/messages/consumer-protocol.ts'

test('subscriptions and assignments come back as they went', () => {
  const subscription = { topics: ['flights', 'airports'], userData: Uint8Array.of(1) }
  assert.deepEqual(decodeSubscription(encodeSubscription(subscription)), subscription)
  const assignment = {
    assignedPartitions: [{ topic: 'flights', partitions: [1] }],
    userData: null,
  }
  assert.deepEqual(decodeAssignment(encodeAssignment(assignment)), assignment)
})

test('a subscription is written in the version every client reads', () => {
  const encoded = Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 1, 97, 255, 255, 255, 255)
  assert.deepEqual(encodeSubscription({ topics: ['a'] }), encoded)
})

test('what later versions add behind is not read', () => {
  const encoded = encodeSubscription({ topics: ['a'] })
  const newer = Uint8Array.of(...encoded, 1, 2, 3)
  newer[1] = 9
  assert.deepEqual(decodeSubscription(newer), { topics: ['a'], userData: null })
})
