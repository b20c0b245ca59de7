/**
 * Unfolding the compressed records of somebody who may mean harm: no size that the bytes claim is believed
 * beyond what their format can make of them, and what comes out need not be held as a whole.
 *
 * `unfoldUpTo` is for the many that stay small. `unfold` gives pieces, one at a time, large ones from
 * Node's thread pool, so that its caller stops where it likes.
 *
 * What is read is what Kafka reads: gzip members, one zstd frame, one lz4 frame of independent blocks,
 * snappy as one block or in the framing of snappy-java.
 */
import { createGunzip, createZstdDecompress, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { decompressFrame, decompressFrameSync } from 'lz4-napi'
import { uncompress, uncompressSync } from 'snappy'
import { concatBytes } from '../base/bytes.ts'
import type { Compression } from './batch.ts'
import { plain, snappyBlocks, snappySize, undecodable } from './compression.ts'
import { lz4Blocks } from './lz4-frame.ts'

/** Bytes of a piece, about; a block of snappy or lz4 may be larger and is not cut. */
const pieceBytes = 128 * 1024
/** What snappy makes of a byte, at most: 64 bytes are copied by an element of 3. */
const snappyGrowthMax = 22

/** All that the records unfold to; undefined when that is more than `bytesMax`. Throws `record-invalid`. */
export function unfoldUpTo(
  compression: Compression,
  bytes: Uint8Array,
  bytesMax: number,
): Uint8Array | undefined {
  try {
    if (compression === 'gzip') return plain(gunzipSync(bytes, { maxOutputLength: bytesMax }))
    if (compression === 'zstd')
      return plain(zstdDecompressSync(bytes, { maxOutputLength: bytesMax }))
    let sizeBytes = 0
    const blocks: Block[] = []
    for (const block of blocksOf(compression, bytes)) {
      sizeBytes += block.sizeBytes
      if (sizeBytes > bytesMax) return undefined
      blocks.push(block)
    }
    return concatBytes(blocks.map((block) => block.unfold()))
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') return undefined
    throw undecodable(compression, error)
  }
}

/** The records in pieces, in order. Whoever stops early stops the work. Throws `record-invalid`. */
export async function* unfold(
  compression: Compression,
  bytes: Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    if (compression === 'gzip' || compression === 'zstd') {
      const unfolding = (compression === 'gzip' ? createGunzip : createZstdDecompress)({
        chunkSize: pieceBytes,
      })
      unfolding.end(bytes)
      for await (const piece of unfolding) yield plain(piece as Uint8Array)
      return
    }
    for (const block of blocksOf(compression, bytes)) {
      yield block.sizeBytes > pieceBytes ? await block.unfoldElsewhere() : block.unfold()
    }
  } catch (error) {
    throw undecodable(compression, error)
  }
}

/** Bytes that stand for themselves, or that unfold independently of others. */
interface Block {
  /** What it unfolds to: never more than a fixed multiple of its bytes. */
  readonly sizeBytes: number
  unfold(): Uint8Array
  /** The same on another thread. */
  unfoldElsewhere(): Promise<Uint8Array>
}

function* blocksOf(
  compression: 'none' | 'snappy' | 'lz4',
  bytes: Uint8Array,
): Generator<Block, void, undefined> {
  if (compression === 'lz4') {
    for (const blocks of lz4Blocks(bytes, pieceBytes)) {
      yield {
        sizeBytes: blocks.sizeBytes,
        unfold: () => plain(decompressFrameSync(blocks.frame() as Lz4Input)),
        unfoldElsewhere: async () => plain(await decompressFrame(blocks.frame())),
      }
    }
  } else if (compression === 'snappy') {
    for (const block of snappyBlocks(bytes)) {
      const sizeBytes = snappySize(block)
      if (sizeBytes > snappyGrowthMax * block.length) throw new RangeError('snappy claims too much')
      yield {
        sizeBytes,
        unfold: () => plain(uncompressSync(block, { asBuffer: true }) as Uint8Array),
        unfoldElsewhere: async () =>
          plain((await uncompress(block, { asBuffer: true })) as Uint8Array),
      }
    }
  } else {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = bytes.subarray(at, at + pieceBytes)
      yield { sizeBytes: piece.length, unfold: () => piece, unfoldElsewhere: async () => piece }
    }
  }
}

/** lz4's functions take any view at run time, but are typed for Node's own. */
type Lz4Input = Parameters<typeof decompressFrameSync>[0]
