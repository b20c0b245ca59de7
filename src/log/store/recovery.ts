/**
 * Bringing the logs of a directory back: the checkpoint says what is in the segment files, the journal
 * says what came since.
 *
 * Order matters. First the checkpoint and the whole journal are read into memory; only when both make
 * sense is anything changed: the journal's end is written again, or cut off where it is torn, and files
 * that belong to no log or segment go. Every change may be interrupted and is simply made again by the
 * next recovery, because neither checkpoint nor journal is touched before they are.
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { Disk } from '../../io/ports.ts'
import { readBatchHeader } from '../../records/batch.ts'
import type { LogIdentity } from '../identity.ts'
import { decodeIdentity, readCheckpoint } from './checkpoint.ts'
import { removeCleanMarker, type StoreDirectory } from './directory.ts'
import { EntryKind, journalFileName, type JournalEntry } from '../journal/format.ts'
import { scanJournal, type JournalEnd } from '../journal/scan.ts'
import type { Removals } from './removals.ts'
import { LogState } from '../state/log-state.ts'
import { Log, type LogHost } from '../log.ts'
import { indexPath, segmentFileName } from '../segments/segment.ts'
import type { SegmentFiles } from '../segments/segment-file.ts'
import { Segments, type SegmentExtent } from '../segments/segments.ts'

/** Longest directory name made of a log's name alone: file systems stop at 255 bytes. */
const directoryNameMax = 200
/** Bytes of the journal written again at a time. */
const rewriteBytes = 1024 * 1024

export interface TruncatedRange {
  readonly log: string
  /** First offset that was written but never acknowledged. */
  readonly from: number
  /** The offset after the last one. */
  readonly to: number
}

export interface RecoveredLogs {
  readonly logs: Map<string, Log>
  readonly nextLogNumber: number
  readonly leaderEpoch: number
  readonly end: JournalEnd
  /** Records brought back from the journal. */
  readonly records: number
  readonly truncated: readonly TruncatedRange[]
}

export interface LogFactory {
  readonly files: SegmentFiles
  readonly host: LogHost
  readonly removals: Removals
  readonly segmentBytes: number
  readonly logsPath: string
}

/** A log that has no segments yet, or those of `extents`. */
export function makeLog(
  factory: LogFactory,
  identity: LogIdentity,
  state = new LogState(),
  writtenOffset = 0,
  extents: readonly SegmentExtent[] = [],
): Log {
  const { files, host, logsPath } = factory
  const directory = `${logsPath}/${directoryName(identity.name, identity.number)}`
  const segmentBytes = identity.config.segmentBytes ?? factory.segmentBytes
  const segments = new Segments(files, directory, segmentBytes, extents)
  return new Log(host, identity, segments, state, writtenOffset)
}

export async function recoverLogs(
  factory: LogFactory,
  directory: StoreDirectory,
): Promise<RecoveredLogs> {
  const { disk } = factory.files
  const checkpoint = await readCheckpoint(disk, directory.path)
  const replay = new Replay(factory, checkpoint.nextLogNumber, checkpoint.leaderEpoch)
  for (const line of checkpoint.logs) {
    const state = LogState.decode(line.state)
    const log = makeLog(factory, line, state, line.writtenOffset, line.extents)
    for (const batch of line.carried) log.restore(batch)
    replay.logs.set(line.number, log)
    replay.extents.set(line.number, line.extents)
  }
  const end = await scanJournal({
    disk,
    directory: directory.journalPath,
    seed: directory.seed,
    fileNumber: checkpoint.fileNumber,
    firstSequence: checkpoint.firstSequence,
    visit: (group, payloads) => {
      for (const [at, entry] of group.entries.entries()) {
        replay.apply(entry, payloads[at]!, group.appendedAt)
      }
    },
  })
  refuseUncleanEnd(directory, end)
  await removeCleanMarker(disk, directory.path)
  const truncated = replay.truncated(end.tornEntries)
  if (directory.cleanSequence === undefined) await makeDurable(disk, directory, end)
  await removeStrays(factory, replay)
  const logs = new Map([...replay.logs.values()].map((log) => [log.name, log]))
  const { nextLogNumber, leaderEpoch, records } = replay
  return { logs, nextLogNumber, leaderEpoch, end, records, truncated }
}

class Replay {
  readonly logs = new Map<number, Log>()
  readonly extents = new Map<number, readonly SegmentExtent[]>()
  nextLogNumber: number
  leaderEpoch: number
  records = 0
  readonly #factory: LogFactory

  constructor(factory: LogFactory, nextLogNumber: number, leaderEpoch: number) {
    this.#factory = factory
    this.nextLogNumber = nextLogNumber
    this.leaderEpoch = leaderEpoch
  }

