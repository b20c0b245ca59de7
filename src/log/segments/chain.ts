/**
 * What holds of the batches of a segment: each begins, in bytes and in offsets, where the one before it
 * ended. Base offset and length lie outside a batch's own checksum, so this is what guards them.
 */
import { HeadwaterError } from '../../base/errors.ts'
import { batchHeaderBytes, nextOffsetOf, readBatchHeader } from '../../records/batch.ts'
import type { BatchFault, BatchHeader } from '../../records/batch.ts'
import { backupOrRepair } from '../advice.ts'

/** What is known of a segment without reading it. */
export interface SegmentBounds {
  readonly path: string
  readonly baseOffset: number
  readonly nextOffset: number
  readonly sizeBytes: number
}

/**
 * The header of the batch at `position`, which stands at `at` in `window`; throws `data-corrupt` when none
 * of this segment begins there.
 * @param expected its base offset; undefined when the batch before it cannot be trusted
 */
export function headerInChain(
  bounds: SegmentBounds,
  window: Uint8Array,
  at: number,
  position: number,
  expected: number | undefined,
): BatchHeader {
  if (window.length - at < batchHeaderBytes) {
    throw damagedSegment(bounds.path, position, 'the file ends in the middle of a batch')
  }
  const header = readBatchHeader(window, at)
  const end = position + header.sizeBytes
  const next = nextOffsetOf(header)
  const isSound =
    header.magic === 2 &&
    header.sizeBytes >= batchHeaderBytes &&
    end <= bounds.sizeBytes &&
    header.baseOffset >= bounds.baseOffset &&
    next <= bounds.nextOffset &&
    (end < bounds.sizeBytes || next === bounds.nextOffset)
  if (!isSound || header.baseOffset !== (expected ?? header.baseOffset)) {
    throw damagedSegment(bounds.path, position, 'no batch of this log begins here')
  }
  return header
}

export function badBatch(path: string, position: number, fault: BatchFault): HeadwaterError {
  return damagedSegment(path, position, `the batch here is bad (${fault})`)
}

export function damagedSegment(path: string, position: number, fault: string): HeadwaterError {
  return new HeadwaterError(
    'data-corrupt',
    `${path} is damaged at byte ${position}: ${fault}. These bytes were synced, so it was not a crash: ` +
      `check the disk. Other records and other logs are served. ${backupOrRepair(path)}`,
  )
}
