/**
 * Reading the journal back after a stop: every whole group in order, and a verdict on where they end.
 *
 * A group that cannot be read is cut off only when it may be a write that a crash interrupted: it is the
 * last, sectors of it are missing, and nothing says that it was ever synced. It is *damage* when a later
 * file exists (files are synced before the next is made), when a later group or the mark beside the
 * journal says that it was synced, or when it is all there and fails its checksums. The same goes for a
 * journal that ends before what the mark says. Then acknowledged records are gone, and `data-corrupt`
 * says where and what to do; or `onDamage` hears of it, and what can be read behind it is read.
 */
import { crc32c } from '../../base/checksum.ts'
import { HeadwaterError } from '../../base/errors.ts'
import type { Disk } from '../../io/ports.ts'
import { checkBatch, readBatchHeader } from '../../records/batch.ts'
import { backupOrRepair } from '../advice.ts'
import {
  decodeGroup,
  decodeJournalHeader,
  entryBytes,
  EntryKind,
  findGroupMagic,
  groupHeaderBytes,
  journalFileName,
  journalFileNumber,
  journalHeaderBytes,
  type GroupHeader,
  type JournalEntry,
} from './format.ts'
import type { JournalPosition } from './journal.ts'
import type { SyncMark } from './mark.ts'
import { faultUnlessTorn } from './tear.ts'
import { FileWindow } from './window.ts'

