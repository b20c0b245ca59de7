/** Where files go that cannot be used and may hold records: `aside/<n>/` and their path, never over another. */
import type { Disk } from '../../io/ports.ts'

/** Moves a file, or a directory with all in it, durably; where to. */
export async function moveAside(disk: Disk, directory: string, path: string): Promise<string> {
  const to = await placeAside(disk, directory, path)
  await disk.rename(path, to)
  await disk.syncDirectory(parentOf(to))
  await disk.syncDirectory(parentOf(path))
  return to
}

/** A path of its own for `path`, whose directory is there. */
async function placeAside(disk: Disk, directory: string, path: string): Promise<string> {
  const aside = `${directory}/aside`
  const last = Math.max(0, ...(await disk.list(aside)).map(Number).filter(Number.isInteger))
  const to = `${aside}/${last + 1}/${path.slice(directory.length + 1)}`
  await disk.makeDirectory(parentOf(to))
  return to
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}
