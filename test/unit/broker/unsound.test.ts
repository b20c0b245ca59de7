/** What was stored before brokers looked into records: look-ups by time live with it, and say so once. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { BrokerEvent } from '../../../src/broker/broker-event.ts'
import { isMachineLog } from '../../../src/broker/machines/machine-log.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { LogStore } from '../../../src/log/store/log-store.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { readBatchHeader, writeBatchHeader } from '../../../src/records/batch.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { openBroker } from './open-broker.ts'

const now = Date.now()

function garbage(): Uint8Array {
  const batch = batchOf(['a', 'b'], { timestamp: now })
  batch.fill(0xff, 61)
  writeBatchHeader(batch, { ...readBatchHeader(batch), maxTimestamp: now + 3_500_000 })
  return batch
}

async function lookUp(client: RawClient, timestamp: number) {
  const { topics } = await client.ask('ListOffsets', 7, {
    replicaId: -1,
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp }] }],
  })
  const { errorCode, offset } = topics[0]!.partitions[0]!
  assert.equal(errorCode, ErrorCode.NONE)
  return offset
}

it('a stored batch of noise is answered for by its header, and an operator is told once', async () => {
  const disk = new SimDisk({ seed: 1 })
  const events: BrokerEvent[] = []
  const before = await openBroker({}, disk)
  const first = await before.client()
  await createTopic(first, 't')
  await produce(first, 't', batchOf(['early'], { timestamp: now - 1000 }))
  await before.broker.close()

  const store = await LogStore.open({ disk, clock: nodeClock, directory: 'data' })
  const log = store.get([...store.names()].find((name) => !isMachineLog(name))!)
  const result = log!.append(garbage())
  assert.ok(result.kind === 'appended')
  await result.durable
  await store.close()

  const { broker, ...open } = await openBroker({ report: (event) => events.push(event) }, disk)
  const client = await open.client()
  assert.equal(await lookUp(client, now - 1000), 0)
  assert.equal(await lookUp(client, now), 1)
  await produce(client, 't', batchOf(['late'], { timestamp: now + 3_550_000 }))
  assert.equal(await lookUp(client, now + 3_540_000), 3)
  assert.equal(await lookUp(client, -3), 3)
  assert.equal(await lookUp(client, now), 1)
  const told = events.filter(({ type }) => type === 'batch-unsound')
  assert.equal(told.length, 1)
  assert.match(JSON.stringify(told[0]), /"topic":"t","partition":0/)
  assert.ok(events.every(({ type }) => type !== 'partition-damaged'))
  await broker.close()
})
