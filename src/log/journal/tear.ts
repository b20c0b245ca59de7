/**
 * Telling an interrupted write from damage, by what is left of it.
 *
 * The last group of a journal was written into bytes that were not there before. A crash leaves any of
 * its sectors out: those read as zeros, or lie behind the end of the file. What a crash cannot leave is
 * a group of which no sector is missing and that still fails its checksums: something changed it.
 */
import { Reader, Writer } from '../../base/bytes.ts'
import { decodeGroup, entryBytes, groupHeaderBytes, groupTableBytes } from './format.ts'
import type { FileWindow } from './window.ts'

/** What a device writes whole or not at all. */
const sectorBytes = 512

/** Why the unreadable group at `position` was no interrupted write; undefined when it may have been one. */
export async function faultUnlessTorn(
  window: FileWindow,
  position: number,
  seed: number,
): Promise<string | undefined> {
  const left = window.sizeBytes - position
  if (left < groupHeaderBytes) return undefined
  const bytes = await window.rest(position)
  const tableBytes = groupTableBytes(bytes, 0)
  if (tableBytes === undefined) return unlessMissing(bytes, position, left, 'no group begins here')
  if (tableBytes > left) {
    const isWhole = isWholeButForCount(bytes, seed)
    return isWhole ? 'it is whole but for its count of entries' : undefined
  }
  const group = decodeGroup(bytes, 0, seed)
  if (group === undefined) {
    return unlessMissing(bytes, position, tableBytes, 'the group here fails its checksum')
  }
  const sizeBytes = tableBytes + group.payloadBytes
  if (sizeBytes > left) return undefined
  return unlessMissing(bytes, position, sizeBytes, 'what the group here holds fails its checksum')
}

/** Whether a group that claims more entries than the file has room for had as many as there are. */
function isWholeButForCount(bytes: Uint8Array, seed: number): boolean {
  const entriesBytes = bytes.length - groupHeaderBytes - new Reader(bytes, 32).uint32()
  if (entriesBytes < 0 || entriesBytes % entryBytes !== 0) return false
  const table = new Writer(groupHeaderBytes)
  table.append(bytes.subarray(0, groupHeaderBytes + entriesBytes))
  table.setInt32(36, entriesBytes / entryBytes)
  return decodeGroup(table.finish(), 0, seed) !== undefined
}

/** The fault, unless one of the sectors of `bytes[0, count)` may never have been written. */
function unlessMissing(
  bytes: Uint8Array,
  position: number,
  count: number,
  fault: string,
): string | undefined {
  for (let at = 0; at < count;) {
    const next = Math.min(count, at + sectorBytes - ((position + at) % sectorBytes))
    if (bytes.subarray(at, next).every((byte) => byte === 0)) return undefined
    at = next
  }
  return `${fault}, and no crash leaves it so: not a sector of it is missing`
}
