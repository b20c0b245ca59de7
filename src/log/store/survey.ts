/**
 * What the directories of logs hold, compared with what checkpoint and journal say, before anything is
 * changed. Files are looked at by name and size; bytes are read only where a segment reaches further
 * than the journal could have brought it.
 *
 * Batches go to segments once the journal has synced them. So a segment with batches past the journal's
 * end proves that acknowledged records are missing from the journal. Batches of an older leader epoch
 * prove nothing: a crash took them back once, and nobody has written over them since.
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { Disk } from '../../io/ports.ts'
import { checkBatch, nextOffsetOf, readBatchHeader } from '../../records/batch.ts'
import { backupOrRepair } from '../advice.ts'
import type { Log } from '../log.ts'
import { indexPath, segmentFileName } from '../segments/segment.ts'
import type { SegmentExtent } from '../segments/segments.ts'
import type { Finding } from './finding.ts'

export interface SurveyedLog {
  readonly log: Log
  readonly directory: string
  readonly extents: readonly SegmentExtent[]
}

export interface Survey {
  /** Segments that are missing or too short. */
  readonly damaged: readonly Finding[]
  /** Files that no segment accounts for, and directories that no log does. */
  readonly strays: readonly string[]
  /** Whole batches past the end of their log, in order. */
  readonly beyond: readonly Beyond[]
}

export interface Beyond {
  readonly log: Log
  /** Where the first of them stands, and all the files they stand in. */
  readonly path: string
  readonly paths: ReadonlySet<string>
  readonly batches: readonly Uint8Array[]
}

/** @param leaderEpoch the store's, as checkpoint and journal have it; batches of it are looked for past
 * the ends of logs, and not at all when it is undefined */
export async function surveyLogs(
  disk: Disk,
  logsPath: string,
  logs: Iterable<SurveyedLog>,
  leaderEpoch: number | undefined,
): Promise<Survey> {
  const damaged: Finding[] = []
  const strays: string[] = []
  const beyond: Beyond[] = []
  const present = new Set(await disk.list(logsPath))
  for (const surveyed of logs) {
    const { log, directory, extents } = surveyed
    const isPresent = present.delete(directory.slice(logsPath.length + 1))
    const files = new Set(isPresent ? await disk.list(directory) : [])
    for (const { baseOffset } of extents) {
      const name = segmentFileName(baseOffset)
      files.delete(name)
      files.delete(indexPath(name))
    }
    const kept = extents.filter(({ nextOffset }) => nextOffset > log.startOffset)
    const sizes = await Promise.all(
      kept.map((extent) => disk.fileSize(`${directory}/${segmentFileName(extent.baseOffset)}`)),
    )
    for (const [at, extent] of kept.entries()) {
      const path = `${directory}/${segmentFileName(extent.baseOffset)}`
      const size = sizes[at]
      if (size === undefined) damaged.push(missing(log, path, extent))
      else if (size < extent.sizeBytes) damaged.push(short(log, path, extent))
    }
    const unknown = [...files]
    strays.push(...unknown.map((name) => `${directory}/${name}`))
    if (leaderEpoch === undefined) continue
    const found = await findBeyond(disk, surveyed, sizes.at(-1), unknown, leaderEpoch)
    if (found !== undefined) beyond.push(found)
  }
  for (const name of present) strays.push(`${logsPath}/${name}`)
  return { damaged, strays, beyond }
}

/** Why a start is refused: the journal lacks what the segment has. */
export function beyondJournal({ log, path, batches }: Beyond): HeadwaterError {
  const end = nextOffsetOf(readBatchHeader(batches.at(-1)!))
  return new HeadwaterError(
    'data-corrupt',
    `${path} holds records of ${log.name} up to offset ${end - 1}, and the journal only up to ` +
      `${log.endOffset - 1}: acknowledged records are missing from the journal, or this is a copy that was ` +
      `made while a broker wrote. Nothing was changed. ${backupOrRepair(path)}`,
  )
}

async function findBeyond(
  disk: Disk,
  { log, directory, extents }: SurveyedLog,
  lastSize: number | undefined,
  unknown: readonly string[],
  leaderEpoch: number,
): Promise<Beyond | undefined> {
  const last = extents.at(-1)
  const left = last === undefined || lastSize === undefined ? 0 : lastSize - last.sizeBytes
  const places: { path: string; from: number }[] = []
  if (left > 0) {
    const path = `${directory}/${segmentFileName(last!.baseOffset)}`
    places.push({ path, from: last!.sizeBytes })
  }
  let bytes = Math.max(0, left)
  for (const name of unknown.filter((file) => file.endsWith('.log'))) {
    const path = `${directory}/${name}`
    places.push({ path, from: 0 })
    bytes += (await disk.fileSize(path)) ?? 0
  }
  // What the journal has of the log is as much or more: the usual case, and no byte is read for it.
  if (bytes <= log.unwrittenBytes) return undefined
  let expected = last?.nextOffset
  const batches: Uint8Array[] = []
  const paths = new Set<string>()
  for (const { path, from } of places) {
    for (const batch of await batchesFrom(disk, path, from)) {
      const header = readBatchHeader(batch)
      if (expected !== undefined && header.baseOffset !== expected) break
      expected = nextOffsetOf(header)
      if (header.baseOffset < log.endOffset) continue
      const isStale = batches.length === 0 && header.baseOffset !== log.endOffset
      if (isStale || header.partitionLeaderEpoch < leaderEpoch) break
      batches.push(batch)
      paths.add(path)
    }
  }
  const [path] = paths
  return path === undefined ? undefined : { log, path, paths, batches }
}

/** Whole batches of a file, from a position up to the first that is not whole. */
async function batchesFrom(disk: Disk, path: string, from: number): Promise<Uint8Array[]> {
  const file = await disk.open(path, 'read')
  try {
    const bytes = await file.read(from, Math.max(0, (await file.size()) - from))
    const batches: Uint8Array[] = []
    for (let at = 0; checkBatch(bytes, at) === undefined;) {
      const end = at + readBatchHeader(bytes, at).sizeBytes
      batches.push(bytes.subarray(at, end))
      at = end
    }
    return batches
  } finally {
    await file.close()
  }
}

function missing(log: Log, path: string, extent: SegmentExtent): Finding {
  return lost(log, path, extent, 'is missing')
}

function short(log: Log, path: string, extent: SegmentExtent): Finding {
  return lost(log, path, extent, `ends before the ${extent.sizeBytes} bytes of it that were synced`)
}

function lost(log: Log, path: string, extent: SegmentExtent, fault: string): Finding {
  return {
    kind: 'damaged',
    log: log.name,
    text:
      `${path} ${fault}, so something other than Headwater changed it: of the records of ${log.name} with ` +
      `offsets ${extent.baseOffset} to ${extent.nextOffset - 1} not all can be read. The others are served. ` +
      backupOrRepair(path),
  }
}
