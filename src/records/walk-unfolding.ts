/** Walking the records of a batch while they unfold: in slices, so that whoever walks can stop in between. */
import { batchHeaderBytes, compressionOf, type BatchHeader } from './batch.ts'
import { unfold, unfoldUpTo } from './unfold.ts'
import type { RecordWalk } from './walk.ts'

/** Bytes walked between two stops: with the shortest records, less than a millisecond. */
const sliceBytes = 128 * 1024

export interface WalkBounds {
  /** What the records may unfold to; those that are not compressed are what they are. */
  readonly bytesMax: number
  /** Records that unfold to no more than this do so at once. */
  readonly atOnceBytesMax: number
  /** Called after each slice with what was in it; what it gives is waited for. */
  readonly pace: (bytes: number, records: number) => Promise<void> | undefined
  /** Whether the rest need not be walked. */
  readonly isEnough?: () => boolean
}

/** False when the records unfold to more than they may. Throws `record-invalid` when they do not unfold. */
export async function walkUnfolding(
  walk: RecordWalk,
  batch: Uint8Array,
  header: BatchHeader,
  { bytesMax, atOnceBytesMax, pace, isEnough }: WalkBounds,
): Promise<boolean> {
  const compression = compressionOf(header.attributes)
  const body = batch.subarray(batchHeaderBytes)
  const atOnce =
    compression !== 'none' && atOnceBytesMax > 0
      ? unfoldUpTo(compression, body, Math.min(atOnceBytesMax, bytesMax))
      : undefined
  let left = compression === 'none' ? Infinity : bytesMax
  for await (const piece of atOnce === undefined ? unfold(compression, body) : [atOnce]) {
    left -= piece.length
    if (left < 0) return false
    for (let at = 0; at < piece.length; at += sliceBytes) {
      const before = walk.count
      const slice = piece.subarray(at, at + sliceBytes)
      if (!walk.push(slice) || isEnough?.() === true) return true
      await pace(slice.length, walk.count - before)
    }
  }
  return true
}
