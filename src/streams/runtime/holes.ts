/** Whether records are missing between what was read and the batch that comes next, or within that. */
import type { BatchHeader } from '../../records/batch.ts'

/** A marker of a transaction takes an offset between two batches. */
const markerOffsets = 1

/**
 * A producer fills a batch; who compacts a log takes records out of it, or all of it. What was aborted looks the
 * same to who reads committed records only.
 * @param next the offset behind what was read
 */
export function hasHole(
  next: number,
  {
    baseOffset,
    lastOffsetDelta,
    recordCount,
  }: Pick<BatchHeader, 'baseOffset' | 'lastOffsetDelta' | 'recordCount'>,
): boolean {
  return baseOffset - next > markerOffsets || recordCount <= lastOffsetDelta
}
