/**
 * What of a damaged segment can be kept. Sound batches stay as they are; one under a wrong base offset,
 * which lies outside its checksum, gets back the one that its neighbours prove; and in the place of what
 * is lost come batches without records, as Kafka's compaction leaves them, so that every batch still
 * begins where another ends.
 */
import { batchHeaderBytes, checkBatch, nextOffsetOf } from '../../records/batch.ts'
import { readBatchHeader, stampBatch, writeBatchHeader } from '../../records/batch.ts'
import type { BatchHeader } from '../../records/batch.ts'
import type { SegmentExtent } from '../segments/segments.ts'

/** The last offset of a batch is at most so far from its first. */
const offsetDeltaMax = 0x7fff_ffff
const noTimestamp = -1

export interface Salvaged {
  /** They cover the segment's offsets without a gap. */
  readonly batches: readonly Uint8Array[]
  /** Offsets whose records are lost: from, and up to before `to`. */
  readonly lost: readonly { readonly from: number; readonly to: number }[]
  /** Base offsets of batches that stood under another one. */
  readonly restamped: readonly number[]
  readonly records: number
}

/** @param bytes of the segment's file, as many as there are of those that count */
export function salvage(bytes: Uint8Array, extent: SegmentExtent): Salvaged {
  const batches: Uint8Array[] = []
  const lost: { from: number; to: number }[] = []
  const restamped: number[] = []
  let records = 0
  let expected = extent.baseOffset
  let leaderEpoch = 0
  const lose = (to: number): void => {
    if (to <= expected) return
    lost.push({ from: expected, to })
    batches.push(...emptyBatches(expected, to, leaderEpoch))
  }
  for (let at = 0; at < bytes.length;) {
    const header = soundAt(bytes, at)
    const baseOffset = header && placeOf(bytes, at, header, expected, extent)
    if (header === undefined || baseOffset === undefined) {
      at++
      continue
    }
    lose(baseOffset)
    const batch = bytes.slice(at, at + header.sizeBytes)
    if (baseOffset !== header.baseOffset) {
      stampBatch(batch, baseOffset, header.partitionLeaderEpoch)
      restamped.push(baseOffset)
    }
    batches.push(batch)
    records += header.recordCount
    leaderEpoch = header.partitionLeaderEpoch
    expected = baseOffset + header.lastOffsetDelta + 1
    at += header.sizeBytes
  }
  lose(extent.nextOffset)
  return { batches, lost, restamped, records }
}

/** Batches without records over `[from, to)`. */
export function emptyBatches(from: number, to: number, leaderEpoch: number): Uint8Array[] {
  const batches: Uint8Array[] = []
  for (let at = from; at < to;) {
    const lastOffsetDelta = Math.min(to - at - 1, offsetDeltaMax)
    const batch = new Uint8Array(batchHeaderBytes)
    writeBatchHeader(batch, {
      attributes: 0,
      lastOffsetDelta,
      baseTimestamp: noTimestamp,
      maxTimestamp: noTimestamp,
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
      recordCount: 0,
    })
    stampBatch(batch, at, leaderEpoch)
    batches.push(batch)
    at += lastOffsetDelta + 1
  }
  return batches
}

/** The header of a whole batch that begins here. */
function soundAt(bytes: Uint8Array, at: number): BatchHeader | undefined {
  if (bytes[at + 16] !== 2 || checkBatch(bytes, at) !== undefined) return undefined
  return readBatchHeader(bytes, at)
}

/** The base offset that a sound batch has to have; undefined when it has no place here. */
function placeOf(
  bytes: Uint8Array,
  at: number,
  header: BatchHeader,
  expected: number,
  extent: SegmentExtent,
): number | undefined {
  if (header.baseOffset === expected) return expected
  const end = at + header.sizeBytes
  const next = end === bytes.length ? extent.nextOffset : soundAt(bytes, end)?.baseOffset
  if (next === expected + header.lastOffsetDelta + 1) return expected
  // What lies between is lost, or this batch has a wrong offset and nothing says which.
  const fits = header.baseOffset > expected && nextOffsetOf(header) <= extent.nextOffset
  return fits && (next === undefined || next >= nextOffsetOf(header))
    ? header.baseOffset
    : undefined
}
