/**
 * Syncs whose failure is final, whatever the reason.
 *
 * A write that finds no room can be made again. But some file systems find out only at the sync that there
 * is none, and what they had taken before is gone then: the next sync has nothing to do, and succeeds.
 */
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'

/** @throws `disk-failed` where `sync` finds that the disk is full */
export async function forGood(path: string, sync: () => Promise<void>): Promise<void> {
  try {
    await sync()
  } catch (cause) {
    if (!isHeadwaterError(cause, 'disk-full')) throw cause
    throw new HeadwaterError(
      'disk-failed',
      `the disk is full, and ${path} may lack what had been written to it: free space on the disk and start ` +
        'again. What was acknowledged as on disk is there',
      { cause },
    )
  }
}
