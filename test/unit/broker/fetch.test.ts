import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { utf8String } from '../../../src/base/bytes.ts'
import type { BrokerEvent } from '../../../src/broker/broker-event.ts'
import type { RequestInput } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { splitBatches } from '../../../src/records/batch.ts'
import { decodeRecords } from '../../../src/records/record.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { openBroker, type OpenBroker } from './open-broker.ts'

let open: OpenBroker
let client: RawClient

before(async () => {
  open = await openBroker()
  client = await open.client()
  await createTopic(client, 'read', 2)
  for (const value of ['a', 'b', 'c']) {
    await produce(client, 'read', batchOf([`${value}1`, `${value}2`]))
  }
})
after(() => open.broker.close())

type Partition = { partition?: number; fetchOffset: number; partitionMaxBytes?: number }

function request(
  topic: string,
  partitions: readonly (Partition & Record<string, number>)[],
  o: RequestInput<'Fetch'> = {},
): RequestInput<'Fetch'> {
  return {
    maxWaitMs: 0,
    minBytes: 1,
    topics: [
      {
        topic,
        partitions: partitions.map((each) => ({
          partition: 0,
          partitionMaxBytes: 1_000_000,
          ...each,
        })),
      },
    ],
    ...o,
  }
}

async function fetch(
  topic: string,
  partition: Partition & Record<string, number>,
  o: RequestInput<'Fetch'> = {},
) {
  const { responses } = await client.ask('Fetch', 12, request(topic, [partition], o))
  return responses[0]!.partitions[0]!
}

function values(records: Uint8Array | null): string[] {
  return splitBatches(records!)
    .flatMap((batch) => decodeRecords(batch))
    .map(({ value }) => utf8String(value!))
}

