/** Requests that are small on the wire and large in memory: refused alone, and told. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { BrokerEvent } from '../../../src/broker/broker-event.ts'
import { createTopic } from '../../conformance/raw-client.ts'
import { openBroker } from './open-broker.ts'

const count = 20_000

it('a request whose items take too much ends its connection, and no other', async () => {
  const refused: Extract<BrokerEvent, { type: 'connection-refused' }>[] = []
  const { broker, ...open } = await openBroker({
    report: (event) => {
      if (event.type === 'connection-refused') refused.push(event)
    },
  })
  const [greedy, other] = [await open.client(), await open.client()]
  const groups = Array.from({ length: 400_000 }, () => ({ groupId: '', topics: [] }))
  await assert.rejects(greedy.ask('OffsetFetch', 8, { groups }))
  while (refused.length === 0) await turn()
  assert.match(
    refused[0]!.reason,
    /33554432 are allowed: ask for fewer items .* requestHeapBytesMax/,
  )
  await createTopic(other, 't')
  await broker.close()
})

it('the largest requests that clients have cause to send are served', async () => {
  const { broker, ...open } = await openBroker()
  const client = await open.client()
  const names = Array.from({ length: count }, (_, n) => `topic-${n}`)
  const committed = await client.ask('OffsetCommit', 9, {
    groupId: 'g',
    generationIdOrMemberEpoch: -1,
    topics: names.map((name) => ({
      name,
      partitions: [{ partitionIndex: 0, committedOffset: 1 }],
    })),
  })
  assert.equal(committed.topics.length, count)
  const { topics } = await client.ask('Metadata', 12, {
    topics: names.map((name) => ({ name })),
    allowAutoTopicCreation: false,
  })
  assert.equal(topics.length, count)
  await broker.close()
})
