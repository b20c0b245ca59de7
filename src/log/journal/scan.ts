/**
 * Reading the journal back after a stop: every whole group in order, and a verdict on where they end.
 *
 * A group that cannot be read is the *torn end* of an interrupted write when nothing proves it was ever
 * synced; it was never acknowledged, and the caller cuts it off. It is *damage* when a later file exists
 * (files are synced before the next is made) or a later group says it was synced: then acknowledged
 * records are gone, and `data-corrupt` says where and what to do.
 */
import { crc32c } from '../../base/checksum.ts'
import { HeadwaterError } from '../../base/errors.ts'
import type { Disk, DiskFile } from '../../io/ports.ts'
import { checkBatch, readBatchHeader } from '../../records/batch.ts'
import {
  decodeGroup,
  decodeJournalHeader,
  entryBytes,
  EntryKind,
  findGroupMagic,
  groupHeaderBytes,
  groupTableBytes,
  journalFileName,
  journalFileNumber,
  journalHeaderBytes,
  type GroupHeader,
  type JournalEntry,
} from './format.ts'
import type { JournalPosition } from './journal.ts'

/** Bytes read at a time, unless a group is larger. */
const windowBytes = 1024 * 1024

export interface JournalScan {
  readonly disk: Disk
  readonly directory: string
  readonly seed: number
  /** What the checkpoint says to begin with. */
  readonly fileNumber: number
  readonly firstSequence: number
  /** Hears of every whole group. The payloads are views that live as long as they are held. */
  readonly visit: (group: GroupHeader, payloads: readonly Uint8Array[]) => void
}

export interface JournalEnd {
  readonly position: JournalPosition
  /** From here on the last file may not be on the device, although it can be read. */
  readonly unsyncedFrom: number
  /** Bytes of all files that were read. */
  readonly totalBytes: number
  /** Bytes behind the last whole group. */
  readonly tornBytes: number
  /** What the torn group held, as far as its own header survived. */
  readonly tornEntries: readonly JournalEntry[]
  /** The last group was not written in the mode that syncs each before the next. */
  readonly lagging: boolean
}

interface Group {
  readonly header: GroupHeader
  readonly payloads: readonly Uint8Array[]
  readonly sizeBytes: number
}

export async function scanJournal(scan: JournalScan): Promise<JournalEnd> {
  const numbers = await fileNumbers(scan)
  let nextSequence = scan.firstSequence
  let totalBytes = 0
  let lagging = false
  let end: JournalEnd | undefined
  for (const [at, fileNumber] of numbers.entries()) {
    const path = `${scan.directory}/${journalFileName(fileNumber)}`
    const isLast = at === numbers.length - 1
    const window = await FileWindow.open(scan.disk, path)
    try {
      let position = await readHeader(window, fileNumber, nextSequence, isLast)
      let unsyncedFrom = 0
      while (position < window.sizeBytes) {
        const group = await readGroup(window, position, scan.seed, nextSequence)
        if (group === undefined) break
        scan.visit(group.header, group.payloads)
        lagging = group.header.syncedSequence < nextSequence - 1
        unsyncedFrom = lagging ? 0 : position
        nextSequence++
        position += group.sizeBytes
      }
      totalBytes += position
      const tornBytes = window.sizeBytes - position
      if (tornBytes > 0) await refuseDamage(window, position, scan.seed, nextSequence, isLast)
      const table = tornBytes > 0 ? await window.table(position) : undefined
      end = {
        position: { fileNumber, sizeBytes: position, nextSequence },
        unsyncedFrom,
        totalBytes,
        tornBytes,
        tornEntries: (table && decodeGroup(table, 0, scan.seed)?.entries) ?? [],
        lagging,
      }
    } finally {
      await window.close()
    }
  }
  return end!
}

/** Numbers of the files from the checkpoint's on, without a gap. */
async function fileNumbers({ disk, directory, fileNumber }: JournalScan): Promise<number[]> {
  const numbers = (await disk.list(directory))
    .map(journalFileNumber)
    .filter((number) => number !== undefined && number >= fileNumber)
  for (let at = 0; at === 0 || at < numbers.length; at++) {
    if (numbers[at] === fileNumber + at) continue
    throw new HeadwaterError(
      'data-corrupt',
      `${directory}/${journalFileName(fileNumber + at)} is missing. Acknowledged records were in it: ` +
        'put the file back from a backup. Files of the data directory must not be removed by hand.',
    )
  }
  return numbers as number[]
}

