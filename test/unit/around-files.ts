/** A disk that is another one, but for what a test does with the files it opens. */
import type { Disk, DiskFile } from '../../src/io/ports.ts'

export function aroundFiles(
  disk: Disk,
  change: (file: DiskFile, path: string) => Partial<DiskFile> | Promise<Partial<DiskFile>>,
): Disk {
  return {
    open: async (path, mode) => {
      const file = await disk.open(path, mode)
      return {
        read: (position, count) => file.read(position, count),
        write: (chunks, position) => file.write(chunks, position),
        sync: () => file.sync(),
        truncate: (size) => file.truncate(size),
        size: () => file.size(),
        close: () => file.close(),
        ...(await change(file, path)),
      }
    },
    list: (directory) => disk.list(directory),
    exists: (path) => disk.exists(path),
    fileSize: (path) => disk.fileSize(path),
    makeDirectory: (path) => disk.makeDirectory(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    identify: (path) => disk.identify(path),
    lock: (path) => disk.lock(path),
  }
}
