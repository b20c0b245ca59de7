/**
 * The frame format of lz4, as far as one must look into it to unfold a frame block by block, and to know
 * what a block unfolds to before it does.
 *
 *   magic 184D2204 | flags | block size | content size (8)? | header checksum
 *   | (block size (4, little-endian, high bit: stored as it is), block, block checksum (4)?)* | 0 (4)
 *   | content checksum (4)?
 *
 * Kafka takes version 1 with independent blocks and no dictionary, and so does this. The content checksum
 * is left to the checksum of the batch, and what follows the frame is not read, as in Kafka.
 */
import { concatBytes } from '../base/bytes.ts'

const magic = Uint8Array.of(0x04, 0x22, 0x4d, 0x18)
const endMark = new Uint8Array(4)
const storedBit = 0x8000_0000
/** A match without bytes of its own for its length is this long. */
const matchBytesMin = 4

/** Checksums of frame headers without a content size, by block checksums or not, by block size code. */
const headerChecksums: readonly (readonly number[])[] = [
  [0x82, 0xfb, 0x51, 0x73],
  [0xad, 0x84, 0x33, 0x72],
]
const blockSizeCodeMin = 4

/** Blocks that lie together. */
export interface Lz4Blocks {
  /** What they unfold to. */
  readonly sizeBytes: number
  /** A frame of these blocks only, with no larger block size than they need. */
  frame(): Uint8Array
}

/**
 * The blocks of a frame in groups that unfold to about `groupBytes`, or one block. Throws `RangeError` when
 * the bytes are no such frame, or end early.
 */
export function* lz4Blocks(
  bytes: Uint8Array,
  groupBytes: number,
): Generator<Lz4Blocks, void, undefined> {
  const { start, blockBytesMax, blockChecksums } = readHeader(bytes)
  const group = (from: number, to: number, sizeBytes: number, largest: number): Lz4Blocks => ({
    sizeBytes,
    frame: () =>
      concatBytes([headerFor(largest, blockChecksums), bytes.subarray(from, to), endMark]),
  })
  let from = start
  let at = start
  let sizeBytes = 0
  let largest = 0
  for (;;) {
    const size = uint32At(bytes, at)
    const length = size % storedBit
    const end = at + 4 + length
    if (end > bytes.length) throw new RangeError('a block of an lz4 frame ends early')
    if (size === 0 || sizeBytes >= groupBytes) {
      if (at > from) yield group(from, at, sizeBytes, largest)
      if (size === 0) return
      from = at
      sizeBytes = largest = 0
    }
    const unfolded = size >= storedBit ? length : unfoldedSize(bytes, at + 4, end)
    largest = Math.max(largest, length, unfolded)
    // Not a number where the block ends within a length.
    if (!(largest <= blockBytesMax)) throw new RangeError('a block of an lz4 frame is too large')
    sizeBytes += unfolded
    at = end + blockChecksums * 4
  }
}

interface Header {
  /** Where the first block begins. */
  readonly start: number
  readonly blockBytesMax: number
  /** 1 when each block has one, else 0. */
  readonly blockChecksums: number
}

function readHeader(bytes: Uint8Array): Header {
  const flags = bytes[4] ?? 0
  const code = ((bytes[5] ?? 0) >> 4) & 7
  const isKnown = magic.every((byte, at) => bytes[at] === byte) && flags >> 6 === 1
  if (!isKnown || code < blockSizeCodeMin || (flags & 0x20) === 0 || (flags & 0x01) !== 0) {
    throw new RangeError('no lz4 frame of independent blocks')
  }
  return {
    start: (flags & 0x08) === 0 ? 7 : 15,
    blockBytesMax: blockBytesOf(code),
    blockChecksums: (flags >> 4) & 1,
  }
}

function headerFor(blockBytes: number, blockChecksums: number): Uint8Array {
  let code = blockSizeCodeMin
  while (blockBytesOf(code) < blockBytes) code++
  const checksum = headerChecksums[blockChecksums]![code - blockSizeCodeMin]!
  return Uint8Array.of(...magic, 0x60 | (blockChecksums << 4), code << 4, checksum)
}

/** 64 KiB, 256 KiB, 1 MiB or 4 MiB. */
function blockBytesOf(code: number): number {
  return 2 ** (8 + 2 * code)
}

/** What a block unfolds to, by the lengths in it: literals and matches, nothing of which is copied. */
function unfoldedSize(bytes: Uint8Array, from: number, end: number): number {
  let size = 0
  let at = from
  while (at < end) {
    const token = bytes[at++]!
    let literals = token >> 4
    if (literals === 15) {
      let more: number
      do literals += more = bytes[at++]!
      while (more === 255 && at < end)
    }
    size += literals
    at += literals
    // The last sequence has literals only.
    if (at >= end) break
    at += 2
    let match = token & 15
    if (match === 15) {
      let more: number
      do match += more = bytes[at++]!
      while (more === 255 && at < end)
    }
    size += match + matchBytesMin
  }
  return size
}

function uint32At(bytes: Uint8Array, at: number): number {
  if (at + 4 > bytes.length) throw new RangeError('an lz4 frame has no end')
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  )
}
