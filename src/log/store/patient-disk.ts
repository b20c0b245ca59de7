/**
 * The store's disk when the system runs out of descriptors: that passes, so it is no failure of the disk.
 *
 * A call that finds none left has idle segment files closed and is made again, for a minute at most. The
 * owner hears when that begins and when it is over, and takes nothing on meanwhile that would need more.
 * Whatever else fails, fails at once.
 */
import { isHeadwaterError, type HeadwaterError } from '../../base/errors.ts'
import type { Clock, Disk } from '../../io/ports.ts'

/** How long a call waits for a descriptor, and how often it looks for one. */
const patienceMsMax = 60_000
const pauseMs = 20

export interface Shortage {
  /** Begins to give descriptors back that can be had again. */
  shed(): void
  /** Descriptors have run out, or, without an error, are there again. */
  changed(error?: HeadwaterError): void
}

export function patientDisk(disk: Disk, clock: Clock, shortage: Shortage): Disk {
  let waiting = 0
  const wait = async (error: HeadwaterError): Promise<void> => {
    if (waiting++ === 0) shortage.changed(error)
    shortage.shed()
    await new Promise<void>((resolve) => void clock.after(pauseMs, resolve))
    if (--waiting === 0) shortage.changed()
  }
  const patiently = async <T>(call: () => Promise<T>): Promise<T> => {
    const givesUpAt = clock.monotonic() + patienceMsMax
    for (;;) {
      try {
        return await call()
      } catch (error) {
        if (!isHeadwaterError(error, 'too-many-files')) throw error
        if (clock.monotonic() >= givesUpAt) throw error
        await wait(error)
      }
    }
  }
  return {
    open: (path, mode) => patiently(() => disk.open(path, mode)),
    list: (directory) => patiently(() => disk.list(directory)),
    exists: (path) => disk.exists(path),
    fileSize: (path) => disk.fileSize(path),
    identify: (path) => disk.identify(path),
    makeDirectory: (path) => patiently(() => disk.makeDirectory(path)),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => patiently(() => disk.remove(path)),
    syncDirectory: (path) => patiently(() => disk.syncDirectory(path)),
    lock: async (path) => {
      const lock = await disk.lock(path)
      return { check: () => patiently(() => lock.check()), release: () => lock.release() }
    },
  }
}
