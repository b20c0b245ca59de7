/** What names a log, how it is kept, and what it says of itself to the checkpoint. */
import type { SegmentExtent } from './segments/segments.ts'

export interface LogIdentity {
  readonly name: string
  /** Never given to another log of the store. */
  readonly number: number
  readonly config: LogConfig
}

export interface LogConfig {
  /** A new segment file begins when the current one would grow past this. */
  readonly segmentBytes?: number
  /** Kept in memory only, acknowledged at once, gone after a restart. */
  readonly volatile?: boolean
}

/** A log's line in the checkpoint. `state` is its owner's own encoding. */
export interface LogCheckpoint extends LogIdentity {
  readonly state: Uint8Array
  /** Everything below is in the segments. */
  readonly writtenOffset: number
  readonly extents: readonly SegmentExtent[]
  /** Whole batches from there on, which the journal held when the line was taken. */
  readonly carried: readonly Uint8Array[]
}
