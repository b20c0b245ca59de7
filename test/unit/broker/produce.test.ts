import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { concatBytes } from '../../../src/base/bytes.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { readBatchHeader, writeBatchHeader } from '../../../src/records/batch.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { openBroker, type OpenBroker } from './open-broker.ts'

let open: OpenBroker
let client: RawClient

before(async () => {
  open = await openBroker()
  client = await open.client()
  await createTopic(client, 'plain', 2)
})
after(() => open.broker.close())

describe('Produce', () => {
  it('gives each batch the offset after the last one', async () => {
    const first = await produce(client, 'plain', batchOf(['a', 'b', 'c']))
    const second = await produce(client, 'plain', batchOf(['d']))
    assert.deepEqual([first.errorCode, first.baseOffset], [0, 0])
    assert.deepEqual([second.errorCode, second.baseOffset], [0, 3])
    assert.equal(second.logAppendTimeMs, -1)
    assert.equal(second.logStartOffset, 0)
  })

  const refused: readonly [what: string, records: () => Uint8Array | null, code: number][] = [
    ['no batch', () => null, ErrorCode.INVALID_RECORD],
    ['an empty one', () => new Uint8Array(0), ErrorCode.INVALID_RECORD],
    ['two batches', () => concatBytes([batchOf(['a']), batchOf(['b'])]), ErrorCode.INVALID_RECORD],
    ['a damaged batch', () => damaged(batchOf(['a']), 70), ErrorCode.CORRUPT_MESSAGE],
    ['an old format', () => ofFormat(1), ErrorCode.INVALID_RECORD],
    ['a format to come', () => ofFormat(3), ErrorCode.CORRUPT_MESSAGE],
    [
      'a control batch',
      () => {
        const batch = batchOf(['a'])
        writeBatchHeader(batch, { ...readBatchHeader(batch), attributes: 0x20 })
        return batch
      },
      ErrorCode.INVALID_RECORD,
    ],
    [
      'a batch above max.message.bytes',
      () => batchOf(['x'.repeat(2_000_000)]),
      ErrorCode.MESSAGE_TOO_LARGE,
    ],
    [
      'a damaged batch above max.message.bytes, at first sight',
      () => damaged(batchOf(['x'.repeat(2_000_000)]), 70),
      ErrorCode.MESSAGE_TOO_LARGE,
    ],
    [
      'a timestamp days ahead',
      () => batchOf(['a'], { timestamp: Date.now() + 48 * 3_600_000 }),
      ErrorCode.INVALID_TIMESTAMP,
    ],
  ]
  for (const [what, records, code] of refused) {
    it(`refuses ${what}`, async () => {
      const before = await produce(client, 'plain', batchOf(['before']), { partition: 1 })
      const { errorCode, baseOffset } = await produce(client, 'plain', records(), { partition: 1 })
      assert.deepEqual([errorCode, baseOffset], [code, -1])
      const next = await produce(client, 'plain', batchOf(['after']), { partition: 1 })
      assert.equal(next.baseOffset, before.baseOffset + 1)
    })
  }

  it('takes records from long ago', async () => {
    const { errorCode } = await produce(
      client,
      'plain',
      batchOf(['2001'], { timestamp: 978_307_200_000 }),
    )
    assert.equal(errorCode, ErrorCode.NONE)
  })

  it('knows no topic it was not told to create', async () => {
    const { errorCode } = await produce(client, 'nowhere', batchOf(['a']))
    assert.equal(errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  })

  it('refuses other acks than none, one and all', async () => {
    const { errorCode } = await produce(client, 'plain', batchOf(['a']), { acks: 2 })
    assert.equal(errorCode, ErrorCode.INVALID_REQUIRED_ACKS)
  })

  it('answers nothing to acks=0, and ends the connection when it fails', async () => {
    const other = await open.client()
    const request = (topic: string) => ({
      acks: 0,
      timeoutMs: 1000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records: batchOf(['a']) }] }],
    })
    other.send('Produce', 9, request('plain'))
    const { apiKeys } = await other.ask('ApiVersions', 2, {})
    assert.ok(apiKeys.length > 0)
    other.send('Produce', 9, request('nowhere'))
    await other.ended()
  })

  it('refuses records without a key in a compacted topic, and says which', async () => {
    await createTopic(client, 'compacted', 1, { 'cleanup.policy': 'compact' })
    const refusal = await produce(client, 'compacted', batchOf(['a', 'b'], { key: null }))
    assert.equal(refusal.errorCode, ErrorCode.INVALID_RECORD)
    assert.deepEqual(
      refusal.recordErrors.map(({ batchIndex }) => batchIndex),
      [0, 1],
    )
    const { errorCode } = await produce(client, 'compacted', batchOf(['a'], { key: 'k' }))
    assert.equal(errorCode, ErrorCode.NONE)
  })

  it('stamps its own time where the topic says so', async () => {
    await createTopic(client, 'stamped', 1, { 'message.timestamp.type': 'LogAppendTime' })
    const { logAppendTimeMs } = await produce(client, 'stamped', batchOf(['a'], { timestamp: 5 }))
    assert.ok(Math.abs(logAppendTimeMs - Date.now()) < 10_000)
    const listed = await client.ask('ListOffsets', 7, {
      replicaId: -1,
      topics: [{ name: 'stamped', partitions: [{ partitionIndex: 0, timestamp: -3 }] }],
    })
    assert.equal(listed.topics[0]?.partitions[0]?.timestamp, logAppendTimeMs)
  })

  it('names topics by id from version 13 on', async () => {
    const { topics } = await client.ask('Metadata', 12, { topics: [{ name: 'plain' }] })
    const topicId = topics[0]!.topicId
    const records = batchOf(['by id'])
    const { responses } = await client.ask('Produce', 13, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ topicId, partitionData: [{ index: 0, records }] }],
    })
    assert.equal(responses[0]?.topicId, topicId)
    assert.equal(responses[0]?.partitionResponses[0]?.errorCode, ErrorCode.NONE)
  })

  it('stores a retry once and answers it like the first time', async () => {
    const { producerId, producerEpoch } = await client.ask('InitProducerId', 4, {
      transactionalId: null,
      transactionTimeoutMs: 1000,
    })
    const batch = (baseSequence: number) =>
      batchOf(['a', 'b'], { producerId, producerEpoch, baseSequence })
    const first = await produce(client, 'plain', batch(0))
    const again = await produce(client, 'plain', batch(0))
    assert.deepEqual([again.errorCode, again.baseOffset], [0, first.baseOffset])
    const gap = await produce(client, 'plain', batch(9))
    assert.equal(gap.errorCode, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
  })
})

function ofFormat(magic: number): Uint8Array {
  const batch = batchOf(['a'])
  batch[16] = magic
  return batch
}

function damaged(batch: Uint8Array, at: number): Uint8Array {
  batch[at] = batch[at]! ^ 0xff
  return batch
}
