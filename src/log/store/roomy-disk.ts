/** The store's disk for what cannot wait to be written: a call that finds no room is made again when there is some. */
import { isHeadwaterError } from '../../base/errors.ts'
import type { Disk, DiskFile } from '../../io/ports.ts'
import type { Reserve } from './reserve.ts'

export function roomyDisk(disk: Disk, reserve: Reserve): Disk {
  const withRoom = async <T>(call: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await call()
      } catch (error) {
        if (!isHeadwaterError(error, 'disk-full')) throw error
        await reserve.room(error)
      }
    }
  }
  const roomy = (file: DiskFile): DiskFile => ({
    read: (position, count) => file.read(position, count),
    write: (chunks, position) => withRoom(() => file.write(chunks, position)),
    sync: () => file.sync(),
    truncate: (size) => file.truncate(size),
    size: () => file.size(),
    close: () => file.close(),
  })
  return {
    open: async (path, mode) => roomy(await withRoom(() => disk.open(path, mode))),
    list: (directory) => disk.list(directory),
    exists: (path) => disk.exists(path),
    fileSize: (path) => disk.fileSize(path),
    identify: (path) => disk.identify(path),
    makeDirectory: (path) => withRoom(() => disk.makeDirectory(path)),
    rename: (from, to) => withRoom(() => disk.rename(from, to)),
    remove: (path) => disk.remove(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    lock: (path) => withRoom(() => disk.lock(path)),
  }
}
