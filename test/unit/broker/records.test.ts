/** The broker looks into what it is given: records are what their batch says, or they are not stored. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { brokerDefaults } from '../../../src/broker/config.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import {
  readBatchHeader,
  writeBatchHeader,
  type BatchHeader,
  type Compression,
} from '../../../src/records/batch.ts'
import { compress } from '../../../src/records/compression.ts'
import { BatchBuilder } from '../../../src/records/record.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { aroundFiles } from '../around-files.ts'
import { openBroker, type OpenBroker } from './open-broker.ts'

const compressions: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

let open: OpenBroker
let client: RawClient

before(async () => {
  open = await openBroker({ config: { unfoldedBytesMax: 4_000_000, recordErrorsMax: 3 } })
  client = await open.client()
  await createTopic(client, 'plain', 4)
})
after(() => open.broker.close())

/** The batch with other fields in its header, and the checksum that goes with them. */
function altered(batch: Uint8Array, fields: Partial<BatchHeader>): Uint8Array {
  writeBatchHeader(batch, { ...readBatchHeader(batch), ...fields })
  return batch
}

/** A batch whose records are these bytes, compressed, under the header of a batch with these values. */
function around(records: Uint8Array, values: readonly string[], compression: Compression) {
  const body = compress(compression, records)
  const batch = new Uint8Array(61 + body.length)
  batch.set(body, 61)
  const attributes = compressions.indexOf(compression)
  writeBatchHeader(batch, { ...readBatchHeader(batchOf(values)), attributes })
  return batch
}

const recordsOf = (values: readonly string[]): Uint8Array => batchOf(values).subarray(61)

/** One record that unfolds to so many bytes, about. */
function bomb(bytes: number, compression: Compression, timestamp = Date.now()): Uint8Array {
  const builder = new BatchBuilder()
  builder.append(timestamp, null, new Uint8Array(bytes))
  return builder.finish({ compression })
}

async function endOf(topic: string, partition: number): Promise<number> {
  const { topics } = await client.ask('ListOffsets', 7, {
    replicaId: -1,
    topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp: -1 }] }],
  })
  return topics[0]!.partitions[0]!.offset
}

describe('a batch is refused, and nothing of it stored,', () => {
  const wrong: readonly [what: string, batch: (c: Compression) => Uint8Array, message: RegExp][] = [
    [
      'whose records are noise',
      (c) => around(new Uint8Array(40).fill(0xff), ['a'], c),
      /fit|cut off/,
    ],
    [
      'with more records than it says',
      (c) => around(recordsOf(['a', 'b', 'c']), ['a'], c),
      /follow/,
    ],
    ['with fewer', (c) => around(recordsOf(['a']), ['a', 'b'], c), /has 1 records/],
    [
      'that says it has two thousand million',
      (c) =>
        altered(around(recordsOf(['a']), ['a'], c), {
          recordCount: 0x7fff_ffff,
          lastOffsetDelta: 0x7fff_fffe,
        }),
      /has 1 records, and its header says 2147483647/,
    ],
    [
      'whose offsets do not rise by one',
      (c) => around(Buffer.concat([recordsOf(['a']), recordsOf(['b'])]), ['a', 'b'], c),
      /record 1 says it is record 0/,
    ],
    ['that is cut off', (c) => around(recordsOf(['abc']).subarray(0, -2), ['abc'], c), /cut off/],
  ]
  for (const [what, batch, message] of wrong) {
    for (const compression of compressions) {
      it(`${what} (${compression})`, async () => {
        const end = await endOf('plain', 0)
        const refusal = await produce(client, 'plain', batch(compression))
        assert.equal(refusal.errorCode, ErrorCode.INVALID_RECORD)
        assert.match(refusal.errorMessage!, message)
        assert.equal(await endOf('plain', 0), end)
      })
    }
  }

  it('that does not unfold', async () => {
    for (const compression of compressions.slice(1)) {
      const batch = around(recordsOf(['a']), ['a'], compression)
      batch.fill(0xee, 61)
      const refusal = await produce(client, 'plain', altered(batch, {}))
      assert.equal(refusal.errorCode, ErrorCode.INVALID_RECORD, compression)
      assert.match(refusal.errorMessage!, /cannot be decompressed/)
    }
  })

  it('that says its time is the broker’s', async () => {
    const refusal = await produce(client, 'plain', altered(batchOf(['a']), { attributes: 8 }))
    assert.equal(refusal.errorCode, ErrorCode.INVALID_TIMESTAMP)
  })

  it('with a record larger than max.decompressed.message.bytes, where it is compressed', async () => {
    await createTopic(client, 'narrow', 1, { 'max.decompressed.message.bytes': '1000' })
    for (const compression of compressions) {
      const { errorCode, errorMessage } = await produce(client, 'narrow', bomb(1000, compression))
      if (compression === 'none') assert.equal(errorCode, ErrorCode.NONE)
      else {
        assert.equal(errorCode, ErrorCode.INVALID_RECORD)
        assert.match(errorMessage!, /and 1000 are allowed/)
      }
      const within = await produce(client, 'narrow', bomb(900, compression))
      assert.equal(within.errorCode, ErrorCode.NONE)
    }
  })

  it('that unfolds to more than unfoldedBytesMax, so that its producer sends it in parts', async () => {
    for (const compression of compressions.slice(1)) {
      const sent = bomb(4_000_001, compression)
      assert.ok(sent.length < 200_000)
      const refusal = await produce(client, 'plain', sent)
      assert.equal(refusal.errorCode, ErrorCode.MESSAGE_TOO_LARGE, compression)
      assert.match(refusal.errorMessage!, /unfoldedBytesMax/)
      const { errorCode } = await produce(client, 'plain', bomb(3_999_900, compression))
      assert.equal(errorCode, ErrorCode.NONE, compression)
    }
  })
})

