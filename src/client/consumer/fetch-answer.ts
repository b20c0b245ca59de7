/** One partition's part of a fetch's answer: checked, filtered, and with the offset to go on from. */
import { HeadwaterError } from '../../base/errors.ts'
import type { ResponseOf } from '../../protocol/api.ts'
import {
  checkBatch,
  isControl,
  nextOffsetOf,
  readBatchHeader,
  splitBatches,
} from '../../records/batch.ts'
import { AbortFilter } from './abort-filter.ts'
import type { FetchedBatches, FetchPosition } from './fetch-position.ts'
import { partitionName } from '../cluster/topic-partition.ts'

export type FetchedPartition = ResponseOf<'Fetch'>['responses'][number]['partitions'][number]

/** Undefined when the answer brings the partition no further; `data-corrupt` when a checksum is wrong. */
export function readAnswer(
  at: FetchPosition,
  answer: FetchedPartition,
  isolation: 'read_committed' | 'read_uncommitted',
): FetchedBatches | undefined {
  const filter =
    isolation === 'read_committed' ? new AbortFilter(answer.abortedTransactions ?? []) : undefined
  const batches: Uint8Array[] = []
  let nextOffset = at.fetchOffset
  for (const batch of splitBatches(answer.records ?? nothing)) {
    const fault = checkBatch(batch)
    const header = readBatchHeader(batch)
    if (fault !== undefined) throw corrupt(at, header.baseOffset, fault)
    const next = nextOffsetOf(header)
    // The first batch holds the offset asked for; with compaction it may even end before it.
    if (next <= at.fetchOffset) continue
    nextOffset = next
    at.lastEpoch = header.partitionLeaderEpoch
    const isData = filter?.admits(batch, header) ?? !isControl(header.attributes)
    if (isData && header.recordCount > 0) batches.push(batch)
  }
  if (nextOffset === at.fetchOffset) return undefined
  return {
    topic: at.topic,
    partition: at.partition,
    batches,
    fromOffset: at.fetchOffset,
    nextOffset,
    highWatermark: answer.highWatermark,
    lastStableOffset: answer.lastStableOffset,
  }
}

const nothing = new Uint8Array(0)

function corrupt(at: FetchPosition, offset: number, fault: string): HeadwaterError {
  return new HeadwaterError(
    'data-corrupt',
    `the batch at offset ${offset} of ${partitionName(at.topic, at.partition)} arrived damaged (${fault}): if it happens again the broker's log is damaged; seek past the batch to go on without it`,
  )
}
