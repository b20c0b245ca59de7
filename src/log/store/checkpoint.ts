/**
 * The checkpoint file: what every log is up to a point of the journal, so that older journal files can
 * go and a start reads no segment.
 *
 *   at  size  field
 *    0     4  'HWC2'
 *    4     4  CRC-32C of bytes 8 to end
 *    8     8  journal file number to replay from
 *   16     8  sequence of its first group
 *   24     8  next log number
 *   32     4  leader epoch of the store
 *   36     4  log count
 *   40        logs: number (4), name and config as JSON (4 + n), state (4 + n; see `log-state.ts`),
 *             written offset (8), segment count (4), segments: base offset, next offset, bytes,
 *             largest timestamp (8 each), batches from the written offset on (4 + n)
 *
 * It is replaced whole: written beside the old one, synced, renamed over it, directory synced. A crash
 * leaves the old one or the new one. 'HWC1' is the same without the batches.
 */
import { Reader, utf8Bytes, utf8String, Writer } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Disk, DiskFile } from '../../io/ports.ts'
import { splitBatches } from '../../records/batch.ts'
import type { LogCheckpoint, LogConfig } from '../identity.ts'
import type { SegmentExtent } from '../segments/segments.ts'

const checkpointName = 'checkpoint'

const magicWithoutBatches = 0x48574331
const magic = 0x48574332
const checkedFrom = 8
const headerBytes = 40
/** Bytes of lines that are made and written in one turn. */
const sliceBytes = 64 * 1024
/** Bytes that wait for a sync at most, so that the journal does not wait for many while it syncs its own. */
const unsyncedBytesMax = 4 * 1024 * 1024

/** What is stored of the store itself. */
interface CheckpointHead {
  readonly fileNumber: number
  readonly firstSequence: number
  readonly nextLogNumber: number
  readonly leaderEpoch: number
}

export interface Checkpoint extends CheckpointHead {
  readonly logs: readonly LogCheckpoint[]
}

/** A checkpoint to be written: its lines are drawn as the file is, a slice a turn. */
export interface CheckpointDraft extends CheckpointHead {
  readonly logs: Iterable<LogCheckpoint> & { readonly length: number }
}

/**
 * Puts a checkpoint in the place of the last one.
 * @param beforeItCounts waited for when all lines were drawn
 */
export async function writeCheckpoint(
  disk: Disk,
  directory: string,
  draft: CheckpointDraft,
  beforeItCounts = async (): Promise<void> => {},
): Promise<void> {
  await replaceFileBy(disk, directory, checkpointName, async (file) => {
    const header = encodeHead(draft)
    let checksum = crc32c(header.finish(), checkedFrom)
    let at = headerBytes
    let syncedTo = 0
    for (const slice of slicesOf(draft.logs)) {
      for (const chunk of slice) checksum = crc32c(chunk, 0, chunk.length, checksum)
      await file.write(slice, at)
      at += slice.reduce((sum, { length }) => sum + length, 0)
      if (at - syncedTo < unsyncedBytesMax) continue
      await file.sync()
      syncedTo = at
    }
    header.setInt32(4, checksum | 0)
    await file.write([header.finish()], 0)
    await beforeItCounts()
  })
}

export async function readCheckpoint(disk: Disk, directory: string): Promise<Checkpoint> {
  const path = `${directory}/${checkpointName}`
  if (!(await disk.exists(path))) throw damaged(path, 'it is missing')
  const checkpoint = decode(await readFile(disk, path))
  if (checkpoint === undefined) throw damaged(path, 'its checksum does not match')
  return checkpoint
}

/** A file's whole content. */
export async function readFile(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path, 'read')
  try {
    return await file.read(0, await file.size())
  } finally {
    await file.close()
  }
}

/** Puts `bytes` in the place of a file, so that a crash leaves the old content or the new. */
export async function replaceFile(
  disk: Disk,
  directory: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  await replaceFileBy(disk, directory, name, (file) => file.write([bytes], 0))
}

