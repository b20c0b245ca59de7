/**
 * Records by their time, among those that can be read: the first that is not earlier than a moment, and the
 * first with the largest time. Times need not rise with offsets.
 *
 * Headers say the largest time of a whole batch, and segments that of all they hold, so both speak also for
 * records that were deleted before the start. Where a start lies in the middle, the rest is looked into.
 *
 * One batch is looked into at a time, while it unfolds and no further than need be. One that is not what its
 * header says, or unfolds to more than it may (it was stored before brokers looked into records), is answered
 * for by its header, and the answer says so: the place is at or before the record that is meant.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { isLogAppendTime, readBatchHeader, type BatchHeader } from '../../records/batch.ts'
import { walkUnfolding } from '../../records/walk-unfolding.ts'
import { RecordWalk } from '../../records/walk.ts'
import type { Segments } from './segments.ts'
import type { Tail } from './tail.ts'

export interface RecordPosition {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
  /** Why the header of its batch had to answer. */
  readonly unsound?: HeadwaterError
}

/** The records of `[from, upTo)`: the older in segments only, the newer in memory, some in both. */
export interface Stretch {
  readonly segments: Segments
  readonly tail: Tail
  readonly from: number
  readonly upTo: number
  /** What the records of a batch may unfold to. */
  readonly unfoldedBytesMax: number
  readonly nextTurn: () => Promise<void>
}

/** What unfolds to no more than this does so at once. */
const atOnceBytesMax = 1024 * 1024

/** The first record, by offset, whose timestamp is at least `timestamp` (ms). */
export async function firstSince(
  stretch: Stretch,
  timestamp: number,
): Promise<RecordPosition | undefined> {
  return await firstBatchSince(stretch, timestamp, (batch) => firstIn(batch, timestamp, stretch))
}

/** What `pick` first finds in a batch that says it has a timestamp of at least `timestamp`. */
async function firstBatchSince(
  { segments, tail, from, upTo }: Stretch,
  timestamp: number,
  pick: (batch: Uint8Array) => Promise<RecordPosition | undefined>,
): Promise<RecordPosition | undefined> {
  const inMemoryFrom = Math.max(tail.startOffset, from)
  // Taken before the disk is waited for: memory may forget them meanwhile.
  const inMemory = tail.between(inMemoryFrom, upTo)
  if (inMemoryFrom > from) {
    const stored = await segments.findSince(timestamp, from, upTo, pick)
    if (stored !== undefined) return stored
  }
  for (const batch of inMemory) {
    if (batch.maxTimestamp < timestamp) continue
    const found = await pick(batch.bytes)
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
    const most = isCut ? await largestIn(batch.bytes, stretch) : batch.maxTimestamp
    largest = Math.max(largest, most)
  }
  const stored = await segments.largestSince(from, (batch) => largestIn(batch, stretch))
  largest = Math.max(largest, stored)
  const found = await firstSince(stretch, largest)
  if (found !== undefined || largest < 0) return found
  return await firstBatchSince(stretch, largest, async (batch) => byHeaderOf(batch, stretch))
}

/** Where the time is that a header says and none of its records has. */
function byHeaderOf(batch: Uint8Array, { from }: Stretch): RecordPosition {
  const { baseOffset, maxTimestamp, partitionLeaderEpoch: leaderEpoch } = readBatchHeader(batch)
  const unsound = unsoundBatch(baseOffset, `no record has its largest time, ${maxTimestamp}`)
  const offset = Math.max(baseOffset, from)
  return { offset, timestamp: maxTimestamp, leaderEpoch, unsound }
}

async function firstIn(
  batch: Uint8Array,
  timestamp: number,
  stretch: Stretch,
): Promise<RecordPosition | undefined> {
  const header = readBatchHeader(batch)
  const { baseOffset, maxTimestamp, partitionLeaderEpoch: leaderEpoch } = header
  const offset = Math.max(baseOffset, stretch.from)
  const byHeader = { offset, timestamp: maxTimestamp, leaderEpoch }
  if (isLogAppendTime(header.attributes)) return maxTimestamp < timestamp ? undefined : byHeader
  let found: RecordPosition | undefined
  const isFound = (): boolean => found !== undefined
  const unsound = await eachLater(batch, header, timestamp, stretch, isFound, (at, time) => {
    found ??= { offset: at, timestamp: time, leaderEpoch }
  })
  return found ?? (unsound && { ...byHeader, unsound })
}

async function largestIn(batch: Uint8Array, stretch: Stretch): Promise<number> {
  const header = readBatchHeader(batch)
  if (isLogAppendTime(header.attributes)) return header.maxTimestamp
  let largest = -1
  const never = (): boolean => false
  const unsound = await eachLater(batch, header, 0, stretch, never, (_at, time) => {
    largest = Math.max(largest, time)
  })
  return unsound === undefined ? largest : header.maxTimestamp
}

/** Calls `visit` for the records from the start of the log on that are not earlier than `since`; what is
 * wrong with the batch, if that is found before there `isEnough`. */
async function eachLater(
  batch: Uint8Array,
  header: BatchHeader,
  since: number,
  { from, unfoldedBytesMax, nextTurn }: Stretch,
  isEnough: () => boolean,
  visit: (offset: number, timestamp: number) => void,
): Promise<HeadwaterError | undefined> {
  const { baseOffset } = header
  const onUnfit = (place: number, timestamp: number): void => {
    if (baseOffset + place >= from) visit(baseOffset + place, timestamp)
  }
  // Records that a walk would call too late are those that are looked for.
  const rules = { keyed: false, oldest: -Infinity, newest: since - 1, recordBytesMax: Infinity }
  const walk = new RecordWalk(header, rules, { onUnfit })
  try {
    const bounds = { bytesMax: unfoldedBytesMax, atOnceBytesMax, pace: nextTurn, isEnough }
    const isWhole = await walkUnfolding(walk, batch, header, bounds)
    if (isEnough()) return undefined
    const fault = isWhole ? walk.finish() : `it unfolds to more than ${unfoldedBytesMax} bytes`
    return fault === undefined ? undefined : unsoundBatch(baseOffset, fault)
  } catch (error) {
    if (!isHeadwaterError(error, 'record-invalid')) throw error
    return unsoundBatch(baseOffset, error.message)
  }
}

function unsoundBatch(baseOffset: number, fault: string): HeadwaterError {
  return new HeadwaterError(
    'record-invalid',
    `the batch stored at offset ${baseOffset} is not what its header says: ${fault}. It was stored before ` +
      'brokers looked into records; nobody may be able to read it. Look-ups by time take its header’s ' +
      'word for it; DeleteRecords up to behind it removes it.',
  )
}
