import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import type { Compression } from '../../../src/records/batch.ts'
import { checkBatch, compressionOf, readBatchHeader } from '../../../src/records/batch.ts'
import type { StoredRecord } from '../../../src/records/record.ts'
import {
  BatchBuilder,
  controlKind,
  decodeRecords,
  encodeControlBatch,
  forEachRecord,
} from '../../../src/records/record.ts'
import { anyRecord, type Plain } from './arbitrary.ts'

const compressions: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

function build(records: readonly Plain[], compression: Compression): Uint8Array {
  const builder = new BatchBuilder(64)
  for (const { timestamp, key, value, headers } of records) {
    builder.append(timestamp, key, value, headers)
  }
  assert.equal(builder.count, records.length)
  return builder.finish({ compression })
}

test('records read back as they were appended, in every compression', () => {
  fc.assert(
    fc.property(
      fc.array(anyRecord, { minLength: 1, maxLength: 40 }),
      fc.constantFrom(...compressions),
      (records, compression) => {
        const batch = build(records, compression)
        assert.equal(checkBatch(batch), undefined)
        assert.equal(compressionOf(readBatchHeader(batch).attributes), compression)
        const expected = records.map((record, offset): StoredRecord => ({ ...record, offset }))
        assert.deepEqual(decodeRecords(batch), expected)
      },
    ),
    { numRuns: 200 },
  )
})

test('visiting sees the same positions as decoding, without headers in the way', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 40 }), (records) => {
      const batch = build(records, 'none')
      const seen: unknown[] = []
      forEachRecord(batch, (offset, timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd) => {
        const key = keyEnd < 0 ? null : bytes.slice(keyStart, keyEnd)
        const value = valueEnd < 0 ? null : bytes.slice(valueStart, valueEnd)
        seen.push({ offset, timestamp, key, value })
      })
      assert.deepEqual(
        seen,
        records.map(({ timestamp, key, value }, offset) => ({ offset, timestamp, key, value })),
      )
    }),
  )
})

test('a builder knows its size and grows past its capacity', () => {
  const builder = new BatchBuilder(0)
  const value = new Uint8Array(100_000).fill(7)
  builder.append(1, null, value)
  const sizeBytes = builder.sizeBytes
  const batch = builder.finish()
  assert.equal(batch.length, sizeBytes)
  assert.deepEqual(decodeRecords(batch)[0]!.value, value)
})

test('the largest timestamp is the maximum, not the last', () => {
  const builder = new BatchBuilder()
  for (const timestamp of [5, 1, 9, 3]) builder.append(timestamp, null, null)
  const header = readBatchHeader(builder.finish())
  assert.equal(header.baseTimestamp, 5)
  assert.equal(header.maxTimestamp, 9)
})

test('damaged records are refused and never read past their batch', () => {
  const good = build(
    [
      { timestamp: 1, key: Uint8Array.of(1, 2), value: Uint8Array.of(3, 4, 5), headers: [] },
      { timestamp: 2, key: null, value: Uint8Array.of(6), headers: [{ key: 'h', value: null }] },
    ],
    'none',
  )
  fc.assert(
    fc.property(fc.integer({ min: 61, max: good.length - 1 }), fc.nat(255), (at, byte) => {
      const batch = good.slice()
      batch[at] = byte
      try {
        for (const { key, value } of decodeRecords(batch)) {
          assert.ok((key?.length ?? 0) <= batch.length && (value?.length ?? 0) <= batch.length)
        }
      } catch (error) {
        assert.ok(isHeadwaterError(error, 'record-invalid'), String(error))
      }
    }),
  )
})

test('compressed records that cannot be unfolded are refused', () => {
  for (const compression of compressions.slice(1)) {
    const batch = build([{ timestamp: 1, key: null, value: null, headers: [] }], compression)
    batch.fill(0xee, 61)
    assert.throws(() => decodeRecords(batch), { code: 'record-invalid' }, compression)
  }
})

test('a control batch says whether it commits or aborts', () => {
  for (const kind of ['commit', 'abort'] as const) {
    const batch = encodeControlBatch({
      kind,
      producerId: 8,
      producerEpoch: 1,
      coordinatorEpoch: 4,
      timestamp: 123,
    })
    assert.equal(checkBatch(batch), undefined)
    assert.equal(controlKind(batch), kind)
    const header = readBatchHeader(batch)
    assert.equal(header.attributes, 0x30)
    assert.equal(header.baseSequence, -1)
    assert.equal(header.maxTimestamp, 123)
    const [record] = decodeRecords(batch)
    assert.deepEqual([...record!.key!], [0, 0, 0, kind === 'commit' ? 1 : 0])
    assert.deepEqual([...record!.value!], [0, 0, 0, 0, 0, 4])
  }
  const records = [{ timestamp: 1, key: null, value: null, headers: [] }]
  assert.equal(controlKind(build(records, 'none')), undefined)
})
