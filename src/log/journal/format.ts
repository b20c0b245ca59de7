/**
 * The bytes of a journal file: a header, then groups, each written and synced as one.
 *
 *   file header, 32 bytes               group header, 40 bytes
 *    at  size  field                     at  size  field
 *     0     4  'HWJ1'                     0     4  'HWG1'
 *     4     4  CRC-32C of bytes 8 to 32   4     4  CRC-32C of bytes 8 to the end of the entries
 *     8     8  file number                8     8  sequence: 1 more than the group before
 *    16     8  sequence of first group   16     8  highest sequence known to be synced by then
 *    24     4  start of checksums, or 0   24     8  wall clock, ms
 *    28     4  zero
 *                                        32     4  payload bytes
 *   entry, 32 bytes                      36     4  entry count
 *     0     1  kind                      40        entries, then their payloads in the same order
 *     1     3  zero
 *     4     4  log number               16     8  offset (batch: base offset; epoch: the epoch)
 *     8     4  payload bytes            24     4  leader epoch
 *    12     4  payload checksum         28     4  last offset delta
 *
 * A batch's payload checksum is the CRC the batch carries itself, so no byte is hashed twice on its way
 * in: the group's checksum covers the entries, an entry covers what the batch's CRC leaves out, and the
 * CRC covers the rest. All group checksums start from a seed of the directory's own, so bytes copied
 * from another journal, or from this one through a record, are never taken for a group.
 */
import { Reader, Writer } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'

export const journalHeaderBytes = 32
export const groupHeaderBytes = 40
export const entryBytes = 32

const fileMagic = 0x48574a31
const groupMagic = 0x48574731
const groupMagicBytes = Uint8Array.of(0x48, 0x57, 0x47, 0x31)
const checkedFrom = 8

export const EntryKind = { batch: 1, create: 2, delete: 3, start: 4, epoch: 5 } as const
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind]

export interface JournalEntry {
  readonly kind: EntryKind
  readonly logNumber: number
  readonly sizeBytes: number
  readonly checksum: number
  readonly offset: number
  readonly leaderEpoch: number
  readonly lastOffsetDelta: number
}

export interface GroupHeader {
  readonly sequence: number
  readonly syncedSequence: number
  readonly appendedAt: number
  readonly payloadBytes: number
  readonly entries: readonly JournalEntry[]
}

export function journalFileName(fileNumber: number): string {
  return `${String(fileNumber).padStart(12, '0')}.journal`
}

/** The number in a journal file's name, or undefined when it is not one. */
export function journalFileNumber(name: string): number | undefined {
  const match = /^(\d{12})\.journal$/.exec(name)
  return match === null ? undefined : Number(match[1])
}

export interface JournalHeader {
  readonly fileNumber: number
  readonly firstSequence: number
  /** Where the checksums of its groups start; 0 in a file of format 1, which does not say. */
  readonly seed: number
}

export function encodeJournalHeader(
  fileNumber: number,
  firstSequence: number,
  seed: number,
): Uint8Array {
  const writer = new Writer(journalHeaderBytes)
  writer.int32(fileMagic)
  writer.int32(0)
  writer.int64(fileNumber)
  writer.int64(firstSequence)
  writer.int32(seed | 0)
  writer.int32(0)
  const bytes = writer.finish()
  writer.setInt32(4, crc32c(bytes, checkedFrom) | 0)
  return bytes
}

export function decodeJournalHeader(bytes: Uint8Array): JournalHeader | undefined {
  if (bytes.length < journalHeaderBytes) return undefined
  const reader = new Reader(bytes)
  if (reader.int32() !== fileMagic) return undefined
  if (reader.uint32() !== crc32c(bytes, checkedFrom, journalHeaderBytes)) return undefined
  return { fileNumber: reader.int64(), firstSequence: reader.int64(), seed: reader.uint32() }
}

/** Room for a group header, to which entries are appended and which `finishGroup` fills in. */
export function beginGroup(): Writer {
  const writer = new Writer(1024)
  writer.claim(groupHeaderBytes)
  return writer
}

export function writeEntry(writer: Writer, entry: JournalEntry): void {
  writer.int32(entry.kind << 24)
  writer.int32(entry.logNumber)
  writer.int32(entry.sizeBytes)
  writer.int32(entry.checksum | 0)
  writer.int64(entry.offset)
  writer.int32(entry.leaderEpoch)
  writer.int32(entry.lastOffsetDelta)
}

/** Header and entries of a group, ready to be written before its payloads. */
export function finishGroup(
  table: Writer,
  header: Omit<GroupHeader, 'entries'>,
  seed: number,
): Uint8Array {
  const end = table.at
  table.at = 0
  table.int32(groupMagic)
  table.int32(0)
  table.int64(header.sequence)
  table.int64(header.syncedSequence)
  table.int64(header.appendedAt)
  table.int32(header.payloadBytes)
  table.int32((end - groupHeaderBytes) / entryBytes)
  table.at = end
  const bytes = table.finish()
  table.setInt32(4, crc32c(bytes, checkedFrom, end, seed) | 0)
  return bytes
}

/** Bytes of a group's header and entries by its header alone; undefined where no group begins. */
export function groupTableBytes(bytes: Uint8Array, at: number): number | undefined {
  if (bytes.length - at < groupHeaderBytes) return undefined
  const reader = new Reader(bytes, at)
  if (reader.int32() !== groupMagic) return undefined
  return groupHeaderBytes + new Reader(bytes, at + 36).uint32() * entryBytes
}

/** The group header and entries at `at`; undefined when they are cut off or damaged. */
export function decodeGroup(bytes: Uint8Array, at: number, seed: number): GroupHeader | undefined {
  const tableBytes = groupTableBytes(bytes, at)
  if (tableBytes === undefined || bytes.length - at < tableBytes) return undefined
  const reader = new Reader(bytes, at + 4)
  if (reader.uint32() !== crc32c(bytes, at + checkedFrom, at + tableBytes, seed)) return undefined
  const sequence = reader.int64()
  const syncedSequence = reader.int64()
  const appendedAt = reader.int64()
  const payloadBytes = reader.uint32()
  const entries: JournalEntry[] = []
  for (let left = reader.uint32(); left > 0; left--) {
    entries.push({
      kind: (reader.int32() >>> 24) as EntryKind,
      logNumber: reader.uint32(),
      sizeBytes: reader.uint32(),
      checksum: reader.uint32(),
      offset: reader.int64(),
      leaderEpoch: reader.int32(),
      lastOffsetDelta: reader.int32(),
    })
  }
  return { sequence, syncedSequence, appendedAt, payloadBytes, entries }
}

/** Where the next group's four first bytes stand at or after `from`; -1 when nowhere. */
export function findGroupMagic(bytes: Uint8Array, from: number): number {
  const [first, second, third, fourth] = groupMagicBytes
  for (let at = bytes.indexOf(first!, from); at !== -1; at = bytes.indexOf(first!, at + 1)) {
    if (bytes[at + 1] === second && bytes[at + 2] === third && bytes[at + 3] === fourth) return at
  }
  return -1
}