async function replaceFileBy(
  disk: Disk,
  directory: string,
  name: string,
  write: (file: DiskFile) => Promise<void>,
): Promise<void> {
  const path = `${directory}/${name}`
  const next = `${path}.next`
  const file = await disk.open(next, 'create')
  try {
    await file.truncate(0)
    await write(file)
    await file.sync()
  } catch (error) {
    // What was not finished must not hold the room that is missing.
    if (isHeadwaterError(error, 'disk-full')) await file.truncate(0)
    throw error
  } finally {
    await file.close()
  }
  await disk.rename(next, path)
  await disk.syncDirectory(directory)
}

/** Name and config of a log, as the journal and the checkpoint keep them. */
export function encodeIdentity(name: string, config: LogConfig): Uint8Array {
  return utf8Bytes(JSON.stringify({ name, ...config }))
}

export function decodeIdentity(bytes: Uint8Array): { name: string; config: LogConfig } {
  const { name, ...config } = JSON.parse(utf8String(bytes)) as { name: string } & LogConfig
  return { name, config }
}

function encodeHead(head: CheckpointDraft): Writer {
  const writer = new Writer(headerBytes)
  writer.int32(magic)
  writer.int32(0)
  writer.int64(head.fileNumber)
  writer.int64(head.firstSequence)
  writer.int64(head.nextLogNumber)
  writer.int32(head.leaderEpoch)
  writer.int32(head.logs.length)
  return writer
}

function* slicesOf(lines: Iterable<LogCheckpoint>): Iterable<Uint8Array[]> {
  let slice: Uint8Array[] = []
  let bytes = 0
  for (const line of lines) {
    for (const chunk of [encodeLine(line), ...line.carried]) {
      slice.push(chunk)
      bytes += chunk.length
    }
    if (bytes < sliceBytes) continue
    yield slice
    slice = []
    bytes = 0
  }
  if (bytes > 0) yield slice
}

/** A line up to its batches. */
function encodeLine(log: LogCheckpoint): Uint8Array {
  const writer = new Writer(256)
  writer.int32(log.number)
  const identity = encodeIdentity(log.name, log.config)
  writer.int32(identity.length)
  writer.append(identity)
  writer.int32(log.state.length)
  writer.append(log.state)
  writer.int64(log.writtenOffset)
  writer.int32(log.extents.length)
  for (const extent of log.extents) {
    writer.int64(extent.baseOffset)
    writer.int64(extent.nextOffset)
    writer.int64(extent.sizeBytes)
    writer.int64(extent.maxTimestamp)
  }
  writer.int32(log.carried.reduce((sum, { length }) => sum + length, 0))
  return writer.finish()
}

function decode(bytes: Uint8Array): Checkpoint | undefined {
  if (bytes.length < headerBytes) return undefined
  const reader = new Reader(bytes)
  const format = reader.int32()
  if (format !== magic && format !== magicWithoutBatches) return undefined
  if (reader.uint32() !== crc32c(bytes, checkedFrom)) return undefined
  const fileNumber = reader.int64()
  const firstSequence = reader.int64()
  const nextLogNumber = reader.int64()
  const leaderEpoch = reader.int32()
  const logs: LogCheckpoint[] = []
  for (let left = reader.int32(); left > 0; left--) {
    const number = reader.int32()
    const identity = decodeIdentity(reader.slice(reader.int32()))
    const state = reader.slice(reader.int32())
    const writtenOffset = reader.int64()
    const extents = decodeExtents(reader)
    const carried = format === magic ? splitBatches(reader.slice(reader.int32())) : []
    logs.push({ number, ...identity, state, writtenOffset, extents, carried })
  }
  return { fileNumber, firstSequence, nextLogNumber, leaderEpoch, logs }
}

function decodeExtents(reader: Reader): SegmentExtent[] {
  return Array.from({ length: reader.int32() }, () => ({
    baseOffset: reader.int64(),
    nextOffset: reader.int64(),
    sizeBytes: reader.int64(),
    maxTimestamp: reader.int64(),
  }))
}

function damaged(path: string, fault: string): HeadwaterError {
  return new HeadwaterError(
    'data-corrupt',
    `${path} cannot be used: ${fault}. It says where the stored records are and is only ever ` +
      'replaced whole, so something other than Headwater changed it, and nothing can make it again: put the ' +
      'whole data directory back from a backup',
  )
}
