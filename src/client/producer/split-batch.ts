/**
 * Splitting a batch that is larger than its topic takes (KIP-126).
 *
 * The broker that refused it has taken no sequence numbers, so the parts have those of the whole: each
 * begins where the one before it ends, and batches behind the whole keep theirs.
 */
import { assert } from '../../base/errors.ts'
import type { Compression } from '../../records/batch.ts'
import { isTransactional, readBatchHeader } from '../../records/batch.ts'
import type { StoredRecord } from '../../records/record.ts'
import { BatchBuilder, decodeRecords } from '../../records/record.ts'
import type { PendingBatch } from './partition-queue.ts'
import { sequenceLimit } from './partition-queue.ts'
import { recordBytesMax } from './record-size.ts'

/**
 * The records of a batch in batches of at most `sizeBytes` (before compression), or one record where that
 * alone is larger. There are at least two when `sizeBytes` is below the size of the batch.
 */
export function splitBatch(
  batch: PendingBatch,
  sizeBytes: number,
  compression: Compression,
): readonly PendingBatch[] {
  assert(batch.bytes !== undefined && batch.recordCount > 1, 'a batch to split was sent')
  const { producerId, producerEpoch, baseSequence, attributes } = readBatchHeader(batch.bytes)
  const transactional = isTransactional(attributes)
  let before = 0
  return fillBuilders(decodeRecords(batch.bytes), sizeBytes).map((builder, i) => {
    const first = before
    const sequence = (baseSequence + first) % sequenceLimit
    before += builder.count
    return {
      queue: batch.queue,
      order: batch.order + i,
      recordCount: builder.count,
      sizeBytes: builder.sizeBytes,
      builder: undefined,
      since: batch.since,
      deliveries: batch.deliveries?.slice(first, first + builder.count),
      isUncertain: batch.isUncertain,
      bytes: builder.finish({
        producerId,
        producerEpoch,
        baseSequence: sequence,
        transactional,
        compression,
      }),
      settled: undefined,
    }
  })
}

/** The records of an encoded batch once more, to be encoded for another producer id. */
export function refill(bytes: Uint8Array): BatchBuilder {
  return fillBuilders(decodeRecords(bytes), Infinity)[0]!
}

function fillBuilders(records: readonly StoredRecord[], sizeBytes: number): BatchBuilder[] {
  const builders: BatchBuilder[] = []
  for (const { timestamp, key, value, headers } of records) {
    let builder = builders.at(-1)
    const recordBytes = recordBytesMax(key, value, headers)
    if (builder === undefined || builder.sizeBytes + recordBytes > sizeBytes) {
      builder = new BatchBuilder(Number.isFinite(sizeBytes) ? sizeBytes : undefined)
      builders.push(builder)
    }
    builder.append(timestamp, key, value, headers)
  }
  return builders
}
