/**
 * The four compressions of record batches, each a pair of functions of bytes.
 *
 * gzip and zstd are Node's zlib; lz4 is the frame format with independent blocks, as Kafka demands;
 * snappy is written in the framing of snappy-java (Xerial), which the Java client expects, and read in
 * that framing or raw, because some clients write one block without it.
 *
 * Bound: what a batch unfolds to is at most `decompressedBytesMax`, as far as the format says its size
 * beforehand; an lz4 frame does not, but it grows no more than 255-fold.
 */
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { compressFrameSync, decompressFrameSync } from 'lz4-napi'
import { compressSync as snappyCompress, uncompressSync as snappyUncompress } from 'snappy'
import { concatBytes } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import type { Compression } from './batch.ts'

/** The largest decompressed batch: a batch of a megabyte that claims more is an attack. */
const decompressedBytesMax = 512 * 1024 * 1024

export function compress(compression: Compression, bytes: Uint8Array): Uint8Array {
  return plain(codecs[compression].compress(bytes))
}

/** `record-invalid` when the bytes are not what `compression` says. */
export function decompress(compression: Compression, bytes: Uint8Array): Uint8Array {
  try {
    return plain(codecs[compression].decompress(bytes))
  } catch (cause) {
    throw undecodable(compression, cause)
  }
}

export function undecodable(compression: Compression, cause: unknown): HeadwaterError {
  return new HeadwaterError(
    'record-invalid',
    `the records of a batch cannot be decompressed with ${compression}: the producer wrote them wrongly, or they do not end where the batch ends`,
    { cause },
  )
}

/** Node's functions give Buffers, whose `slice` is a view; every other byte array here copies. */
export function plain(bytes: Uint8Array): Uint8Array {
  if (bytes.constructor === Uint8Array) return bytes
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

interface Codec {
  compress(bytes: Uint8Array): Uint8Array
  decompress(bytes: Uint8Array): Uint8Array
}

const codecs: Record<Compression, Codec> = {
  none: { compress: (bytes) => bytes, decompress: (bytes) => bytes },
  gzip: {
    compress: (bytes) => gzipSync(bytes),
    decompress: (bytes) => gunzipSync(bytes, { maxOutputLength: decompressedBytesMax }),
  },
  zstd: {
    compress: (bytes) => zstdCompressSync(bytes),
    decompress: (bytes) => zstdDecompressSync(bytes, { maxOutputLength: decompressedBytesMax }),
  },
  lz4: {
    compress: (bytes) => compressFrameSync(bytes as Lz4Input),
    decompress: (bytes) => decompressFrameSync(bytes as Lz4Input),
  },
  snappy: { compress: compressXerial, decompress: decompressSnappy },
}

/** lz4's functions take any view at run time, but are typed for Node's own. */
type Lz4Input = Parameters<typeof compressFrameSync>[0]

/** Xerial framing: magic, version 1, compatible version 1, then blocks of (int32 size, raw snappy). */
const xerialHeader = Uint8Array.of(
  0x82,
  0x53,
  0x4e,
  0x41,
  0x50,
  0x50,
  0x59,
  0,
  0,
  0,
  0,
  1,
  0,
  0,
  0,
  1,
)
const xerialBlockBytes = 32 * 1024

function compressXerial(bytes: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = [xerialHeader]
  for (let at = 0; at < bytes.length; at += xerialBlockBytes) {
    const block = snappyCompress(bytes.subarray(at, at + xerialBlockBytes))
    const size = new Uint8Array(4)
    new DataView(size.buffer).setInt32(0, block.length)
    chunks.push(size, block)
  }
  return concatBytes(chunks)
}

function decompressSnappy(bytes: Uint8Array): Uint8Array {
  if (!isXerial(bytes)) return rawSnappy(bytes)
  const blocks = [...snappyBlocks(bytes)]
  const total = blocks.reduce((sum, block) => sum + snappySize(block), 0)
  if (total > decompressedBytesMax) throw new RangeError('the records are too large')
  return concatBytes(blocks.map(rawSnappy))
}

/** The raw blocks, one after the other: of snappy-java's framing, or the one that all of it is. */
export function* snappyBlocks(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  if (!isXerial(bytes)) return yield bytes
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = xerialHeader.length; at < bytes.length;) {
    const size = view.getInt32(at)
    if (size < 0 || size > bytes.length - at - 4) throw new RangeError('a block ends early')
    yield bytes.subarray(at + 4, at + 4 + size)
    at += 4 + size
  }
}

/** The magic decides; the versions after it differ between writers and say nothing we need. */
function isXerial(bytes: Uint8Array): boolean {
  if (bytes.length < xerialHeader.length) return false
  for (let i = 0; i < 8; i++) if (bytes[i] !== xerialHeader[i]) return false
  return true
}

function rawSnappy(bytes: Uint8Array): Uint8Array {
  if (snappySize(bytes) > decompressedBytesMax) throw new RangeError('the records are too large')
  return snappyUncompress(bytes, { asBuffer: true }) as Uint8Array
}

/** Raw snappy begins with its uncompressed size, an unsigned varint. */
export function snappySize(bytes: Uint8Array): number {
  let size = 0
  for (let i = 0; i < 5 && i < bytes.length; i++) {
    size += (bytes[i]! & 0x7f) * 2 ** (7 * i)
    if (bytes[i]! < 0x80) return size
  }
  throw new RangeError('no size at the start')
}