it('at most recordErrorsMax records of a batch are named as being at fault', async () => {
  await createTopic(client, 'keyed', 1, { 'cleanup.policy': 'compact' })
  const values = ['a', 'b', 'c', 'd', 'e']
  const { recordErrors } = await produce(client, 'keyed', batchOf(values, { key: null }))
  assert.deepEqual(
    recordErrors.map(({ batchIndex }) => batchIndex),
    [0, 1, 2],
  )
  assert.ok(brokerDefaults.recordErrorsMax >= 100)
})

it('a largest time that is not that of the records is put right, as in Kafka', async () => {
  await createTopic(client, 'timed')
  const now = Date.now()
  for (const [at, compression] of compressions.entries()) {
    const timestamp = now + at
    const batch = around(batchOf(['a'], { timestamp }).subarray(61), ['a'], compression)
    const told = { baseTimestamp: timestamp, maxTimestamp: at % 2 === 0 ? 5 : now + 1e9 }
    const { errorCode } = await produce(client, 'timed', altered(batch, told))
    assert.equal(errorCode, ErrorCode.NONE)
    for (const wanted of [timestamp, -3]) {
      const { topics } = await client.ask('ListOffsets', 7, {
        replicaId: -1,
        topics: [{ name: 'timed', partitions: [{ partitionIndex: 0, timestamp: wanted }] }],
      })
      const { offset, timestamp: found } = topics[0]!.partitions[0]!
      assert.deepEqual([offset, found], [at, timestamp], compression)
    }
  }
})

describe('while a large batch is looked at', () => {
  it('what its connection sends after it waits, and is appended after it', async () => {
    const { producerId, producerEpoch } = await client.ask('InitProducerId', 4, {
      transactionalId: null,
      transactionTimeoutMs: 1000,
    })
    const large = (baseSequence: number, compression: Compression): Uint8Array =>
      altered(bomb(3_000_000, compression), { producerId, producerEpoch, baseSequence })
    const small = (baseSequence: number): Uint8Array =>
      batchOf(['x'], { producerId, producerEpoch, baseSequence })
    const batches = [
      large(0, 'gzip'),
      small(1),
      large(2, 'lz4'),
      large(3, 'zstd'),
      small(4),
      small(5),
    ]
    const start = await endOf('plain', 1)
    for (const records of batches) {
      const topicData = [{ name: 'plain', partitionData: [{ index: 1, records }] }]
      client.send('Produce', 9, { acks: -1, timeoutMs: 1000, topicData })
    }
    for (const _ of batches) await client.receive()
    // A batch out of its order would have been refused for its sequence.
    assert.equal(await endOf('plain', 1), start + batches.length)
  })

  it('others are served, and it is refused if its topic goes meanwhile', async () => {
    const other = await open.client()
    await createTopic(client, 'short-lived')
    const large = produce(client, 'short-lived', bomb(3_900_000, 'gzip'))
    const { responses } = await other.ask('DeleteTopics', 4, {
      topicNames: ['short-lived'],
      timeoutMs: 1000,
    })
    assert.equal(responses[0]?.errorCode, ErrorCode.NONE)
    const { errorCode } = await large
    assert.equal(errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    other.close()
  })

  it('a failure without acknowledgement still ends the connection', async () => {
    const other = await open.client()
    const partitionData = [{ index: 2, records: bomb(5_000_000, 'zstd') }]
    other.send('Produce', 9, {
      acks: 0,
      timeoutMs: 1000,
      topicData: [{ name: 'plain', partitionData }],
    })
    await other.ended()
  })
})

it('no more than lookUpsMax look-ups by time read at once', async () => {
  let reading = 0
  let most = 0
  const disk = aroundFiles(new SimDisk({ seed: 1 }), (file, path) => ({
    read: async (position, count) => {
      if (path.endsWith('.log')) most = Math.max(most, ++reading)
      await new Promise((resolve) => setImmediate(resolve))
      if (path.endsWith('.log')) reading--
      return file.read(position, count)
    },
  }))
  const options = { disk, config: { lookUpsMax: 3 } }
  const partitions = Array.from({ length: 12 }, (_, partitionIndex) => partitionIndex)
  const before = await openBroker(options)
  const writer = await before.client()
  await createTopic(writer, 'cold', partitions.length)
  for (const partition of partitions) await produce(writer, 'cold', batchOf(['a']), { partition })
  await before.broker.close()
  const { broker, ...again } = await openBroker(options)
  const reader = await again.client()
  const { topics } = await reader.ask('ListOffsets', 7, {
    replicaId: -1,
    topics: [
      {
        name: 'cold',
        partitions: partitions.map((partitionIndex) => ({ partitionIndex, timestamp: 1 })),
      },
    ],
  })
  assert.ok(topics[0]!.partitions.every(({ offset }) => offset === 0))
  assert.equal(most, 3)
  await broker.close()
})
