/** Requests that are small on the wire and large in memory: refused alone, and told. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { BrokerEvent } from '../../../src/broker/broker-event.ts'
import { splitBatches } from '../../../src/records/batch.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { openBroker } from './open-broker.ts'

const count = 20_000

type Refused = Extract<BrokerEvent, { type: 'connection-refused' }>

function noting(refused: Refused[]): (event: BrokerEvent) => void {
  return (event) => {
    if (event.type === 'connection-refused') refused.push(event)
  }
}

it('a request whose items take too much ends its connection, and no other', async () => {
  const refused: Refused[] = []
  const { broker, ...open } = await openBroker({ report: noting(refused) })
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

const mebibyte = 1024 * 1024
const everything = {
  minBytes: 1,
  maxWaitMs: 0,
  maxBytes: 1e9,
  topics: [{ topic: 't', partitions: [{ fetchOffset: 0, partitionMaxBytes: 1e9 }] }],
}

/** Twelve batches of a mebibyte, in a broker with twelve mebibytes for answers. */
async function withTwelveBatches() {
  const refused: Refused[] = []
  const open = await openBroker({
    config: { memoryBytesMax: 36 * mebibyte, memoryPatienceMs: 300 },
    report: noting(refused),
  })
  const client = await open.client()
  await createTopic(client, 't')
  const batch = batchOf(['x'.repeat(mebibyte - 200)])
  for (let at = 0; at < 12; at++) await produce(client, 't', batch.slice())
  return { broker: open.broker, another: () => open.client(), client, refused }
}

async function countOf(client: RawClient, request = everything): Promise<number> {
  const { responses } = await client.ask('Fetch', 12, request)
  return splitBatches(responses[0]!.partitions[0]!.records!).length
}

it('a fetch brings half of what there is room for, and the next one goes on', async () => {
  const { broker, client } = await withTwelveBatches()
  assert.equal(await countOf(client), 6)
  assert.equal(await countOf(client), 6, 'what was read is free again')
  // It may bring no more, however much it asks for; waiting would not change that.
  assert.equal(
    await countOf(client, { ...everything, minBytes: 12 * mebibyte, maxWaitMs: 60_000 }),
    6,
  )
  await broker.close()
})

it('those who never read their answers do not keep others from theirs', async () => {
  const { broker, client, another, refused } = await withTwelveBatches()
  const deaf = await Promise.all(Array.from({ length: 20 }, another))
  for (const each of deaf) {
    each.duplex.pause()
    for (let at = 0; at < 5; at++) each.send('Fetch', 12, everything)
  }
  assert((await countOf(client)) >= 1)
  assert(refused.length >= 1)
  for (const { reason } of refused) assert.match(reason, /unread while others waited/)
  await broker.close()
})
