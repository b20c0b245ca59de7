/**
 * The data directory itself: who has it, which format it has, and whether it was closed in good order.
 *
 *   meta.json    { "format": 1, "clusterId": … }   written last when a directory is made
 *   lock         held while the store is open
 *   clean        { "nextSequence": n }             written last by close, removed first by open
 *   checkpoint   journal/   logs/
 *
 * A directory without `meta.json` was never finished and never acknowledged anything, so it is made
 * anew, unless there are logs in it: then the file was removed by someone, and that is refused.
 */
import { utf8Bytes, utf8String } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'
import { HeadwaterError } from '../../base/errors.ts'
import type { Disk } from '../../io/ports.ts'
import { readFile, replaceFile, writeCheckpoint } from './checkpoint.ts'
import { encodeJournalHeader, journalFileName } from '../journal/format.ts'

/** The format this version reads and writes. */
const formatVersion = 1

/** The sequence of the first group of a new journal. */
const firstSequence = 1

const metaName = 'meta.json'
const cleanName = 'clean'

export interface StoreDirectory {
  readonly path: string
  readonly journalPath: string
  readonly logsPath: string
  readonly clusterId: string
  /** Start of the journal's checksums, the directory's own. */
  readonly seed: number
  /** The sequence that a close in good order ended with, or a new directory begins with. */
  readonly cleanSequence: number | undefined
  release(): Promise<void>
}

/** Takes the directory, making it when it is new. The clean marker is read and still there. */
export async function openStoreDirectory(
  disk: Disk,
  path: string,
  newClusterId: string,
): Promise<StoreDirectory> {
  await disk.makeDirectory(path)
  const lock = await disk.lock(`${path}/lock`)
  try {
    const isNew = !(await disk.exists(`${path}/${metaName}`))
    if (isNew) await make(disk, path, newClusterId)
    const clusterId = await readMeta(disk, path)
    const cleanSequence = isNew ? firstSequence : await readCleanMarker(disk, path)
    return {
      path,
      journalPath: `${path}/journal`,
      logsPath: `${path}/logs`,
      clusterId,
      seed: crc32c(utf8Bytes(clusterId)),
      cleanSequence,
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
  await replaceFile(disk, path, cleanName, utf8Bytes(JSON.stringify({ nextSequence })))
}

/** Takes the marker away, durably, before anything else in the directory changes. */
export async function removeCleanMarker(disk: Disk, path: string): Promise<void> {
  const marker = `${path}/${cleanName}`
  if (!(await disk.exists(marker))) return
  await disk.remove(marker)
  await disk.syncDirectory(path)
}

async function make(disk: Disk, path: string, clusterId: string): Promise<void> {
  const logs = await disk.list(`${path}/logs`)
  if (logs.length > 0) {
    throw new HeadwaterError(
      'data-corrupt',
      `${path}/${metaName} is missing, but ${path}/logs holds ${logs.length} logs: put the file back ` +
        'from a backup, or choose an empty data directory',
    )
  }
  await disk.remove(`${path}/journal`)
  await disk.makeDirectory(`${path}/journal`)
  await disk.makeDirectory(`${path}/logs`)
  const journal = await disk.open(`${path}/journal/${journalFileName(1)}`, 'create')
  try {
    await journal.write([encodeJournalHeader(1, firstSequence)], 0)
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
  const meta = JSON.stringify({ format: formatVersion, clusterId })
  await replaceFile(disk, path, metaName, utf8Bytes(`${meta}\n`))
}

async function readMeta(disk: Disk, path: string): Promise<string> {
  const text = utf8String(await readFile(disk, `${path}/${metaName}`))
  const meta = parseJson(text)
  if (typeof meta?.['format'] !== 'number' || typeof meta['clusterId'] !== 'string') {
    throw new HeadwaterError(
      'data-corrupt',
      `${path}/${metaName} cannot be read: put it back from a backup, or choose an empty data directory`,
    )
  }
  if (meta['format'] !== formatVersion) {
    throw new HeadwaterError(
      'data-dir-version',
      `${path} has data format ${meta['format']} and this version of Headwater reads format ` +
        `${formatVersion}: start the version that wrote it, or choose another data directory`,
    )
  }
  return meta['clusterId']
}

async function readCleanMarker(disk: Disk, path: string): Promise<number | undefined> {
  const marker = `${path}/${cleanName}`
  if (!(await disk.exists(marker))) return undefined
  const content = parseJson(utf8String(await readFile(disk, marker)))
  return typeof content?.['nextSequence'] === 'number' ? content['nextSequence'] : undefined
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
