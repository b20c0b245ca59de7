/** Each named bound of the broker is kept, whatever a client asks for. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BrokerEvent } from '../../../src/broker/broker-event.ts'
import { brokerDefaults } from '../../../src/broker/config.ts'
import type { RequestInput } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { splitBatches } from '../../../src/records/batch.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { aroundFiles } from '../around-files.ts'
import { openBroker } from './open-broker.ts'

const batch = batchOf(['x'.repeat(60)])

type FetchInput = RequestInput<'Fetch'>

async function fetch(client: RawClient, request: FetchInput, partitionMaxBytes = 1e9) {
  const { responses } = await client.ask('Fetch', 12, {
    minBytes: 1,
    maxWaitMs: 0,
    maxBytes: 1e9,
    topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes }] }],
    ...request,
  })
  return splitBatches(responses[0]!.partitions[0]!.records!).length
}

async function openWithRecords(fetchBytesMax: number) {
  const open = await openBroker({ config: { fetchBytesMax } })
  const client = await open.client()
  await createTopic(client, 't')
  for (let i = 0; i < 10; i++) await produce(client, 't', batch.slice())
  return { client, close: () => open.broker.close() }
}

describe('a fetch', () => {
  it('brings no more bytes than the broker sends at a time', async () => {
    const { client, close } = await openWithRecords(batch.length * 3)
    assert.equal(await fetch(client, {}), 3)
    await close()
  })

  it('brings no more bytes than it asks for, in all and of a partition', async () => {
    const { client, close } = await openWithRecords(1e9)
    assert.equal(await fetch(client, { maxBytes: batch.length * 4 }), 4)
    assert.equal(await fetch(client, {}, batch.length * 2), 2)
    assert.equal(await fetch(client, {}), 10)
    await close()
  })

  it('waits no longer than the broker lets it', { timeout: 20_000 }, async () => {
    const { broker, ...open } = await openBroker({ config: { fetchWaitMsMax: 20 } })
    const client = await open.client()
    await createTopic(client, 't')
    assert.equal(await fetch(client, { maxWaitMs: 600_000 }), 0)
    await broker.close()
  })
})

it(
  'connections beyond the bound are closed as they come, and said',
  { timeout: 5_000 },
  async () => {
    const events: BrokerEvent[] = []
    const { broker } = await openBroker({
      config: { connectionsMax: 2 },
      report: (event) => events.push(event),
    })
    const [first, second, third] = await Promise.all(
      [1, 2, 3].map(() => broker.dial('embedded', 9092)),
    )
    await new Promise<void>((resolve) => third!.onClose(() => resolve()))
    assert.equal(broker.connectionCount, 2)
    assert.match(events.map((event) => JSON.stringify(event)).join(), /connectionsMax/)
    for (const each of [first, second]) each!.destroy()
    await broker.close()
  },
)

it('a page of partitions has an end, however many are asked for', async () => {
  const { broker, ...open } = await openBroker()
  const client = await open.client()
  await createTopic(client, 'wide', 2_001)
  const page = await client.ask('DescribeTopicPartitions', 0, {
    topics: [{ name: 'wide' }],
    responsePartitionLimit: 1_000_000,
    cursor: null,
  })
  assert.equal(page.topics[0]!.partitions.length, 2_000)
  assert.deepEqual(page.nextCursor, { topicName: 'wide', partitionIndex: 2_000 })
  await broker.close()
})

it('a question about thousands of topics that are not there makes none of them', async () => {
  const { broker, ...open } = await openBroker()
  const client = await open.client()
  const names = Array.from({ length: 5_000 }, (_, n) => ({ name: `unknown-${n}` }))
  const { topics } = await client.ask('Metadata', 12, { topics: names })
  assert.deepEqual(
    new Set(topics.map(({ errorCode }) => errorCode)),
    new Set([ErrorCode.POLICY_VIOLATION]),
  )
  await createTopic(client, 'wanted', 10_000)
  const all = await client.ask('Metadata', 12, { topics: null })
  assert.deepEqual(
    all.topics.map(({ name }) => name),
    ['wanted'],
  )
  await broker.close()
})

it('an answer waits while more lies in memory than may', async () => {
  const gate = Promise.withResolvers<void>()
  const disk = aroundFiles(new SimDisk({ seed: 1 }), (file, path) => ({
    write: async (chunks, position) => {
      if (path.includes('/logs/t-')) await gate.promise
      await file.write(chunks, position)
    },
  }))
  const { broker, ...open } = await openBroker({ disk, store: { backlogBytesMax: 2_000 } })
  const client = await open.client()
  await createTopic(client, 't')
  let answered = false
  const producing = produce(client, 't', batchOf(['x'.repeat(10_000)])).then(() => {
    answered = true
  })
  // It is durable, and anybody may read it.
  const reader = await open.client()
  while ((await fetch(reader, {})) === 0);
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(answered, false)
  gate.resolve()
  await producing
  await broker.close()
})

it('no bound is left open', () => {
  for (const [name, value] of Object.entries(brokerDefaults)) {
    if (/Max$|Max/.test(name)) assert.ok(Number.isFinite(value), name)
  }
})