export interface JournalScan {
  readonly disk: Disk
  readonly directory: string
  readonly seed: number
  /** What the checkpoint says to begin with. */
  readonly fileNumber: number
  readonly firstSequence: number
  /** How far the journal is known to be synced. */
  readonly mark: SyncMark | undefined
  /** Hears of every whole group. The payloads are views that live as long as they are held. */
  readonly visit: (group: GroupHeader, payloads: readonly Uint8Array[]) => void
  /** Hears of damage, and the scan goes on behind it; without it the first damage is thrown. */
  readonly onDamage?: (error: HeadwaterError, lost: readonly JournalEntry[]) => void
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

/** How far a scan has come. */
interface Progress {
  nextSequence: number
  totalBytes: number
  lagging: boolean
}

export async function scanJournal(scan: JournalScan): Promise<JournalEnd> {
  const numbers = await fileNumbers(scan)
  const progress = { nextSequence: scan.firstSequence, totalBytes: 0, lagging: false }
  let end: JournalEnd | undefined
  for (const [at, fileNumber] of numbers.entries()) {
    const path = `${scan.directory}/${journalFileName(fileNumber)}`
    const window = await FileWindow.open(scan.disk, path)
    try {
      end = await scanFile(scan, window, fileNumber, at === numbers.length - 1, progress)
    } finally {
      await window.close()
    }
  }
  end ??= emptyEnd(scan)
  checkReach(scan, end)
  return scan.onDamage === undefined ? end : behindAll(scan, end)
}

async function scanFile(
  scan: JournalScan,
  window: FileWindow,
  fileNumber: number,
  isLast: boolean,
  progress: Progress,
): Promise<JournalEnd> {
  let position = await readHeader(scan, window, fileNumber, isLast, progress)
  let unsyncedFrom = 0
  for (;;) {
    while (position < window.sizeBytes) {
      const group = await readGroup(window, position, scan.seed, progress.nextSequence)
      if (group === undefined) break
      scan.visit(group.header, group.payloads)
      progress.lagging = group.header.syncedSequence < progress.nextSequence - 1
      unsyncedFrom = progress.lagging ? 0 : position
      progress.nextSequence++
      position += group.sizeBytes
    }
    if (position === window.sizeBytes) break
    const damage = await findDamage(scan, window, position, isLast, progress.nextSequence)
    if (damage === undefined) break
    const part = await readPart(window, position, scan.seed, progress.nextSequence)
    report(scan, damaged(window.path, position, damage.fault), part?.lost)
    if (part !== undefined) {
      scan.visit(part.header, part.payloads)
      progress.nextSequence++
      position += part.sizeBytes
    } else if (damage.goOnAt === undefined) {
      break
    } else {
      position = damage.goOnAt
      progress.nextSequence = damage.sequence
    }
  }
  progress.totalBytes += position
  const tornBytes = window.sizeBytes - position
  const table = tornBytes > 0 ? await window.table(position) : undefined
  return {
    position: { fileNumber, sizeBytes: position, nextSequence: progress.nextSequence },
    unsyncedFrom,
    totalBytes: progress.totalBytes,
    tornBytes,
    tornEntries: (table && decodeGroup(table, 0, scan.seed)?.entries) ?? [],
    lagging: progress.lagging,
  }
}

function report(
  { onDamage }: JournalScan,
  error: HeadwaterError,
  lost: readonly JournalEntry[] = [],
): void {
  if (onDamage === undefined) throw error
  onDamage(error, lost)
}

/** Numbers of the files from the checkpoint's on, without a gap. */
async function fileNumbers(scan: JournalScan): Promise<number[]> {
  const { disk, directory, fileNumber, mark } = scan
  const numbers = (await disk.list(directory))
    .map(journalFileNumber)
    .filter((number) => number !== undefined && number >= fileNumber) as number[]
  const last = Math.max(fileNumber, mark?.fileNumber ?? 0, ...numbers)
  for (let number = fileNumber; number <= last; number++) {
    if (!numbers.includes(number)) report(scan, missing(directory, number))
  }
  return numbers
}

/** What there is to go on from when every file is gone. */
function emptyEnd({ fileNumber, firstSequence }: JournalScan): JournalEnd {
  const position = { fileNumber, sizeBytes: 0, nextSequence: firstSequence }
  const nothing = { unsyncedFrom: 0, totalBytes: 0, tornBytes: 0, tornEntries: [], lagging: false }
  return { position, ...nothing }
}

/** A file and a sequence that nothing was ever written under: what is damaged is not written to. */
function behindAll({ mark }: JournalScan, end: JournalEnd): JournalEnd {
  const { fileNumber, nextSequence } = end.position
  const position = {
    fileNumber: Math.max(fileNumber, mark?.fileNumber ?? 0) + 1,
    sizeBytes: 0,
    nextSequence: Math.max(nextSequence, (mark?.sequence ?? 0) + 1),
  }
  return { ...end, position }
}

/** Damage, when the journal ends before what was synced. */
function checkReach(scan: JournalScan, { position }: JournalEnd): void {
  const synced = scan.mark?.sequence ?? 0
  if (position.nextSequence > synced) return
  const path = `${scan.directory}/${journalFileName(position.fileNumber)}`
  const fault = `it ends there with group ${position.nextSequence - 1}, and all up to ${synced} were synced`
  report(scan, damaged(path, position.sizeBytes, fault))
}

/**
 * Where the first group stands; 0 when the file was made but its header not yet synced. That cannot be the
 * file that the checkpoint names, nor one that the mark knows, nor one whose header is all there.
 */
async function readHeader(
  scan: JournalScan,
  window: FileWindow,
  fileNumber: number,
  isLast: boolean,
  progress: Progress,
): Promise<number> {
  const bytes = await window.have(0, Math.min(journalHeaderBytes, window.sizeBytes))
  const header = decodeJournalHeader(bytes!)
  const isOurs = header?.seed === scan.seed || header?.seed === 0
  if (header?.fileNumber === fileNumber && isOurs) {
    if (header.firstSequence === progress.nextSequence) return journalHeaderBytes
    report(scan, damaged(window.path, 0, outOfOrder(header.firstSequence, progress.nextSequence)))
    progress.nextSequence = Math.max(header.firstSequence, progress.nextSequence)
    return journalHeaderBytes
  }
  if (header !== undefined) {
    const fault = isOurs ? 'it is another file under this name' : 'another directory wrote it'
    report(scan, damaged(window.path, 0, fault))
    return window.sizeBytes
  }
  const isKnown = fileNumber === scan.fileNumber || fileNumber <= (scan.mark?.fileNumber ?? 0)
  const isWhole = window.sizeBytes >= journalHeaderBytes && bytes!.some((byte) => byte !== 0)
  if (isLast && !isKnown && !isWhole) return 0
  report(scan, damaged(window.path, 0, 'its header is not the one that was written'))
  return Math.min(journalHeaderBytes, window.sizeBytes)
}

function outOfOrder(found: number, expected: number): string {
  return `it begins with group ${found}, and the one before it ends with ${expected - 1}`
}

/** The whole, checked group at `position`; undefined when there is none with this sequence. */
async function readGroup(
  window: FileWindow,
  position: number,
  seed: number,
  sequence: number,
): Promise<Group | undefined> {
  const part = await readPart(window, position, seed, sequence)
  return part === undefined || part.lost.length > 0 ? undefined : part
}

/** The same, and when some of its entries are bad, the others. */
async function readPart(
  window: FileWindow,
  position: number,
  seed: number,
  sequence: number,
): Promise<(Group & { readonly lost: readonly JournalEntry[] }) | undefined> {
  if (position < journalHeaderBytes) return undefined
  const table = await window.table(position)
  const header = table && decodeGroup(table, 0, seed)
  if (table === undefined || header?.sequence !== sequence) return undefined
  const tableBytes = groupHeaderBytes + header.entries.length * entryBytes
  const sizeBytes = tableBytes + header.payloadBytes
  const bytes = await window.have(position, sizeBytes)
  if (bytes === undefined) return undefined
  const entries: JournalEntry[] = []
  const payloads: Uint8Array[] = []
  const lost: JournalEntry[] = []
  let at = tableBytes
  for (const entry of header.entries) {
    const payload = bytes.subarray(at, at + entry.sizeBytes)
    at += entry.sizeBytes
    if (at > sizeBytes || !isIntact(entry, payload)) {
      lost.push(entry)
      continue
    }
    entries.push(entry)
    payloads.push(payload)
  }
  return { header: { ...header, entries }, payloads, sizeBytes, lost }
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

interface Damage {
  readonly fault: string
  /** Where the next group that can be read stands, and which it is. */
  readonly goOnAt: number | undefined
  readonly sequence: number
}

/** What is wrong at `position`, where no group can be read; undefined when a write was interrupted there. */
async function findDamage(
  scan: JournalScan,
  window: FileWindow,
  position: number,
  isLast: boolean,
  sequence: number,
): Promise<Damage | undefined> {
  const later = await findLater(window, position, scan.seed, sequence)
  // A file's header is synced before its first group, so any group proves a bad header was good.
  const isProof = later !== undefined && (position === 0 || later.provesSynced)
  const goOn = { goOnAt: later?.at, sequence: later?.sequence ?? sequence }
  if (!isLast) return { fault: `group ${sequence} is bad and a later file follows`, ...goOn }
  if (isProof) {
    const fault = `group ${sequence} is bad, and group ${later.sequence} at byte ${later.at} proves it was synced`
    return { fault, ...goOn }
  }
  const synced = scan.mark?.sequence ?? 0
  if (synced >= sequence) {
    return { fault: `group ${sequence} is bad, and all up to ${synced} were synced`, ...goOn }
  }
  const fault = position === 0 ? undefined : await faultUnlessTorn(window, position, scan.seed)
  return fault === undefined ? undefined : { fault: `group ${sequence} is bad: ${fault}`, ...goOn }
}

/** The next whole table of a group behind a bad one, and whether any says that the bad one was synced. */
async function findLater(
  window: FileWindow,
  position: number,
  seed: number,
  sequence: number,
): Promise<{ at: number; sequence: number; provesSynced: boolean } | undefined> {
  const rest = await window.rest(position)
  let first: { at: number; sequence: number } | undefined
  for (let at = findGroupMagic(rest, 1); at !== -1; at = findGroupMagic(rest, at + 1)) {
    const later = decodeGroup(rest, at, seed)
    if (later === undefined || later.sequence < sequence) continue
    first ??= { at: position + at, sequence: later.sequence }
    if (later.syncedSequence >= sequence) return { ...first, provesSynced: true }
  }
  return first && { ...first, provesSynced: false }
}

function missing(directory: string, fileNumber: number): HeadwaterError {
  return new HeadwaterError(
    'data-corrupt',
    `${directory}/${journalFileName(fileNumber)} is missing. Acknowledged records were in it, so ` +
      `nothing was changed. ${backupOrRepair(directory)}`,
  )
}

function damaged(path: string, position: number, fault: string): HeadwaterError {
  return new HeadwaterError(
    'data-corrupt',
    `${path} is damaged at byte ${position}: ${fault}. Acknowledged records stood there, so nothing ` +
      `was changed or dropped. ${backupOrRepair(path)}`,
  )
}
