import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concatBytes } from '../../../src/base/bytes.ts'
import {
  batchHeaderBytes,
  checkBatch,
  isLogAppendTime,
  nextOffsetOf,
  readBatchHeader,
  splitBatches,
  stampBatch,
  stampLogAppendTime,
  writeBatchHeader,
} from '../../../src/records/batch.ts'
import { BatchBuilder, decodeRecords } from '../../../src/records/record.ts'

function batchOf(count: number, timestamp = 1000): Uint8Array {
  const builder = new BatchBuilder()
  for (let i = 0; i < count; i++) {
    builder.append(timestamp + i, Uint8Array.of(i), Uint8Array.of(i, i, i))
  }
  return builder.finish({ producerId: 77, producerEpoch: 3, baseSequence: 9 })
}

test('a header reads back what the builder wrote', () => {
  const batch = batchOf(4)
  const header = readBatchHeader(batch)
  assert.equal(header.baseOffset, 0)
  assert.equal(header.sizeBytes, batch.length)
  assert.equal(header.partitionLeaderEpoch, -1)
  assert.equal(header.magic, 2)
  assert.equal(header.attributes, 0)
  assert.equal(header.lastOffsetDelta, 3)
  assert.equal(header.baseTimestamp, 1000)
  assert.equal(header.maxTimestamp, 1003)
  assert.equal(header.producerId, 77)
  assert.equal(header.producerEpoch, 3)
  assert.equal(header.baseSequence, 9)
  assert.equal(header.recordCount, 4)
  assert.equal(nextOffsetOf(header), 4)
  assert.equal(checkBatch(batch), undefined)
})

test('a batch laid out byte by byte is read field for field', () => {
  // One record, key 'k', value 'v', timestamp 1600000000000,.
  const bytes = Buffer.from(
    '0000000000000000' +
      '0000003a' +
      'ffffffff' +
      '02' +
      '00000000' +
      '0000' +
      '00000000' +
      '00000174876e8000' +
      '00000174876e8000' +
      'ffffffffffffffff' +
      'ffff' +
      'ffffffff' +
      '00000001' +
      '10' +
      '00' +
      '00' +
      '00' +
      '02' +
      '6b' +
      '02' +
      '76' +
      '00',
    'hex',
  )
  assert.equal(readBatchHeader(bytes).sizeBytes, bytes.length)
  assert.equal(readBatchHeader(bytes).baseTimestamp, 1_600_000_000_000)
  assert.equal(readBatchHeader(bytes).producerId, -1)
  const [record] = decodeRecords(bytes)
  assert.deepEqual(record, {
    offset: 0,
    timestamp: 1_600_000_000_000,
    key: bytes.subarray(66, 67),
    value: bytes.subarray(68, 69),
    headers: [],
  })
})

test('stamping offset and leader epoch leaves the checksum valid', () => {
  const batch = batchOf(2)
  stampBatch(batch, 5_000_000_000, 12)
  assert.equal(checkBatch(batch), undefined)
  assert.equal(readBatchHeader(batch).baseOffset, 5_000_000_000)
  assert.equal(readBatchHeader(batch).partitionLeaderEpoch, 12)
})

test('log append time replaces every record timestamp and renews the checksum', () => {
  const batch = batchOf(3)
  const stamped = stampLogAppendTime(batch, readBatchHeader(batch), 9_999_999_999_999)
  assert.deepEqual(stamped, readBatchHeader(batch))
  assert.equal(checkBatch(batch), undefined)
  assert.ok(isLogAppendTime(readBatchHeader(batch).attributes))
  assert.deepEqual(
    decodeRecords(batch).map((record) => record.timestamp),
    [9_999_999_999_999, 9_999_999_999_999, 9_999_999_999_999],
  )
})

test('every corrupted byte inside the checksum is found', () => {
  const batch = batchOf(5)
  for (let at = 17; at < batch.length; at++) {
    const copy = batch.slice()
    copy[at]! ^= 0x40
    assert.equal(checkBatch(copy), 'bad-crc', `byte ${at}`)
  }
})

test('each fault of a batch has its own name', () => {
  const batch = batchOf(2)
  const length = new DataView(batch.buffer, batch.byteOffset)
  assert.equal(checkBatch(batch.subarray(0, 5)), 'too-short')
  assert.equal(checkBatch(batch.subarray(0, 40)), 'too-short')
  assert.equal(checkBatch(batch.subarray(0, batch.length - 1)), 'too-short')
  const magic = batch.slice()
  magic[16] = 1
  assert.equal(checkBatch(magic), 'bad-magic')
  const count = batch.slice()
  writeBatchHeader(count, { ...readBatchHeader(count), recordCount: 9 })
  assert.equal(checkBatch(count), 'bad-count')
  length.setInt32(8, 12)
  assert.equal(checkBatch(batch), 'bad-length')
  length.setInt32(8, -1)
  assert.equal(checkBatch(batch), 'bad-length')
})

test('splitting gives whole batches and drops a torn last one', () => {
  const [a, b, c] = [batchOf(1), batchOf(2), batchOf(3)]
  const joined = concatBytes([a, b, c])
  assert.deepEqual(splitBatches(joined), [a, b, c])
  assert.deepEqual(splitBatches(joined.subarray(0, joined.length - 1)), [a, b])
  assert.deepEqual(splitBatches(new Uint8Array(0)), [])
})

test('checking and splitting arbitrary bytes never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(220), (bytes, at) => {
      checkBatch(bytes, at)
      splitBatches(bytes)
      return true
    }),
  )
})

test('a header cut off is refused', () => {
  assert.throws(() => readBatchHeader(new Uint8Array(batchHeaderBytes - 1)), {
    code: 'frame-invalid',
  })
})
