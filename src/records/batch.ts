/**
 * The record batch of Kafka's message format 2 (magic 2, KIP-98), seen through its 61-byte header.
 *
 *   at  size  field                          at  size  field
 *    0     8  base offset                    27     8  base timestamp
 *    8     4  length (bytes after this)      35     8  max timestamp
 *   12     4  partition leader epoch         43     8  producer id
 *   16     1  magic = 2                      51     2  producer epoch
 *   17     4  CRC-32C of bytes 21 to end     53     4  base sequence
 *   21     2  attributes                     57     4  record count
 *   23     4  last offset delta              61        records, compressed as the attributes say
 *
 * A batch is bytes from its producer to its consumer. Base offset and leader epoch lie before the
 * checksum's span, so a log stamps them in place. What is inside the records is `record.ts`'s matter.
 */
import { crc32c } from '../base/checksum.ts'
import { HeadwaterError } from '../base/errors.ts'
import type { Steps } from '../base/steps.ts'

export const batchHeaderBytes = 61

/** Bytes before those that the length field counts. */
const lengthPrefixBytes = 12
const crcStart = 21
const twoTo32 = 0x1_0000_0000

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

const compressions: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

const logAppendTimeBit = 0x08
const transactionalBit = 0x10
const controlBit = 0x20

export interface BatchHeader {
  readonly baseOffset: number
  /** The whole batch, the twelve bytes up to and with the length field included. */
  readonly sizeBytes: number
  readonly partitionLeaderEpoch: number
  readonly magic: number
  readonly crc: number
  readonly attributes: number
  /** The last offset is the base offset plus this, whatever the count: compaction leaves gaps. */
  readonly lastOffsetDelta: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

/** The header of the batch that begins at `at`; `frame-invalid` when fewer than 61 bytes follow. */
export function readBatchHeader(bytes: Uint8Array, at = 0): BatchHeader {
  if (bytes.length - at < batchHeaderBytes) throw shortBatch(bytes.length - at)
  return {
    baseOffset: int64At(bytes, at),
    sizeBytes: lengthPrefixBytes + int32At(bytes, at + 8),
    partitionLeaderEpoch: int32At(bytes, at + 12),
    magic: (bytes[at + 16]! << 24) >> 24,
    crc: int32At(bytes, at + 17) >>> 0,
    attributes: int16At(bytes, at + 21),
    lastOffsetDelta: int32At(bytes, at + 23),
    baseTimestamp: int64At(bytes, at + 27),
    maxTimestamp: int64At(bytes, at + 35),
    producerId: int64At(bytes, at + 43),
    producerEpoch: int16At(bytes, at + 51),
    baseSequence: int32At(bytes, at + 53),
    recordCount: int32At(bytes, at + 57),
  }
}

/** The attributes alone of a batch with a whole header. */
export function readAttributes(batch: Uint8Array): number {
  return int16At(batch, 21)
}

/** The offset after the batch's last one, where a reader goes on. */
export function nextOffsetOf(header: BatchHeader): number {
  return header.baseOffset + header.lastOffsetDelta + 1
}

export type BatchFault = 'too-short' | 'bad-length' | 'bad-magic' | 'bad-crc' | 'bad-count'

/**
 * What is wrong with the batch at `at`, or undefined. It looks at this batch only: bytes after it are
 * the caller's. `too-short` means the batch is cut off, as at the torn end of a file. Never throws.
 * @param crc its checksum, where somebody has computed it
 */
export function checkBatch(bytes: Uint8Array, at = 0, crc?: number): BatchFault | undefined {
  const fault = checkFrame(bytes, at)
  if (fault !== undefined) return fault
  const sum = crc ?? crc32c(bytes, at + crcStart, at + sizeOf(bytes, at))
  if (sum !== int32At(bytes, at + 17) >>> 0) return 'bad-crc'
  const lastOffsetDelta = int32At(bytes, at + 23)
  const recordCount = int32At(bytes, at + 57)
  if (recordCount < 0 || lastOffsetDelta < 0 || recordCount > lastOffsetDelta + 1) {
    return 'bad-count'
  }
  return undefined
}

/** The part of it that takes no look at every byte: whether a whole batch of version 2 can be there. */
export function checkFrame(bytes: Uint8Array, at = 0): BatchFault | undefined {
  const available = bytes.length - at
  if (available < lengthPrefixBytes) return 'too-short'
  const sizeBytes = sizeOf(bytes, at)
  if (sizeBytes < batchHeaderBytes) return 'bad-length'
  if (available < batchHeaderBytes) return 'too-short'
  if (bytes[at + 16] !== 2) return 'bad-magic'
  return available < sizeBytes ? 'too-short' : undefined
}

/** How many bytes the batch at `at` says it has, its length prefix included. */
export function sizeOf(bytes: Uint8Array, at = 0): number {
  return lengthPrefixBytes + int32At(bytes, at + 8)
}

/** The checksum of a batch, `pieceBytes` a step. */
export function* checksumOf(batch: Uint8Array, pieceBytes: number): Steps<number> {
  let crc = 0
  for (let at = crcStart; at < batch.length; at += pieceBytes) {
    const end = Math.min(at + pieceBytes, batch.length)
    crc = crc32c(batch, at, end, crc)
    yield end - at
  }
  return crc
}

/** The whole batches in `bytes`, as views; an incomplete last one is dropped. Checksums are not looked at. */
export function splitBatches(bytes: Uint8Array): Uint8Array[] {
  const batches: Uint8Array[] = []
  let at = 0
  while (bytes.length - at >= batchHeaderBytes) {
    const end = at + sizeOf(bytes, at)
    if (end > bytes.length || end - at < batchHeaderBytes) break
    batches.push(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end))
    at = end
  }
  return batches
}

