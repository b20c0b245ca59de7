/** The look into consumers' metadata that guards their offsets. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Writer } from '../../../src/base/bytes.ts'
import { blankGroup, type Group } from '../../../src/coordinator/groups/state.ts'
import { subscribedTopics } from '../../../src/coordinator/groups/subscription.ts'

const bytesMax = 1_000

function groupOf(protocolType: string, ...metadata: Uint8Array[]): Group {
  const members = metadata.map((each, index) => ({
    memberId: `m${index}`,
    instanceId: null,
    clientId: '',
    clientHost: '',
    sessionTimeoutMs: 1,
    rebalanceTimeoutMs: 1,
    protocols: [{ name: 'range', metadata: each }],
    assignment: new Uint8Array(0),
  }))
  return {
    ...blankGroup('g'),
    protocolType,
    protocolName: 'range',
    members: new Map(members.map((each) => [each.memberId, each])),
  }
}

function subscription(...topics: string[]): Uint8Array {
  const writer = new Writer()
  writer.int16(3)
  writer.int32(topics.length)
  for (const topic of topics) {
    writer.int16(topic.length)
    writer.string(topic)
  }
  // What later versions add comes after the topics.
  writer.int32(-1)
  return writer.finish()
}

describe('the topics a group subscribes to', () => {
  it('are those of all its members', () => {
    const group = groupOf('consumer', subscription('a', 'b'), subscription('b', 'c'))
    assert.deepEqual(subscribedTopics(group, bytesMax), new Set(['a', 'b', 'c']))
  })

  it('are none for a group without members, or of another kind', () => {
    assert.deepEqual(subscribedTopics(groupOf('consumer'), bytesMax), new Set())
    assert.deepEqual(subscribedTopics(groupOf('connect', subscription('a')), bytesMax), new Set())
  })

  it('are unknown when the members say more about them than is read in one go', () => {
    const [a, b] = [subscription('a'), subscription('b')]
    const group = groupOf('consumer', a, b)
    const bytes = a.length + b.length
    assert.deepEqual(subscribedTopics(group, bytes), new Set(['a', 'b']))
    assert.equal(subscribedTopics(group, bytes - 1), 'unknown')
  })

  it('are unknown when a member speaks another format', () => {
    const truncated = subscription('a', 'b').subarray(0, 9)
    for (const strange of [Uint8Array.of(), truncated, Uint8Array.of(0, 0, 127, 255, 255, 255)]) {
      const group = groupOf('consumer', subscription('a'), strange)
      assert.equal(subscribedTopics(group, bytesMax), 'unknown')
    }
  })
})
