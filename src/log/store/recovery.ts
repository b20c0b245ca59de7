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
import { backupOrRepair } from '../advice.ts'
import { moveAside } from './aside.ts'
import { readCheckpoint } from './checkpoint.ts'
import { removeCleanMarker, type StoreDirectory } from './directory.ts'
import type { Finding } from './finding.ts'
import { Replay, type LogFactory, type TruncatedRange } from './replay.ts'
import { beyondJournal, surveyLogs, type Survey } from './survey.ts'
import { journalFileName } from '../journal/format.ts'
import { scanJournal, type JournalEnd } from '../journal/scan.ts'
import type { Removals } from './removals.ts'
import type { Log } from '../log.ts'

/** Bytes of the journal written again at a time. */
const rewriteBytes = 1024 * 1024

/** What opening found. */
export interface Recovered {
  /** The store was closed in good order before, or is new. */
  readonly clean: boolean
  readonly logs: number
  /** Records brought back from the journal. */
  readonly records: number
  readonly milliseconds: number
  /** Batches that were written but never acknowledged, and were cut off. */
  readonly truncated: readonly TruncatedRange[]
  /** What else somebody should know of it. */
  readonly findings: readonly Finding[]
}

export interface RecoveredLogs {
  readonly logs: Map<string, Log>
  readonly nextLogNumber: number
  readonly leaderEpoch: number
  readonly end: JournalEnd
  /** Records brought back from the journal. */
  readonly records: number
  readonly truncated: readonly TruncatedRange[]
  readonly findings: readonly Finding[]
}

/** What is told of a start. @param before what was found of the directory itself */
export function recoveredOf(
  { logs, records, truncated, findings }: RecoveredLogs,
  start: Pick<Recovered, 'clean' | 'milliseconds'>,
  before: readonly Finding[],
): Recovered {
  return { ...start, logs: logs.size, records, truncated, findings: [...before, ...findings] }
}

/** What a start refuses, and what of it is lost when it goes on. */
export interface Damage {
  readonly error: HeadwaterError
  readonly lost: readonly TruncatedRange[]
}

/**
 * @param onDamage hears of what would be refused, and as much is brought back as can be read; what is past
 * repair is thrown anyway
 */
export async function recoverLogs(
  factory: LogFactory,
  removals: Removals,
  directory: StoreDirectory,
  onDamage?: (damage: Damage) => void,
): Promise<RecoveredLogs> {
  const { disk } = factory.files
  const lost: TruncatedRange[] = []
  const {
    replay,
    end: found,
    survey,
  } = await readLogs(
    factory,
    directory,
    onDamage &&
      ((damage) => {
        lost.push(...damage.lost)
        onDamage(damage)
      }),
  )
  const end = onDamage === undefined ? found : behindAll(directory, found)
  if (onDamage !== undefined) replay.endAll(lost)
  const findings = [...survey.damaged]
  await removeCleanMarker(disk, directory.path)
  const truncated = replay.rangesOf(end.tornEntries)
  for (const range of replay.lost) findings.push(lostInJournal(range))
  if (directory.cleanSequence === undefined && onDamage === undefined) {
    await makeDurable(disk, directory, end)
    if (end.tornBytes > 0) findings.push(cut(directory, end, truncated))
  }
  const isProven = directory.mark?.mark !== undefined || directory.cleanSequence !== undefined
  for (const path of survey.strays) {
    // Without the mark nobody can say that the journal is whole, so nothing is thrown away for its sake.
    if (survey.beyond.some(({ paths }) => paths.has(path))) continue
    const mayGo = (isProven && onDamage === undefined) || directory.isOldFormat
    // What lies within a log goes before the log goes on; a whole directory can wait.
    const isWhole = !path.slice(directory.logsPath.length + 1).includes('/')
    if (mayGo && isWhole) removals.add(path)
    else if (mayGo) await disk.remove(path)
    else findings.push(await putAside(disk, directory.path, path))
  }
  for (const log of replay.logs.values()) await log.segments.dropBefore(log.startOffset)
  const logs = new Map([...replay.logs.values()].map((log) => [log.name, log]))
  const { nextLogNumber, leaderEpoch, records } = replay
  return { logs, nextLogNumber, leaderEpoch, end, records, truncated, findings }
}