/** Writes base offset and leader epoch in place; both lie outside the checksum. */
export function stampBatch(batch: Uint8Array, baseOffset: number, leaderEpoch: number): void {
  setInt64(batch, 0, baseOffset)
  setInt32(batch, 12, leaderEpoch)
}

/** Gives every record the broker's time (KIP-32): sets bit 3 and the max timestamp, and the checksum anew.
 * The header as it is then. */
export function stampLogAppendTime(
  batch: Uint8Array,
  header: BatchHeader,
  timestamp: number,
): BatchHeader {
  const attributes = header.attributes | logAppendTimeBit
  setInt16(batch, 21, attributes)
  setInt64(batch, 35, timestamp)
  return { ...header, attributes, maxTimestamp: timestamp, crc: stampCrc(batch) }
}

/** Writes the largest timestamp of the records where the header says another, and the checksum anew. The
 * header as it is then. */
export function stampMaxTimestamp(
  batch: Uint8Array,
  header: BatchHeader,
  maxTimestamp: number,
): BatchHeader {
  setInt64(batch, 35, maxTimestamp)
  return { ...header, maxTimestamp, crc: stampCrc(batch) }
}

/** Writes a whole header at the start of `batch`, the checksum of what follows included. */
export function writeBatchHeader(
  batch: Uint8Array,
  header: Omit<BatchHeader, 'baseOffset' | 'sizeBytes' | 'partitionLeaderEpoch' | 'magic' | 'crc'>,
): void {
  setInt64(batch, 0, 0)
  setInt32(batch, 8, batch.length - lengthPrefixBytes)
  setInt32(batch, 12, -1)
  batch[16] = 2
  setInt16(batch, 21, header.attributes)
  setInt32(batch, 23, header.lastOffsetDelta)
  setInt64(batch, 27, header.baseTimestamp)
  setInt64(batch, 35, header.maxTimestamp)
  setInt64(batch, 43, header.producerId)
  setInt16(batch, 51, header.producerEpoch)
  setInt32(batch, 53, header.baseSequence)
  setInt32(batch, 57, header.recordCount)
  stampCrc(batch)
}

export function isTransactional(attributes: number): boolean {
  return (attributes & transactionalBit) !== 0
}

export function isControl(attributes: number): boolean {
  return (attributes & controlBit) !== 0
}

export function isLogAppendTime(attributes: number): boolean {
  return (attributes & logAppendTimeBit) !== 0
}

/** How the records are compressed; `record-invalid` for the two codes Kafka has not given out. */
export function compressionOf(attributes: number): Compression {
  const compression = compressions[attributes & 0x07]
  if (compression !== undefined) return compression
  throw new HeadwaterError(
    'record-invalid',
    `compression ${attributes & 0x07} of a record batch is unknown: the codes are 0 to 4 (${compressions.join(', ')})`,
  )
}

/** The attribute bits of a batch. */
export function batchAttributes(
  compression: Compression,
  transactional: boolean,
  control: boolean,
): number {
  const bits = (transactional ? transactionalBit : 0) | (control ? controlBit : 0)
  return compressions.indexOf(compression) | bits
}

function stampCrc(batch: Uint8Array): number {
  const crc = crc32c(batch, crcStart, batch.length) >>> 0
  setInt32(batch, 17, crc)
  return crc
}

function shortBatch(left: number): HeadwaterError {
  return new HeadwaterError('frame-invalid', `a record batch ends early: ${left} bytes are left`)
}

function int16At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) >> 16) | bytes[at + 1]!
}

function int32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

function int64At(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at) * twoTo32 + (int32At(bytes, at + 4) >>> 0)
}

function setInt16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8
  bytes[at + 1] = value
}

function setInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 24
  bytes[at + 1] = value >> 16
  bytes[at + 2] = value >> 8
  bytes[at + 3] = value
}

function setInt64(bytes: Uint8Array, at: number, value: number): void {
  setInt32(bytes, at, Math.floor(value / twoTo32))
  setInt32(bytes, at + 4, value >>> 0)
}
