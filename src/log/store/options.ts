/** What the owner of a log store decides, and what holds where he does not. */
import type { HeadwaterError } from '../../base/errors.ts'
import { zeroUuid } from '../../base/units.ts'
import type { Clock, Disk } from '../../io/ports.ts'
import type { Damage } from './recovery.ts'

/** An append is acknowledged when it is synced, when it is written, or when it is accepted. */
export type Durability = 'disk' | 'os' | 'memory'

export interface LogStoreOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly directory: string
  /** `disk` by default. */
  readonly durability?: Durability
  /** Size of a segment file unless a log says otherwise, at most 2 GiB less one byte; 256 MiB. */
  readonly segmentBytes?: number
  /** Bytes of a segment between two entries of its index; 16 KiB. */
  readonly indexIntervalBytes?: number
  /** Journal size that sets off a checkpoint, so at most about this much is replayed; 64 MiB. */
  readonly journalBytes?: number
  /** Recent batches kept in memory after they are in segment files; 64 MiB. */
  readonly cacheBytes?: number
  /** Bytes held in memory until they are in segment files, past which `congested` is true; 64 MiB. */
  readonly backlogBytesMax?: number
  /** Bytes in the journal but not in segment files that are worth a round of writing; 8 MiB. */
  readonly writeBehindBytes?: number
  /** Logs that a checkpoint brings into segment files, the largest first; it carries what others have. 64. */
  readonly checkpointWrites?: number
  /** Descriptors that segments hold at most, whatever the load; 256. */
  readonly segmentDescriptorsMax?: number
  /** Room kept for when the disk is full; without any, which is the default, a full disk stops the store. */
  readonly reserveBytes?: number
  /** Written into a directory that is new; one that exists keeps its own. */
  readonly clusterId?: string
  /** Called once, when the store stops taking appends because a write or sync failed. */
  readonly onFailure?: (error: HeadwaterError) => void
  /** Hears of damage that a start refuses otherwise, and the store goes on with what can be read: for
   * repairs, which close it again and so write everything anew. */
  readonly onDamage?: (damage: Damage) => void
  /** Called when the system has no descriptors left, and without an error when it has some again. */
  readonly onShortage?: (error?: HeadwaterError) => void
  /** Called when the disk is full, and without an error when it has room again (`reserveBytes`). */
  readonly onFull?: (error?: HeadwaterError) => void
}

export const storeDefaults = {
  durability: 'disk',
  segmentBytes: 256 * 1024 * 1024,
  indexIntervalBytes: 16 * 1024,
  journalBytes: 64 * 1024 * 1024,
  cacheBytes: 64 * 1024 * 1024,
  backlogBytesMax: 64 * 1024 * 1024,
  writeBehindBytes: 8 * 1024 * 1024,
  checkpointWrites: 64,
  segmentDescriptorsMax: 256,
  reserveBytes: 0,
  clusterId: zeroUuid,
} as const

type Listeners = 'onFailure' | 'onDamage' | 'onShortage' | 'onFull'
export type Settings = Required<Omit<LogStoreOptions, Listeners>> & Pick<LogStoreOptions, Listeners>