describe('Fetch', () => {
  it('gives whole batches from the one that holds the offset', async () => {
    const { records, highWatermark } = await fetch('read', { fetchOffset: 3 })
    assert.deepEqual(values(records), ['b1', 'b2', 'c1', 'c2'])
    assert.equal(highWatermark, 6)
  })

  it('gives one batch even when it is larger than every limit, and no second one', async () => {
    const { records } = await fetch(
      'read',
      { fetchOffset: 0, partitionMaxBytes: 1 },
      { maxBytes: 1 },
    )
    assert.deepEqual(values(records), ['a1', 'a2'])
  })

  it('is empty at the end of the log and refused beyond it', async () => {
    const atEnd = await fetch('read', { fetchOffset: 6 })
    assert.deepEqual([atEnd.errorCode, atEnd.records?.length], [ErrorCode.NONE, 0])
    const beyond = await fetch('read', { fetchOffset: 7 })
    assert.deepEqual(
      [beyond.errorCode, beyond.highWatermark, beyond.records?.length],
      [ErrorCode.OFFSET_OUT_OF_RANGE, -1, 0],
    )
  })

  it('refuses topics and epochs it does not know', async () => {
    const unknown = await fetch('nowhere', { fetchOffset: 0 })
    assert.equal(unknown.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    const { topics } = await client.ask('Metadata', 12, { topics: [{ name: 'read' }] })
    const { leaderEpoch } = topics[0]!.partitions[0]!
    const newer = await fetch('read', { fetchOffset: 0, currentLeaderEpoch: leaderEpoch + 1 })
    assert.equal(newer.errorCode, ErrorCode.UNKNOWN_LEADER_EPOCH)
    const same = await fetch('read', { fetchOffset: 0, currentLeaderEpoch: leaderEpoch })
    assert.equal(same.errorCode, ErrorCode.NONE)
  })

  it('waits for records and is woken by them', async () => {
    const reader = await open.client()
    const started = performance.now()
    const asked = request('read', [{ partition: 1, fetchOffset: 0 }], { maxWaitMs: 20_000 })
    const waiting = reader.ask('Fetch', 12, asked)
    await new Promise((resolve) => setTimeout(resolve, 50))
    await produce(client, 'read', batchOf(['woken']), { partition: 1 })
    const { responses } = await waiting
    assert.deepEqual(values(responses[0]!.partitions[0]!.records), ['woken'])
    assert.ok(performance.now() - started < 10_000)
  })

  it('waits until there is as much as it wants, or its time is over', async () => {
    const reader = await open.client()
    const asked = request('read', [{ partition: 1, fetchOffset: 1 }], {
      maxWaitMs: 20_000,
      minBytes: 250,
    })
    const waiting = reader.ask('Fetch', 12, asked)
    for (const value of ['one', 'two', 'three', 'four']) {
      await produce(client, 'read', batchOf([value]), { partition: 1 })
    }
    const { responses } = await waiting
    const size = responses[0]!.partitions[0]!.records!.length
    assert.ok(size >= 250, `${size} bytes`)
    const late = await fetch('read', { partition: 1, fetchOffset: 5 }, { maxWaitMs: 40 })
    assert.equal(late.records?.length, 0)
  })

  it('runs a session: everything first, then only what changed', async () => {
    await createTopic(client, 'session', 3)
    const topicId = (await client.ask('Metadata', 12, { topics: [{ name: 'session' }] })).topics[0]!
      .topicId
    const ask = (sessionId: number, sessionEpoch: number, partitions: number[], from = 0) =>
      client.ask('Fetch', 16, {
        maxWaitMs: 0,
        minBytes: 1,
        sessionId,
        sessionEpoch,
        topics: [
          {
            topicId,
            partitions: partitions.map((partition) => ({
              partition,
              fetchOffset: from,
              partitionMaxBytes: 1000,
            })),
          },
        ],
      })
    const indexes = (response: Awaited<ReturnType<typeof ask>>): number[] =>
      response.responses.flatMap(({ partitions }) => partitions.map((each) => each.partitionIndex))
    const opened = await ask(0, 0, [0, 1, 2])
    assert.ok(opened.sessionId > 0)
    assert.deepEqual(indexes(opened), [0, 1, 2])
    assert.deepEqual(indexes(await ask(opened.sessionId, 1, [])), [])
    await produce(client, 'session', batchOf(['news']), { partition: 2 })
    assert.deepEqual(indexes(await ask(opened.sessionId, 2, [])), [2])
    assert.deepEqual(indexes(await ask(opened.sessionId, 3, [2], 1)), [])
    const wrong = await ask(opened.sessionId, 9, [])
    assert.equal(wrong.errorCode, ErrorCode.INVALID_FETCH_SESSION_EPOCH)
  })
})

describe('ListOffsets and DeleteRecords', () => {
  it('find the ends, times, and the start after a deletion', async () => {
    await createTopic(client, 'times')
    for (const timestamp of [1000, 3000, 2000]) {
      await produce(client, 'times', batchOf(['x'], { timestamp }))
    }
    const list = async (timestamp: number) => {
      const { topics } = await client.ask('ListOffsets', 7, {
        replicaId: -1,
        topics: [{ name: 'times', partitions: [{ partitionIndex: 0, timestamp }] }],
      })
      const { offset, timestamp: found } = topics[0]!.partitions[0]!
      return [offset, found]
    }
    assert.deepEqual(await list(-1), [3, -1])
    assert.deepEqual(await list(-2), [0, -1])
    assert.deepEqual(await list(-3), [1, 3000])
    assert.deepEqual(await list(1500), [1, 3000])
    assert.deepEqual(await list(4000), [-1, -1])

    const remove = async (offset: number) => {
      const { topics } = await client.ask('DeleteRecords', 2, {
        topics: [{ name: 'times', partitions: [{ partitionIndex: 0, offset }] }],
        timeoutMs: 1000,
      })
      const { errorCode, lowWatermark } = topics[0]!.partitions[0]!
      return [errorCode, lowWatermark]
    }
    assert.deepEqual(await remove(9), [ErrorCode.OFFSET_OUT_OF_RANGE, -1])
    assert.deepEqual(await remove(2), [ErrorCode.NONE, 2])
    assert.deepEqual(await list(-2), [2, -1])
    const gone = await fetch('times', { fetchOffset: 1 })
    assert.equal(gone.errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
    assert.deepEqual(await remove(-1), [ErrorCode.NONE, 3])
  })
})

describe('a damaged segment', () => {
  it('is an error of its partition alone, said once to the operator', async () => {
    const events: BrokerEvent[] = []
    const report = (event: BrokerEvent): void => {
      if (event.type !== 'started') events.push(event)
    }
    const first = await openBroker({ report })
    const writer = await first.client()
    await createTopic(writer, 'pair', 2)
    for (const partition of [0, 1]) {
      await produce(writer, 'pair', batchOf(['kept '.repeat(50)]), { partition })
    }
    await first.broker.close()
    const path = first.disk.paths().find((each) => /pair-0\..*\.log$/.test(each))!
    first.disk.flipBit(path, 150)
    const second = await openBroker({ report }, first.disk)
    const reader = await second.client()
    for (let round = 0; round < 2; round++) {
      const asked = [0, 1].map((partition) => ({ partition, fetchOffset: 0 }))
      const { responses } = await reader.ask('Fetch', 12, request('pair', asked))
      const [damaged, sound] = responses[0]!.partitions
      assert.equal(damaged!.errorCode, ErrorCode.CORRUPT_MESSAGE)
      assert.equal(sound!.errorCode, ErrorCode.NONE)
      assert.equal(values(sound!.records).length, 1)
    }
    assert.equal(events.length, 1)
    assert.ok(events[0]?.type === 'partition-damaged' && events[0].error.message.includes(path))
    await second.broker.close()
  })
})