/** Where the first group stands; 0 when the file was made but its header not yet synced. */
async function readHeader(
  window: FileWindow,
  fileNumber: number,
  firstSequence: number,
  isLast: boolean,
): Promise<number> {
  const bytes = await window.have(0, journalHeaderBytes)
  const header = bytes && decodeJournalHeader(bytes)
  if (header?.fileNumber === fileNumber && header.firstSequence === firstSequence) {
    return journalHeaderBytes
  }
  if (header === undefined && isLast) return 0
  throw damaged(window.path, 0, 'its header is not the one that was written')
}

/** The whole, checked group at `position`; undefined when there is none with this sequence. */
async function readGroup(
  window: FileWindow,
  position: number,
  seed: number,
  sequence: number,
): Promise<Group | undefined> {
  if (position < journalHeaderBytes) return undefined
  const table = await window.table(position)
  const header = table && decodeGroup(table, 0, seed)
  if (table === undefined || header?.sequence !== sequence) return undefined
  const tableBytes = groupHeaderBytes + header.entries.length * entryBytes
  const sizeBytes = tableBytes + header.payloadBytes
  const bytes = await window.have(position, sizeBytes)
  if (bytes === undefined) return undefined
  const payloads: Uint8Array[] = []
  let at = tableBytes
  for (const entry of header.entries) {
    const payload = bytes.subarray(at, at + entry.sizeBytes)
    at += entry.sizeBytes
    if (at > sizeBytes || !isIntact(entry, payload)) return undefined
    payloads.push(payload)
  }
  return { header, payloads, sizeBytes }
}

function isIntact(entry: JournalEntry, payload: Uint8Array): boolean {
  if (entry.kind !== EntryKind.batch) return crc32c(payload) === entry.checksum
  if (checkBatch(payload) !== undefined) return false
  const header = readBatchHeader(payload)
  return (
    header.crc === entry.checksum &&
    header.sizeBytes === entry.sizeBytes &&
    header.baseOffset === entry.offset &&
    header.partitionLeaderEpoch === entry.leaderEpoch &&
    header.lastOffsetDelta === entry.lastOffsetDelta
  )
}

/** Throws when the bad group at `position` was synced once. */
async function refuseDamage(
  window: FileWindow,
  position: number,
  seed: number,
  sequence: number,
  isLast: boolean,
): Promise<void> {
  if (!isLast) {
    throw damaged(window.path, position, `group ${sequence} is bad and a later file follows`)
  }
  const rest = await window.rest(position)
  for (let at = findGroupMagic(rest, 1); at !== -1; at = findGroupMagic(rest, at + 1)) {
    const later = decodeGroup(rest, at, seed)
    if (later === undefined || later.sequence < sequence) continue
    // A file's header is synced before its first group, so any group proves a bad header was good.
    if (position > 0 && later.syncedSequence < sequence) continue
    throw damaged(
      window.path,
      position,
      `group ${sequence} is bad, and group ${later.sequence} at byte ${position + at} proves it was synced`,
    )
  }
}

function damaged(path: string, position: number, fault: string): HeadwaterError {
  return new HeadwaterError(
    'data-corrupt',
    `${path} is damaged at byte ${position}: ${fault}. Acknowledged records stand there, so nothing ` +
      'was changed or dropped: put the file back from a backup. To go on without everything from there on, ' +
      `cut it (truncate -s ${position} ${path}) and remove the journal files with higher numbers.`,
  )
}

/** A file read through a moving window. */
class FileWindow {
  readonly path: string
  readonly sizeBytes: number
  readonly #file: DiskFile
  #bytes: Uint8Array = new Uint8Array(0)
  #start = 0

  private constructor(path: string, file: DiskFile, sizeBytes: number) {
    this.path = path
    this.#file = file
    this.sizeBytes = sizeBytes
  }

  static async open(disk: Disk, path: string): Promise<FileWindow> {
    const file = await disk.open(path, 'read')
    return new FileWindow(path, file, await file.size())
  }

  /** At least `count` bytes from `position` on; undefined when the file ends before. */
  async have(position: number, count: number): Promise<Uint8Array | undefined> {
    if (position + count > this.sizeBytes) return undefined
    if (position < this.#start || position + count > this.#start + this.#bytes.length) {
      this.#bytes = await this.#file.read(position, Math.max(count, windowBytes))
      this.#start = position
    }
    return this.#bytes.subarray(position - this.#start)
  }

  /** A group's header and entries, by the count in its header; undefined when the file ends before. */
  async table(position: number): Promise<Uint8Array | undefined> {
    const header = await this.have(position, groupHeaderBytes)
    const tableBytes = header && groupTableBytes(header, 0)
    return tableBytes === undefined ? undefined : await this.have(position, tableBytes)
  }

  async rest(position: number): Promise<Uint8Array> {
    return await this.#file.read(position, this.sizeBytes - position)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}