/** What a directory holds, without a change to it. */
export async function readLogs(
  factory: LogFactory,
  directory: StoreDirectory,
  onDamage?: (damage: Damage) => void,
): Promise<{ replay: Replay; end: JournalEnd; survey: Survey }> {
  const { disk } = factory.files
  const { mark } = directory.mark ?? {}
  const checkpoint = await readCheckpoint(disk, directory.path)
  const replay = new Replay(factory, checkpoint.nextLogNumber, checkpoint.leaderEpoch)
  for (const line of checkpoint.logs) replay.restore(line)
  const end = await scanJournal({
    disk,
    directory: directory.journalPath,
    seed: directory.seed,
    fileNumber: checkpoint.fileNumber,
    firstSequence: checkpoint.firstSequence,
    mark,
    visit: (group, payloads) => {
      for (const [at, entry] of group.entries.entries()) {
        replay.apply(entry, payloads[at]!, group.appendedAt, onDamage !== undefined)
      }
    },
    ...(onDamage && {
      onDamage: (error, lost) => onDamage({ error, lost: replay.rangesOf(lost) }),
    }),
  })
  const refuse = (error: HeadwaterError, lost: readonly TruncatedRange[] = []): void => {
    if (onDamage === undefined) throw error
    onDamage({ error, lost })
  }
  const unclean = uncleanEnd(directory, end)
  if (unclean !== undefined) refuse(unclean)
  // Without a sync of every group a power cut may take back what segments have, and nothing is missing.
  const mayReachBeyond = directory.cleanSequence === undefined && (mark?.everyGroup ?? !end.lagging)
  const survey = await surveyLogs(
    disk,
    directory.logsPath,
    replay.surveyed(),
    mayReachBeyond || onDamage !== undefined ? replay.leaderEpoch : undefined,
  )
  for (const beyond of survey.beyond) {
    refuse(beyondJournal(beyond))
    replay.adopt(beyond)
  }
  for (const { log, knownEnd } of replay.short()) {
    const range = { log: log.name, from: log.endOffset, to: knownEnd }
    refuse(beforeCheckpoint(directory, range), [range])
  }
  return { replay, end, survey }
}

/** With a file and a sequence that nothing was ever written under: what is damaged is not written to. */
function behindAll({ mark }: StoreDirectory, end: JournalEnd): JournalEnd {
  const { fileNumber, nextSequence } = end.position
  const position = {
    fileNumber: Math.max(fileNumber, mark?.mark?.fileNumber ?? 0) + 1,
    sizeBytes: 0,
    nextSequence: Math.max(nextSequence, (mark?.mark?.sequence ?? 0) + 1),
  }
  return { ...end, position }
}

/** After a close in good order the journal has exactly the end that close wrote down. */
function uncleanEnd(directory: StoreDirectory, end: JournalEnd): HeadwaterError | undefined {
  const { cleanSequence } = directory
  if (cleanSequence === undefined) return undefined
  if (end.tornBytes === 0 && end.position.nextSequence === cleanSequence) return undefined
  const path = `${directory.journalPath}/${journalFileName(end.position.fileNumber)}`
  return new HeadwaterError(
    'data-corrupt',
    `${path} is damaged at byte ${end.position.sizeBytes}: the store was closed in good order after group ` +
      `${cleanSequence - 1}, and the last that can be read is ${end.position.nextSequence - 1}. Nothing was ` +
      `changed. ${backupOrRepair(path, 2)}`,
  )
}

/** A checkpoint counts when the journal has all that it knows, so what is not there was taken away. */
function beforeCheckpoint(
  directory: StoreDirectory,
  { log, from, to }: TruncatedRange,
): HeadwaterError {
  return new HeadwaterError(
    'data-corrupt',
    `${directory.journalPath} lacks records of ${log} with offsets ${from} to ${to - 1}: the checkpoint beside it ` +
      `was written when they were stored. Nothing was changed. ${backupOrRepair(directory.journalPath, 2)}`,
  )
}

function cut(
  { journalPath }: StoreDirectory,
  { position, tornBytes }: JournalEnd,
  ranges: readonly TruncatedRange[],
): Finding {
  const what = ranges.map(({ log, from, to }) => `${log} offsets ${from} to ${to - 1}`).join(', ')
  return {
    kind: 'cut',
    text:
      `${journalPath}/${journalFileName(position.fileNumber)} ended in a write that a crash interrupted, and ` +
      `its ${tornBytes} bytes were cut off: nobody was told that they are stored` +
      (what === '' ? '' : ` (${what})`),
  }
}

/**
 * Makes what was read durable before anything is built on it, and takes an interrupted write away, so
 * that nothing stands behind the next one. The last process may have been killed before its sync, or its
 * sync may have failed: then the system has the bytes, takes them for written, and a sync alone does
 * nothing. So they are written again. The same goes for names.
 */
async function makeDurable(disk: Disk, directory: StoreDirectory, end: JournalEnd): Promise<void> {
  const { journalPath, logsPath } = directory
  const { fileNumber, sizeBytes } = end.position
  await disk.syncDirectory(directory.path)
  await disk.syncDirectory(journalPath)
  // Of logs that were made, and of those that are gone: another may get the name.
  if (await disk.exists(logsPath)) await disk.syncDirectory(logsPath)
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

function lostInJournal({ log, from, to }: TruncatedRange): Finding {
  const text = `the records of ${log} with offsets ${from} to ${to - 1} are lost`
  return { kind: 'damaged', log, text }
}

/** Moves a stray file or directory to where nothing reads it. */
async function putAside(disk: Disk, directory: string, path: string): Promise<Finding> {
  const name = path.slice(`${directory}/logs/`.length)
  const aside = await moveAside(disk, directory, path)
  const text = `${path} is accounted for by no log, and nothing proves that it is left over: it was moved to ${aside}`
  return { kind: 'damaged', log: name.split('/')[0]!, text }
}
