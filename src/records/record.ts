/**
 * The records inside a batch: building, reading, and the two control records.
 *
 *   length varint | attributes int8 | timestamp delta varlong | offset delta varint
 *   | key length varint (-1 null) | key | value length varint (-1 null) | value
 *   | header count varint | (key length varint, key, value length varint, value)*
 *
 * All varints are zigzag. A builder writes records straight into the bytes that leave as the batch, so
 * that a record is copied once in its life. Readers give views or positions, never copies, and check
 * every length against the record they are in: `record-invalid` says a producer wrote nonsense.
 */
import { utf8Bytes, utf8String } from '../base/bytes.ts'
import { assert, HeadwaterError } from '../base/errors.ts'
import type { Compression } from './batch.ts'
import {
  batchAttributes,
  batchHeaderBytes,
  compressionOf,
  isControl,
  isLogAppendTime,
  readBatchHeader,
  writeBatchHeader,
} from './batch.ts'
import { compress, decompress } from './compression.ts'
import { putVarint, readVarint, readVarlong, varintBytes, varintEnd } from './varint.ts'

export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

export interface StoredRecord {
  readonly offset: number
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

const noHeaders: readonly RecordHeader[] = []
const defaultCapacityBytes = 16 * 1024

/** Collects records into one batch. It is used once: `finish` gives its buffer away. */
export class BatchBuilder {
  #bytes: Uint8Array
  #at = batchHeaderBytes
  #count = 0
  #baseTimestamp = 0
  #maxTimestamp = 0

  /** @param capacityBytes room for the whole batch, header included; it grows when this is too little */
  constructor(capacityBytes: number = defaultCapacityBytes) {
    this.#bytes = new Uint8Array(Math.max(capacityBytes, batchHeaderBytes))
  }

  get count(): number {
    return this.#count
  }

  /** The batch as it stands, header included, before compression. */
  get sizeBytes(): number {
    return this.#at
  }

