/** Reading everything that a closed data directory holds, and naming each damage. Nothing is changed. */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Disk } from '../../io/ports.ts'
import { OffsetIndex } from '../segments/offset-index.ts'
import { indexPath, segmentFileName } from '../segments/segment.ts'
import type { SegmentExtent } from '../segments/segments.ts'
import { backupOrRepair } from '../advice.ts'
import { readFile } from './checkpoint.ts'
import { openStoreDirectory, type StoreDirectory } from './directory.ts'
import { readLogs } from './recovery.ts'
import { directoryName, readingFactory, type Replay } from './replay.ts'
import { salvage } from './salvage.ts'

interface Problem {
  /** What is wrong, with the path, and what to do about it. */
  readonly text: string
  /** The log whose records are concerned. */
  readonly log?: string
  /** Offsets of records that cannot be read: from, and up to before `to`. */
  readonly lost?: readonly { readonly from: number; readonly to: number }[]
}

export interface Verification {
  readonly clusterId: string | undefined
  readonly logs: number
  readonly segments: number
  /** In segments, in the checkpoint and in the journal. */
  readonly records: number
  readonly problems: readonly Problem[]
}

/**
 * Reads a directory that nobody has open.
 * Throws `data-dir-locked`, `data-dir-version`, and `not-found` when there is nothing of ours.
 */
export async function verifyStore(disk: Disk, path: string): Promise<Verification> {
  if (!(await isStore(disk, path))) throw noStore(path)
  const problems: Problem[] = []
  const nothing = { clusterId: undefined, logs: 0, segments: 0, records: 0, problems }
  const directory = await orProblem(problems, () => openStoreDirectory(disk, path, ''))
  if (directory === undefined) return nothing
  try {
    for (const { kind, text } of directory.findings) {
      if (kind === 'healed') problems.push({ text })
    }
    const { clusterId } = directory
    const factory = readingFactory(disk, directory)
    const found = await orProblem(problems, () =>
      readLogs(factory, directory, ({ error, lost }) => {
        problems.push({ text: error.message })
        for (const { log, ...range } of lost) {
          problems.push({ text: `records of ${log} are lost with it`, log, lost: [range] })
        }
      }),
    )
    if (found === undefined) return { ...nothing, clusterId }
    const { replay } = found
    const { segments, records } = await verifySegments(disk, directory, replay, problems)
    const logs = replay.logs.size
    const inMemory = replay.carriedRecords + replay.records
    return { clusterId, logs, segments, records: records + inMemory, problems }
  } finally {
    await directory.release()
  }
}

async function isStore(disk: Disk, path: string): Promise<boolean> {
  if (await disk.exists(`${path}/meta.json`)) return true
  return (await disk.list(`${path}/logs`)).length > 0
}

function noStore(path: string): HeadwaterError {
  return new HeadwaterError(
    'not-found',
    `${path} is no data directory: it has no meta.json and no logs. Name the one that the broker was ` +
      'started with (--dir)',
  )
}

/** What `work` gives; when it finds damage, that is a problem. */
async function orProblem<T>(problems: Problem[], work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!isHeadwaterError(error, 'data-corrupt')) throw error
    problems.push({ text: error.message })
    return undefined
  }
}

async function verifySegments(
  disk: Disk,
  { logsPath }: StoreDirectory,
  replay: Replay,
  problems: Problem[],
): Promise<{ segments: number; records: number }> {
  let segments = 0
  let records = 0
  for (const [number, log] of replay.logs) {
    const directory = `${logsPath}/${directoryName(log.name, number)}`
    for (const extent of replay.extents.get(number) ?? []) {
      if (extent.nextOffset <= log.startOffset) continue
      segments++
      const path = `${directory}/${segmentFileName(extent.baseOffset)}`
      records += await verifySegment(disk, path, extent, log.name, problems)
      await verifyIndex(disk, indexPath(path), extent, problems)
    }
  }
  return { segments, records }
}

async function verifySegment(
  disk: Disk,
  path: string,
  extent: SegmentExtent,
  log: string,
  problems: Problem[],
): Promise<number> {
  const size = await disk.fileSize(path)
  const bytes = size === undefined ? new Uint8Array(0) : await readFile(disk, path)
  const { lost, restamped, records } = salvage(bytes.subarray(0, extent.sizeBytes), extent)
  if (lost.length > 0) {
    const fault = size === undefined ? 'is missing' : 'is damaged'
    const ranges = lost.map(({ from, to }) => `${from} to ${to - 1}`).join(', ')
    const text = `${path} ${fault}: records of ${log} with offsets ${ranges} cannot be read. ${backupOrRepair(path, 3)}`
    problems.push({ text, log, lost })
  }
  if (restamped.length > 0) {
    const text = `${path} is damaged: the batches at offsets ${restamped.join(', ')} stand under another one, and no record is lost. ${backupOrRepair(path, 3)}`
    problems.push({ text, log })
  }
  return records
}

async function verifyIndex(
  disk: Disk,
  path: string,
  { baseOffset, sizeBytes }: SegmentExtent,
  problems: Problem[],
): Promise<void> {
  if ((await disk.fileSize(path)) === undefined) return
  if (OffsetIndex.decode(await readFile(disk, path), baseOffset, 1, sizeBytes) !== undefined) return
  problems.push({
    text: `${path} is damaged, and nothing is lost: whoever reads its segment next makes it again`,
  })
}
