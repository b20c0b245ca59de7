/**
 * The data directory itself: who has it, which format it has, and whether it was closed in good order.
 *
 *   meta.json    { "format": 2, "clusterId": …, "seed": …, "lock": … } and a checksum: written last when a
 *                directory is made. `seed` begins the journal's checksums, `lock` is what the lock file is
 *   lock         held while the store is open; another file in a copy of the directory
 *   clean        { "nextSequence": n } and a checksum: written last by close, removed first by open
 *   synced       how far the journal is synced (`journal/mark.ts`)
 *   checkpoint   journal/   logs/
 *
 * A directory without `meta.json` was never finished and never acknowledged anything, so it is made
 * anew, unless there are logs in it: then the file was removed by someone, and that is refused.
 * Format 1 had no checksums and no `synced`; it is read, and written anew as format 2 once all of it has
 * been found in order.
 */
import { utf8Bytes, utf8String } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'
import { HeadwaterError } from '../../base/errors.ts'
import type { Clock, Disk } from '../../io/ports.ts'
import { backupOrRepair, repairMakesIt } from '../advice.ts'
import { encodeJournalHeader, journalFileName } from '../journal/format.ts'
import type { JournalPosition } from '../journal/journal.ts'
import { JournalMark, readMark, writeMark, type FoundMark } from '../journal/mark.ts'
import { readFile, replaceFile, writeCheckpoint } from './checkpoint.ts'
import type { Finding } from './finding.ts'
import { parseObject, seal, unseal } from './seal.ts'

/** The format this version writes; it reads format 1 as well. */
const formatVersion = 2

/** The sequence of the first group of a new journal. */
const firstSequence = 1

const metaName = 'meta.json'
const lockName = 'lock'
const cleanName = 'clean'
const markName = 'synced'

interface Meta {
  readonly format: number
  readonly clusterId: string
  /** Start of the journal's checksums, the directory's own. */
  readonly seed: number
  /** What the lock file is; undefined in format 1. */
  readonly lock: string | undefined
}

export interface StoreDirectory {
  readonly path: string
  readonly journalPath: string
  readonly logsPath: string
  readonly clusterId: string
  readonly seed: number
  /** Written by a version that kept no mark. */
  readonly isOldFormat: boolean
  /** The sequence that a close in good order ended with, or a new directory begins with. */
  readonly cleanSequence: number | undefined
  /** How far the journal is synced; undefined in format 1, or when the file is lost. */
  readonly mark: FoundMark | undefined
  /** What is to be told of it. */
  readonly findings: readonly Finding[]
  /** Writes down that all of it was found in order, in the format of this version, and how the journal is
   * synced from now on. */
  settle(
    position: JournalPosition,
    o: { everyGroup: boolean; clock: Clock; onFailure: (error: unknown) => void },
  ): Promise<JournalMark>
  /** Makes sure that no other process has it; `data-dir-locked` otherwise. */
  check(): Promise<void>
  release(): Promise<void>
}