  /** Copies one record in. @param timestamp milliseconds since 1970 */
  append(
    timestamp: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly RecordHeader[] = noHeaders,
  ): void {
    if (this.#count === 0) this.#baseTimestamp = this.#maxTimestamp = timestamp
    else if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    const timestampDelta = timestamp - this.#baseTimestamp
    const encodedHeaders = headers.length === 0 ? undefined : encodeHeaders(headers)
    const keyBytes = key === null ? 0 : key.length
    const valueBytes = value === null ? 0 : value.length
    const keySize = key === null ? -1 : keyBytes
    const valueSize = value === null ? -1 : valueBytes
    const size =
      1 +
      varintBytes(timestampDelta) +
      varintBytes(this.#count) +
      varintBytes(keySize) +
      keyBytes +
      varintBytes(valueSize) +
      valueBytes +
      (encodedHeaders === undefined ? 1 : encodedHeaders.length)
    const start = this.#at
    const end = start + varintBytes(size) + size
    if (end > this.#bytes.length) this.#grow(end)
    const bytes = this.#bytes
    let at = putVarint(bytes, start, size)
    bytes[at++] = 0
    at = putVarint(bytes, at, timestampDelta)
    at = putVarint(bytes, at, this.#count)
    at = putVarint(bytes, at, keySize)
    if (key !== null) at = put(bytes, at, key)
    at = putVarint(bytes, at, valueSize)
    if (value !== null) at = put(bytes, at, value)
    if (encodedHeaders === undefined) bytes[at] = 0
    else bytes.set(encodedHeaders, at)
    this.#at = end
    this.#count++
  }

  /** The batch with its checksum: base offset 0, leader epoch -1. At least one record must be in it. */
  finish(
    o: {
      producerId?: number
      producerEpoch?: number
      baseSequence?: number
      transactional?: boolean
      compression?: Compression
    } = {},
  ): Uint8Array {
    assert(this.#count > 0, 'a record batch is never empty')
    const compression = o.compression ?? 'none'
    const batch = this.#body(compression)
    writeBatchHeader(batch, {
      attributes: batchAttributes(compression, o.transactional ?? false, false),
      lastOffsetDelta: this.#count - 1,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp: this.#maxTimestamp,
      producerId: o.producerId ?? -1,
      producerEpoch: o.producerEpoch ?? -1,
      baseSequence: o.baseSequence ?? -1,
      recordCount: this.#count,
    })
    return batch
  }

  #body(compression: Compression): Uint8Array {
    if (compression === 'none') return this.#bytes.subarray(0, this.#at)
    const records = compress(compression, this.#bytes.subarray(batchHeaderBytes, this.#at))
    const batch = new Uint8Array(batchHeaderBytes + records.length)
    batch.set(records, batchHeaderBytes)
    return batch
  }

  #grow(least: number): void {
    const larger = new Uint8Array(Math.max(least, this.#bytes.length * 2))
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = larger
  }
}

/** Below this a loop beats the call that copies a typed array. */
const loopCopyBytes = 32

function put(bytes: Uint8Array, at: number, source: Uint8Array): number {
  const length = source.length
  if (length < loopCopyBytes) for (let i = 0; i < length; i++) bytes[at + i] = source[i]!
  else bytes.set(source, at)
  return at + length
}

function encodeHeaders(headers: readonly RecordHeader[]): Uint8Array {
  const keys = headers.map((header) => utf8Bytes(header.key))
  let size = varintBytes(headers.length)
  headers.forEach((header, i) => {
    const key = keys[i]!
    size += varintBytes(key.length) + key.length + varintBytes(header.value?.length ?? -1)
    size += header.value?.length ?? 0
  })
  const bytes = new Uint8Array(size)
  let at = putVarint(bytes, 0, headers.length)
  headers.forEach((header, i) => {
    at = putVarint(bytes, at, keys[i]!.length)
    at = put(bytes, at, keys[i]!)
    at = putVarint(bytes, at, header.value?.length ?? -1)
    if (header.value !== null) at = put(bytes, at, header.value)
  })
  return bytes
}

/** Sees one record as positions in `bytes`; a start of which the end is -1 is a null. */
export type RecordVisitor = (
  offset: number,
  timestamp: number,
  bytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
) => void

/** Visits each record of a batch in order, without allocating for any. Headers are passed over. */
export function forEachRecord(batch: Uint8Array, visit: RecordVisitor): void {
  const header = readBatchHeader(batch)
  const bytes = recordBytes(batch, header.attributes, header.sizeBytes)
  const end = bytes === batch ? header.sizeBytes : bytes.length
  const appendTime = isLogAppendTime(header.attributes)
  let at = bytes === batch ? batchHeaderBytes : 0
  for (let i = 0; i < header.recordCount; i++) {
    const size = readVarint(bytes, at)
    const start = varintEnd()
    const recordEnd = start + size
    if (size < 0 || recordEnd > end) throw invalidRecord(header.baseOffset, i)
    const delta = readVarlong(bytes, start + 1)
    const offsetDelta = readVarint(bytes, varintEnd())
    const keySize = readVarint(bytes, varintEnd())
    const keyStart = varintEnd()
    const valueSize = readVarint(bytes, keySize < 0 ? keyStart : keyStart + keySize)
    const valueStart = varintEnd()
    if (valueStart + (valueSize < 0 ? 0 : valueSize) >= recordEnd) {
      throw invalidRecord(header.baseOffset, i)
    }
    visit(
      header.baseOffset + offsetDelta,
      appendTime ? header.maxTimestamp : header.baseTimestamp + delta,
      bytes,
      keyStart,
      keySize < 0 ? -1 : keyStart + keySize,
      valueStart,
      valueSize < 0 ? -1 : valueStart + valueSize,
    )
    at = recordEnd
  }
}

/** All records of a batch, headers included; keys and values are views into it when it is not compressed. */
export function decodeRecords(batch: Uint8Array): StoredRecord[] {
  const records: StoredRecord[] = []
  const baseOffset = readBatchHeader(batch).baseOffset
  forEachRecord(batch, (offset, timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd) => {
    records.push({
      offset,
      timestamp,
      key: keyEnd < 0 ? null : bytes.subarray(keyStart, keyEnd),
      value: valueEnd < 0 ? null : bytes.subarray(valueStart, valueEnd),
      headers: decodeHeaders(
        bytes,
        valueEnd < 0 ? valueStart : valueEnd,
        baseOffset,
        records.length,
      ),
    })
  })
  return records
}

/** The headers of a record that a visitor sees; `valueEnd` -1 is a null value. Mostly there are none. */
export function headersOf(
  bytes: Uint8Array,
  valueStart: number,
  valueEnd: number,
): readonly RecordHeader[] {
  const at = valueEnd < 0 ? valueStart : valueEnd
  return bytes[at] === 0 ? noHeaders : decodeHeaders(bytes, at, 0, 0)
}

function decodeHeaders(
  bytes: Uint8Array,
  start: number,
  baseOffset: number,
  index: number,
): readonly RecordHeader[] {
  const count = readVarint(bytes, start)
  if (count === 0) return noHeaders
  const headers: RecordHeader[] = []
  let at = varintEnd()
  for (let i = 0; i < count; i++) {
    const keySize = readVarint(bytes, at)
    const keyStart = varintEnd()
    const valueSize = readVarint(bytes, keyStart + keySize)
    const valueStart = varintEnd()
    at = valueStart + Math.max(valueSize, 0)
    if (keySize < 0 || at > bytes.length) throw invalidRecord(baseOffset, index)
    headers.push({
      key: utf8String(bytes.subarray(keyStart, keyStart + keySize)),
      value: valueSize < 0 ? null : bytes.subarray(valueStart, at),
    })
  }
  return headers
}

/** The bytes the records are in: the batch itself, or what it unfolds to. */
function recordBytes(batch: Uint8Array, attributes: number, sizeBytes: number): Uint8Array {
  const compression = compressionOf(attributes)
  if (sizeBytes < batchHeaderBytes || sizeBytes > batch.length) throw invalidRecord(0, 0)
  if (compression === 'none') return batch
  return decompress(compression, batch.subarray(batchHeaderBytes, sizeBytes))
}

function invalidRecord(baseOffset: number, index: number): HeadwaterError {
  return new HeadwaterError(
    'record-invalid',
    `record ${index} of the batch at offset ${baseOffset} does not fit its lengths: its producer encoded it wrongly`,
  )
}

/** The batch that ends a producer's transaction in one partition (KIP-98): one control record. */
export function encodeControlBatch(o: {
  kind: 'commit' | 'abort'
  producerId: number
  producerEpoch: number
  coordinatorEpoch: number
  timestamp: number
}): Uint8Array {
  const value = new Uint8Array(6)
  new DataView(value.buffer).setInt32(2, o.coordinatorEpoch)
  const builder = new BatchBuilder(batchHeaderBytes + 20)
  builder.append(o.timestamp, Uint8Array.of(0, 0, 0, o.kind === 'commit' ? 1 : 0), value)
  const batch = builder.finish()
  writeBatchHeader(batch, {
    ...readBatchHeader(batch),
    attributes: batchAttributes('none', true, true),
    producerId: o.producerId,
    producerEpoch: o.producerEpoch,
    baseSequence: -1,
  })
  return batch
}

/** Which marker a control batch is; undefined for a batch of data and for markers of other kinds. */
export function controlKind(batch: Uint8Array): 'commit' | 'abort' | undefined {
  if (!isControl(readBatchHeader(batch).attributes)) return undefined
  let kind: 'commit' | 'abort' | undefined
  forEachRecord(batch, (_offset, _timestamp, bytes, keyStart, keyEnd) => {
    if (keyEnd - keyStart < 4) return
    const type = (bytes[keyStart + 2]! << 8) | bytes[keyStart + 3]!
    if (type <= 1) kind = type === 1 ? 'commit' : 'abort'
  })
  return kind
}
