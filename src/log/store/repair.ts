/**
 * Making a damaged data directory whole again, without what is lost. Everything that is taken away or
 * written over is in `aside/` first. A repair that was interrupted is done again from its beginning.
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { Clock, Disk } from '../../io/ports.ts'
import { readMark } from '../journal/mark.ts'
import { indexPath, segmentFileName } from '../segments/segment.ts'
import type { SegmentExtent } from '../segments/segments.ts'
import type { LogCheckpoint } from '../identity.ts'
import { copyAside, moveAside } from './aside.ts'
import { readCheckpoint, readFile, replaceFile, writeCheckpoint } from './checkpoint.ts'
import { openStoreDirectory, readMeta, writeMeta } from './directory.ts'
import { LogStore } from './log-store.ts'
import { readLogs } from './recovery.ts'
import { directoryName, readingFactory } from './replay.ts'
import { salvage } from './salvage.ts'

/**
 * Repairs a directory that nobody has open; what was done, a sentence each.
 * Throws `data-corrupt` for what only a backup can bring back.
 */
export async function repairStore(disk: Disk, clock: Clock, path: string): Promise<string[]> {
  const done: string[] = []
  await repairMeta(disk, path, done)
  await repairSegments(disk, path, done)
  await repairJournal(disk, clock, path, done)
  return done
}

/** The mark beside the journal says once more whose directory it is. */
async function repairMeta(disk: Disk, path: string, done: string[]): Promise<void> {
  const lock = await disk.lock(`${path}/lock`)
  try {
    const metaPath = `${path}/meta.json`
    const isThere = await disk.exists(metaPath)
    if (isThere && (await isSound(disk, path))) return
    const { mark } = (await readMark(disk, `${path}/synced`)) ?? {}
    if (mark === undefined) throw pastRepair(metaPath)
    if (isThere) done.push(`moved ${metaPath} to ${await moveAside(disk, path, metaPath)}`)
    const { clusterId, seed } = mark
    await writeMeta(disk, path, { clusterId, seed, lock: await disk.identify(`${path}/lock`) })
    done.push(`wrote ${metaPath} again for cluster ${clusterId}`)
  } finally {
    await lock.release()
  }
}

async function isSound(disk: Disk, path: string): Promise<boolean> {
  try {
    await readMeta(disk, path)
    return true
  } catch (error) {
    if ((error as HeadwaterError).code !== 'data-corrupt') throw error
    return false
  }
}

/** Writes each damaged segment again, and then the checkpoint that knows their sizes. */
async function repairSegments(disk: Disk, path: string, done: string[]): Promise<void> {
  const directory = await openStoreDirectory(disk, path, '')
  try {
    const checkpoint = await readCheckpoint(disk, path)
    let isChanged = false
    const logs: LogCheckpoint[] = []
    for (const log of checkpoint.logs) {
      const logPath = `${directory.logsPath}/${directoryName(log.name, log.number)}`
      const extents: SegmentExtent[] = []
      for (const extent of log.extents) {
        const repaired = await repairSegment(disk, path, { log: log.name, logPath, extent }, done)
        isChanged ||= repaired !== extent
        extents.push(repaired)
      }
      logs.push({ ...log, extents })
    }
    if (isChanged) await writeCheckpoint(disk, path, { ...checkpoint, logs })
  } finally {
    await directory.release()
  }
}

async function repairSegment(
  disk: Disk,
  path: string,
  at: { log: string; logPath: string; extent: SegmentExtent },
  done: string[],
): Promise<SegmentExtent> {
  const { log, logPath, extent } = at
  const name = segmentFileName(extent.baseOffset)
  const segmentPath = `${logPath}/${name}`
  const isThere = (await disk.fileSize(segmentPath)) !== undefined
  const bytes = isThere ? await readFile(disk, segmentPath) : new Uint8Array(0)
  const { batches, lost, restamped } = salvage(bytes.subarray(0, extent.sizeBytes), extent)
  if (lost.length === 0 && restamped.length === 0) return extent
  const sizeBytes = batches.reduce((sum, batch) => sum + batch.length, 0)
  const whole = new Uint8Array(sizeBytes)
  let position = 0
  for (const batch of batches) {
    whole.set(batch, position)
    position += batch.length
  }
  if (isThere) done.push(`copied ${segmentPath} to ${await copyAside(disk, path, segmentPath)}`)
  await disk.makeDirectory(logPath)
  await disk.remove(indexPath(segmentPath))
  await replaceFile(disk, logPath, name, whole)
  const ranges = lost.map(({ from, to }) => `${from} to ${to - 1}`).join(', ')
  const without = lost.length === 0 ? '' : `, without the records of ${log} with offsets ${ranges}`
  done.push(`wrote ${segmentPath} again${without}`)
  return { ...extent, sizeBytes }
}

/** Opens the store as far as it can be read, which says what is not, and closes it in good order. */
async function repairJournal(
  disk: Disk,
  clock: Clock,
  path: string,
  done: string[],
): Promise<void> {
  if (!(await isJournalDamaged(disk, path))) return
  for (const name of await disk.list(`${path}/journal`)) {
    const journalPath = `${path}/journal/${name}`
    done.push(`copied ${journalPath} to ${await copyAside(disk, path, journalPath)}`)
  }
  const store = await LogStore.open({
    disk,
    clock,
    directory: path,
    clusterId: '',
    onDamage: () => {},
  })
  const { findings } = store.recovered
  await store.close()
  if (store.failure?.code !== 'broker-closed') throw store.failure!
  for (const { text } of findings) done.push(text)
  done.push(`closed ${path} in good order`)
}

async function isJournalDamaged(disk: Disk, path: string): Promise<boolean> {
  const directory = await openStoreDirectory(disk, path, '')
  try {
    let isDamaged = false
    await readLogs(readingFactory(disk, directory), directory, () => (isDamaged = true))
    return isDamaged
  } finally {
    await directory.release()
  }
}

function pastRepair(metaPath: string): HeadwaterError {
  return new HeadwaterError(
    'data-corrupt',
    `${metaPath} cannot be made again: nothing else says whose directory this is. Put it back from a backup`,
  )
}
