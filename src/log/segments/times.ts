/**
 * Records by their time, among those that can be read: the first that is not earlier than a moment, and the
 * first with the largest time. Times need not rise with offsets.
 *
 * Headers say the largest time of a whole batch, and segments that of all they hold, so both speak also for
 * records that were deleted before the start. Where a start lies in the middle, the rest is looked into.
 */
import { readBatchHeader } from '../../records/batch.ts'
import { decodeRecords } from '../../records/record.ts'
import type { Segments } from './segments.ts'
import type { Tail } from './tail.ts'

export interface RecordPosition {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

/** The records of `[from, upTo)`: the older in segments only, the newer in memory, some in both. */
export interface Stretch {
  readonly segments: Segments
  readonly tail: Tail
  readonly from: number
  readonly upTo: number
}

/** The first record, by offset, whose timestamp is at least `timestamp` (ms). */
export async function firstSince(
  { segments, tail, from, upTo }: Stretch,
  timestamp: number,
): Promise<RecordPosition | undefined> {
  const pick = (batch: Uint8Array): RecordPosition | undefined =>
    firstRecordSince(batch, timestamp, from)
  const inMemoryFrom = Math.max(tail.startOffset, from)
  // Taken before the disk is waited for: memory may forget them meanwhile.
  const inMemory = tail.between(inMemoryFrom, upTo)
  if (inMemoryFrom > from) {
    const stored = await segments.findSince(timestamp, from, upTo, pick)
    if (stored !== undefined) return stored
  }
  for (const batch of inMemory) {
    if (batch.maxTimestamp < timestamp) continue
    const found = pick(batch.bytes)
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * The first record with the largest timestamp; undefined when there is none.
 * @param writtenOffset from here on records may be in memory only
 */
export async function firstOfLargest(
  stretch: Stretch,
  writtenOffset: number,
): Promise<RecordPosition | undefined> {
  const { segments, tail, from, upTo } = stretch
  let largest = -1
  for (const batch of tail.between(Math.max(writtenOffset, from), upTo)) {
    const isCut = batch.baseOffset < from
    largest = Math.max(largest, isCut ? largestSince(batch.bytes, from) : batch.maxTimestamp)
  }
  const stored = await segments.largestSince(from, (batch) => largestSince(batch, from))
  return await firstSince(stretch, Math.max(largest, stored))
}

function firstRecordSince(
  batch: Uint8Array,
  timestamp: number,
  from: number,
): RecordPosition | undefined {
  const { partitionLeaderEpoch: leaderEpoch } = readBatchHeader(batch)
  const found = decodeRecords(batch).find(
    (record) => record.timestamp >= timestamp && record.offset >= from,
  )
  return found && { offset: found.offset, timestamp: found.timestamp, leaderEpoch }
}

function largestSince(batch: Uint8Array, from: number): number {
  let largest = -1
  for (const { offset, timestamp } of decodeRecords(batch)) {
    if (offset >= from) largest = Math.max(largest, timestamp)
  }
  return largest
}
