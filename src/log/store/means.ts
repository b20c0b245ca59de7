/** What a store works with: a disk that waits for descriptors, one that also waits for room, and their bounds. */
import type { HeadwaterError } from '../../base/errors.ts'
import type { Disk } from '../../io/ports.ts'
import { SegmentPool } from '../segments/pool.ts'
import type { Settings } from './options.ts'
import { patientDisk } from './patient-disk.ts'
import { Reserve } from './reserve.ts'
import { roomyDisk } from './roomy-disk.ts'

export interface Means {
  readonly pool: SegmentPool
  readonly disk: Disk
  readonly reserve: Reserve
  /** For what cannot wait to be written. */
  readonly roomy: Disk
}

/** Makes them; `told` hears what the store has to know. */
export function meansOf(
  given: Settings,
  told: { roomChanged(error?: HeadwaterError): void; failed(error: unknown): void },
): Means {
  const { clock, directory, segmentDescriptorsMax, reserveBytes: bytes } = given
  const pool = new SegmentPool(segmentDescriptorsMax)
  const disk = patientDisk(given.disk, clock, {
    shed: () => pool.shed(),
    changed: (error) => given.onShortage?.(error),
  })
  const changed = (error?: HeadwaterError): void => {
    told.roomChanged(error)
    given.onFull?.(error)
  }
  const onFailure = (error: unknown): void => told.failed(error)
  const reserve = new Reserve({ disk, clock, directory, bytes, changed, onFailure })
  return { pool, disk, reserve, roomy: bytes === 0 ? disk : roomyDisk(disk, reserve) }
}
