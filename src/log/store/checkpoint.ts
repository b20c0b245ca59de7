/**
 * The checkpoint file: what every log is up to a point of the journal, so that older journal files can
 * go and a start reads no segment.
 *
 *   at  size  field
 *    0     4  'HWC1'
 *    4     4  CRC-32C of bytes 8 to end
 *    8     8  journal file number to replay from
 *   16     8  sequence of its first group
 *   24     8  next log number
 *   32     4  leader epoch of the store
 *   36     4  log count
 *   40        logs: number (4), name and config as JSON (4 + n), state (4 + n; see `log-state.ts`),
 *             written offset (8), segment count (4), segments: base offset, next offset, bytes,
 *             largest timestamp (8 each)
 *
 * It is replaced whole: written beside the old one, synced, renamed over it, directory synced. A crash
 * leaves the old one or the new one.
 */
import { Reader, utf8Bytes, utf8String, Writer } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'
import { HeadwaterError } from '../../base/errors.ts'
import type { Disk } from '../../io/ports.ts'
import type { LogCheckpoint, LogConfig } from '../identity.ts'
import type { SegmentExtent } from '../segments/segments.ts'

const checkpointName = 'checkpoint'

const magic = 0x48574331
const checkedFrom = 8

export interface Checkpoint {
  readonly fileNumber: number
  readonly firstSequence: number
  readonly nextLogNumber: number
  readonly leaderEpoch: number
  readonly logs: readonly LogCheckpoint[]
}

export async function writeCheckpoint(
  disk: Disk,
  directory: string,
  checkpoint: Checkpoint,
): Promise<void> {
  await replaceFile(disk, directory, checkpointName, encode(checkpoint))
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
  const path = `${directory}/${name}`
  const next = `${path}.next`
  const file = await disk.open(next, 'create')
  try {
    await file.truncate(0)
    await file.write([bytes], 0)
    await file.sync()
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

function encode(checkpoint: Checkpoint): Uint8Array {
  const writer = new Writer(4096)
  writer.int32(magic)
  writer.int32(0)
  writer.int64(checkpoint.fileNumber)
  writer.int64(checkpoint.firstSequence)
  writer.int64(checkpoint.nextLogNumber)
  writer.int32(checkpoint.leaderEpoch)
  writer.int32(checkpoint.logs.length)
  for (const log of checkpoint.logs) {
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
  }
  const bytes = writer.finish()
  writer.setInt32(4, crc32c(bytes, checkedFrom) | 0)
  return bytes
}

function decode(bytes: Uint8Array): Checkpoint | undefined {
  if (bytes.length < 40) return undefined
  const reader = new Reader(bytes)
  if (reader.int32() !== magic) return undefined
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
    logs.push({ number, ...identity, state, writtenOffset, extents: decodeExtents(reader) })
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