/** Takes the directory, making it when it is new. The clean marker is read and still there. */
export async function openStoreDirectory(
  disk: Disk,
  path: string,
  newClusterId: string,
): Promise<StoreDirectory> {
  await disk.makeDirectory(path)
  const lock = await disk.lock(`${path}/${lockName}`)
  try {
    const ownLock = await disk.identify(`${path}/${lockName}`)
    const isNew = !(await disk.exists(`${path}/${metaName}`))
    if (isNew) await make(disk, path, newClusterId, ownLock)
    const meta = await readMeta(disk, path)
    const markPath = `${path}/${markName}`
    const findings: Finding[] = []
    const clean = await readCleanMarker(disk, path, meta.format, findings)
    const mark = await readOwnMark(disk, path, meta, findings)
    const isCopy = meta.lock !== undefined && meta.lock !== ownLock
    if (isCopy) findings.push(copied(path, meta.clusterId))
    if (meta.format === 1) findings.push(upgraded(path))
    return {
      path,
      journalPath: `${path}/journal`,
      logsPath: `${path}/logs`,
      clusterId: meta.clusterId,
      seed: meta.seed,
      isOldFormat: meta.format === 1,
      cleanSequence: isNew ? firstSequence : clean,
      mark,
      findings,
      settle: async ({ fileNumber, nextSequence }, { everyGroup, ...rest }) => {
        const { seed, clusterId } = meta
        const ownMark = { fileNumber, sequence: nextSequence - 1, everyGroup, seed, clusterId }
        const generation = mark?.generation ?? 0
        const opened = await JournalMark.open(disk, markPath, ownMark, { generation, ...rest })
        if (isCopy || meta.format !== formatVersion) {
          await writeMeta(disk, path, { ...meta, lock: ownLock })
        } else if (mark === undefined) {
          await disk.syncDirectory(path)
        }
        return opened
      },
      check: () => lock.check(),
      release: () => lock.release(),
    }
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** Says that everything was stored up to `nextSequence` and the journal needs no repair. */
export async function writeCleanMarker(
  disk: Disk,
  path: string,
  nextSequence: number,
): Promise<void> {
  await replaceFile(disk, path, cleanName, seal({ nextSequence }))
}

/** Takes the marker away, durably, before anything else in the directory changes. */
export async function removeCleanMarker(disk: Disk, path: string): Promise<void> {
  const marker = `${path}/${cleanName}`
  if (!(await disk.exists(marker))) return
  await disk.remove(marker)
  await disk.syncDirectory(path)
}

async function make(disk: Disk, path: string, clusterId: string, lock: string): Promise<void> {
  const logs = await disk.list(`${path}/logs`)
  if (logs.length > 0) {
    throw new HeadwaterError(
      'data-corrupt',
      `${path}/${metaName} is missing, but ${path}/logs holds ${logs.length} logs, so this is no new ` +
        `directory. ${repairMakesIt(path)}; or choose an empty data directory`,
    )
  }
  const seed = crc32c(utf8Bytes(clusterId))
  await disk.remove(`${path}/journal`)
  await disk.makeDirectory(`${path}/journal`)
  await disk.makeDirectory(`${path}/logs`)
  const journal = await disk.open(`${path}/journal/${journalFileName(1)}`, 'create')
  try {
    await journal.write([encodeJournalHeader(1, firstSequence, seed)], 0)
    await journal.sync()
  } finally {
    await journal.close()
  }
  await disk.syncDirectory(`${path}/journal`)
  await writeCheckpoint(disk, path, {
    fileNumber: 1,
    firstSequence,
    nextLogNumber: 1,
    leaderEpoch: 0,
    logs: [],
  })
  const mark = { fileNumber: 1, sequence: 0, everyGroup: true, seed, clusterId }
  await writeMark(disk, `${path}/${markName}`, mark)
  await writeMeta(disk, path, { format: formatVersion, clusterId, seed, lock })
}

async function writeMeta(disk: Disk, path: string, meta: Meta): Promise<void> {
  const { clusterId, seed, lock } = meta
  await replaceFile(disk, path, metaName, seal({ format: formatVersion, clusterId, seed, lock }))
}

async function readMeta(disk: Disk, path: string): Promise<Meta> {
  const bytes = await readFile(disk, `${path}/${metaName}`)
  const sealed = unseal(bytes)
  const { format, clusterId, seed, lock } = sealed ?? parseObject(utf8String(bytes)) ?? {}
  const isForeign = typeof format === 'number' && format > formatVersion
  // What has a checksum that does not fit says nothing about its format.
  if (isForeign && (sealed !== undefined || !utf8String(bytes).includes('"checksum"'))) {
    throw new HeadwaterError(
      'data-dir-version',
      `${path} has data format ${format} and this version of Headwater reads format ` +
        `${formatVersion} and older: start the version that wrote it, or choose another data directory`,
    )
  }
  if (sealed === undefined && isFormatOne(bytes)) {
    const id = clusterId as string
    return { format: 1, clusterId: id, seed: crc32c(utf8Bytes(id)), lock: undefined }
  }
  if (sealed === undefined || typeof clusterId !== 'string' || typeof seed !== 'number') {
    throw new HeadwaterError(
      'data-corrupt',
      `${path}/${metaName} is damaged: its checksum does not match. Nothing else was looked at or ` +
        `changed. Put it back from a backup; or ${repairMakesIt(path)}`,
    )
  }
  return { format: formatVersion, clusterId, seed, lock: String(lock) }
}

/** Format 1 is one exact text, without a checksum. */
function isFormatOne(bytes: Uint8Array): boolean {
  const text = utf8String(bytes)
  const { format, clusterId } = parseObject(text) ?? {}
  if (format !== 1 || typeof clusterId !== 'string') return false
  return text.trimEnd() === JSON.stringify({ format, clusterId })
}

async function readCleanMarker(
  disk: Disk,
  path: string,
  format: number,
  findings: Finding[],
): Promise<number | undefined> {
  const marker = `${path}/${cleanName}`
  if (!(await disk.exists(marker))) return undefined
  const bytes = await readFile(disk, marker)
  const content = format === 1 ? parseObject(utf8String(bytes)) : unseal(bytes)
  if (typeof content?.['nextSequence'] === 'number') return content['nextSequence']
  const text = `${marker} was damaged and is taken for missing: this start reads the directory as after a crash`
  findings.push({ kind: 'healed', text })
  return undefined
}

async function readOwnMark(
  disk: Disk,
  path: string,
  meta: Meta,
  findings: Finding[],
): Promise<FoundMark | undefined> {
  if (meta.format === 1) return undefined
  const markPath = `${path}/${markName}`
  const found = await readMark(disk, markPath)
  if (found?.mark !== undefined && found.mark.seed !== meta.seed) {
    throw new HeadwaterError(
      'data-corrupt',
      `${markPath} belongs to another data directory than ${path}/${metaName}: files of two were mixed, ` +
        `so nothing was changed. ${backupOrRepair(path)}`,
    )
  }
  const lost = found === undefined ? 'was missing' : found.mark === undefined ? 'was damaged' : ''
  if (lost !== '') {
    const text = `${markPath} ${lost} and was made again. No record was in it; but it said how far the journal is synced, so this start could not check that`
    findings.push({ kind: 'healed', text })
  } else if (found!.badSlots > 0) {
    const text = `${markPath} had one of its two copies torn or damaged, and it was made again`
    findings.push({ kind: 'healed', text })
  }
  return found
}

function copied(path: string, clusterId: string): Finding {
  return {
    kind: 'copied',
    text:
      `${path} is a copy of a data directory, or was moved or restored since it was last open. It goes on ` +
      `as cluster ${clusterId}: if the original is still in use, stop one of the two, since clients ` +
      'cannot tell them apart',
  }
}

function upgraded(path: string): Finding {
  const text = `${path} was written by an older version (format 1) and is now of format ${formatVersion}: older versions cannot open it any more`
  return { kind: 'upgraded', text }
}