  apply(entry: JournalEntry, payload: Uint8Array, appendedAt: number): void {
    const number = entry.logNumber
    switch (entry.kind) {
      case EntryKind.batch: {
        const header = readBatchHeader(payload)
        this.records += header.recordCount
        this.logs.get(number)?.replay(payload, header, appendedAt)
        return
      }
      case EntryKind.create:
        if (number < this.nextLogNumber) return
        this.logs.set(number, makeLog(this.#factory, { ...decodeIdentity(payload), number }))
        this.nextLogNumber = number + 1
        return
      case EntryKind.delete:
        this.logs.get(number)?.markDeleted()
        this.logs.delete(number)
        return
      case EntryKind.start:
        this.logs.get(number)?.replayStart(entry.offset)
        return
      case EntryKind.epoch:
        this.leaderEpoch = Math.max(this.leaderEpoch, entry.offset)
    }
  }

  truncated(entries: readonly JournalEntry[]): TruncatedRange[] {
    const ranges = new Map<string, TruncatedRange>()
    for (const entry of entries) {
      const log = entry.kind === EntryKind.batch ? this.logs.get(entry.logNumber) : undefined
      if (log === undefined) continue
      const from = ranges.get(log.name)?.from ?? entry.offset
      ranges.set(log.name, { log: log.name, from, to: entry.offset + entry.lastOffsetDelta + 1 })
    }
    return [...ranges.values()]
  }
}

/** After a close in good order the journal has exactly the end that close wrote down. */
function refuseUncleanEnd(directory: StoreDirectory, end: JournalEnd): void {
  const { cleanSequence } = directory
  if (cleanSequence === undefined) return
  if (end.tornBytes === 0 && end.position.nextSequence === cleanSequence) return
  throw new HeadwaterError(
    'data-corrupt',
    `${directory.journalPath}/${journalFileName(end.position.fileNumber)} is damaged at byte ` +
      `${end.position.sizeBytes}: the store was closed in good order after group ${cleanSequence - 1}, ` +
      `and only ${end.position.nextSequence - 1} can be read. Put the file back from a backup; starting ` +
      'again goes on without what is missing.',
  )
}

/**
 * Makes what was read durable before anything is built on it, and takes an interrupted write away, so
 * that nothing stands behind the next one. The last process may have been killed before its sync, or its
 * sync may have failed: then the system has the bytes, takes them for written, and a sync alone does
 * nothing. So they are written again. The same goes for names.
 */
async function makeDurable(disk: Disk, directory: StoreDirectory, end: JournalEnd): Promise<void> {
  const { journalPath } = directory
  const { fileNumber, sizeBytes } = end.position
  await disk.syncDirectory(directory.path)
  await disk.syncDirectory(journalPath)
  const file = await disk.open(`${journalPath}/${journalFileName(fileNumber)}`, 'write')
  try {
    // Even when nothing is torn: an earlier start may have cut it, and failed to sync that.
    await file.truncate(sizeBytes)
    for (let at = end.unsyncedFrom; at < sizeBytes; at += rewriteBytes) {
      const bytes = await file.read(at, Math.min(rewriteBytes, sizeBytes - at))
      await file.write([bytes], at)
    }
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Removes what a crash left of deleted logs, of dropped segments and of segments never accounted for. */
async function removeStrays(factory: LogFactory, replay: Replay): Promise<void> {
  const { logsPath } = factory
  const { disk } = factory.files
  const present = new Set(await disk.list(logsPath))
  for (const [number, log] of replay.logs) {
    const name = directoryName(log.name, number)
    const path = `${logsPath}/${name}`
    const extents = replay.extents.get(number) ?? []
    const files = new Set(present.delete(name) ? await disk.list(path) : [])
    for (const extent of extents) {
      const file = segmentFileName(extent.baseOffset)
      const isKept = files.delete(file)
      files.delete(indexPath(file))
      if (!isKept && extent.nextOffset > log.startOffset) throw missing(`${path}/${file}`)
    }
    for (const file of files) await disk.remove(`${path}/${file}`)
    await log.segments.dropBefore(log.startOffset)
    await checkLastSegment(disk, path, extents.at(-1), log.startOffset)
  }
  for (const name of present) factory.removals.add(`${logsPath}/${name}`)
}

/** The segment that is written to next is looked at now, so that its loss does not stop a running store. */
async function checkLastSegment(
  disk: Disk,
  directory: string,
  last: SegmentExtent | undefined,
  startOffset: number,
): Promise<void> {
  if (last === undefined || last.nextOffset <= startOffset) return
  const path = `${directory}/${segmentFileName(last.baseOffset)}`
  const file = await disk.open(path, 'read')
  const sizeBytes = await file.size()
  await file.close()
  if (sizeBytes >= last.sizeBytes) return
  throw new HeadwaterError(
    'data-corrupt',
    `${path} is damaged at byte ${sizeBytes}: it ends there, and ${last.sizeBytes} bytes of it were ` +
      'synced. Something other than Headwater cut it: put the file back from a backup',
  )
}

function missing(path: string): HeadwaterError {
  return new HeadwaterError(
    'data-corrupt',
    `${path} is missing. Its records were synced, so it was removed by something other than Headwater: ` +
      'put the file back from a backup',
  )
}

/** A log's directory: its name, or its beginning and the log's number when the name is too long. */
function directoryName(name: string, number: number): string {
  return name.length <= directoryNameMax ? name : `${name.slice(0, directoryNameMax)}~${number}`
}
