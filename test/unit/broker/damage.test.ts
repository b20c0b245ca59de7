/** A broker whose coordinators' logs were damaged, and what a repair leaves of them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BrokerEvent } from '../../../src/broker/broker-event.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { repairStore } from '../../../src/log/store/repair.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { batchOf, createTopic, produce } from '../../conformance/raw-client.ts'
import { openBroker } from './open-broker.ts'

/** A broker with two topics, records in them and committed positions, closed; damaged in one log. */
async function damagedBroker(
  machine: 'topics' | 'groups' | 'transactions',
): Promise<{ disk: SimDisk; path: string }> {
  const disk = new SimDisk({ seed: 1 })
  const open = await openBroker({}, disk)
  const writer = await open.client()
  await writer.ask('InitProducerId', 4, { transactionalId: null, transactionTimeoutMs: 60_000 })
  for (const name of ['first', 'second']) {
    await createTopic(writer, name, 2)
    await produce(writer, name, batchOf([`of ${name}`]), { partition: 1 })
    await commit(writer, name, 1)
  }
  await open.broker.close()
  const path = disk
    .paths()
    .find((each) => each.includes(`coordinator.${machine}-1/`) && each.endsWith('.log'))!
  // In the first batch.
  disk.flipBit(path, 65)
  return { disk, path }
}

type Client = Awaited<ReturnType<Awaited<ReturnType<typeof openBroker>>['client']>>

async function commit(client: Client, name: string, committedOffset: number): Promise<void> {
  const partitions = [{ partitionIndex: 1, committedOffset, committedMetadata: '' }]
  const { topics } = await client.ask('OffsetCommit', 7, {
    groupId: 'readers',
    topics: [{ name, partitions }],
  })
  assert.equal(topics[0]!.partitions[0]!.errorCode, ErrorCode.NONE)
}

async function committed(client: Client, name: string): Promise<number> {
  const { topics } = await client.ask('OffsetFetch', 7, {
    groupId: 'readers',
    topics: [{ name, partitionIndexes: [1] }],
  })
  return topics[0]!.partitions[0]!.committedOffset
}

async function records(client: Client, topic: string): Promise<number> {
  const { responses } = await client.ask('Fetch', 11, {
    maxWaitMs: 0,
    minBytes: 1,
    topics: [{ topic, partitions: [{ partition: 1, fetchOffset: 0, partitionMaxBytes: 1e6 }] }],
  })
  return responses[0]!.partitions[0]!.records?.length ?? 0
}

describe('a damaged log of a coordinator', () => {
  it('of topics is refused by name, and after a repair every topic is there with its records', async () => {
    const { disk, path } = await damagedBroker('topics')
    const refusal = { code: 'data-corrupt', message: new RegExp(`${path} is damaged.*log repair`) }
    await assert.rejects(openBroker({}, disk), refusal)
    await repairStore(disk, nodeClock, 'data')
    for (let start = 0; start < 2; start++) {
      const events: BrokerEvent[] = []
      const open = await openBroker({ report: (event) => events.push(event) }, disk)
      const reader = await open.client()
      for (const name of ['first', 'second']) {
        assert.ok((await records(reader, name)) > 0, `${name} has its record`)
        assert.equal(await committed(reader, name), 1)
      }
      const texts = events.flatMap((event) =>
        event.type === 'directory-finding' ? event.text : [],
      )
      assert.match(texts[0]!, /log of topics lacks changes/)
      if (start === 0) assert.match(texts[1]!, /topic 'first' was lost .* is made again/)
      await open.broker.close()
    }
  })

  for (const [machine, keyType] of [
    ['groups', 0],
    ['transactions', 1],
  ] as const) {
    it(`of ${machine} costs who needs it, and says so; all others are served`, async () => {
      const { disk, path } = await damagedBroker(machine)
      const events: BrokerEvent[] = []
      const open = await openBroker({ report: (event) => events.push(event) }, disk)
      const found = events.flatMap((event) =>
        event.type === 'directory-finding' ? event.text : [],
      )
      assert.equal(found.length, 1)
      assert.match(
        found[0]!,
        new RegExp(`${path} is damaged.*log repair.*not the coordinator of ${machine}`),
      )
      const client = await open.client()
      for (const [key, code] of [
        [keyType, ErrorCode.COORDINATOR_NOT_AVAILABLE],
        [1 - keyType, ErrorCode.NONE],
      ] as const) {
        const asked = { keyType: key, coordinatorKeys: ['readers'] }
        const { coordinators } = await client.ask('FindCoordinator', 4, asked)
        assert.equal(coordinators[0]!.errorCode, code)
      }
      const request = { transactionalId: null, transactionTimeoutMs: 60_000 }
      const { errorCode } = await client.ask('InitProducerId', 4, request)
      assert.equal(errorCode === ErrorCode.NONE, machine === 'groups')
      for (const name of ['first', 'second']) {
        assert.ok((await records(client, name)) > 0)
        await produce(client, name, batchOf(['more']), { partition: 0 })
      }
      await createTopic(client, 'third', 1)
      await open.broker.close()
    })
  }

  it('of groups is repaired at the price of what could not be read', async () => {
    const { disk } = await damagedBroker('groups')
    await repairStore(disk, nodeClock, 'data')
    const events: BrokerEvent[] = []
    const open = await openBroker({ report: (event) => events.push(event) }, disk)
    const reader = await open.client()
    assert.equal(await committed(reader, 'first'), -1)
    assert.equal(await committed(reader, 'second'), 1)
    const texts = events.flatMap((event) => (event.type === 'directory-finding' ? event.text : []))
    assert.match(texts[0]!, /log of groups lacks changes/)
    await open.broker.close()
  })
})
