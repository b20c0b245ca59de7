/**
 * The two hashes the Kafka protocol fixes.
 *
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4) guards record batches and our own files. It is computed
 * sixteen bytes a step with the "slicing" tables of Kounavis and Berry (2005), four words at a time:
 * three times as fast as byte by byte in eight tables. Words are read in the machine's order, so this
 * needs a little-endian machine, as every platform of Node 24 is but s390x.
 *
 * murmur2 (Austin Appleby; Kafka's `Utils.murmur2`) decides the partition of a key, so it must agree
 * bit for bit with every other client or a key would live in two partitions.
 */

/** Table k, of 256 entries, starts at k * 256: what a byte k places before the end contributes. */
const tables = sliceTables(16)

/**
 * CRC-32C of `bytes[start, end)`, as an unsigned 32-bit integer.
 * @param seed the checksum of the bytes before these, to go on from there
 */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length, seed = 0): number {
  let crc = ~seed
  let at = start
  for (; at < end && ((bytes.byteOffset + at) & 3) !== 0; at++) crc = byteStep(crc, bytes[at]!)
  const blockCount = (end - at) >> 4
  if (blockCount > 0) {
    crc = blockSteps(crc, new Int32Array(bytes.buffer, bytes.byteOffset + at, blockCount * 4))
    at += blockCount * 16
  }
  for (; at < end; at++) crc = byteStep(crc, bytes[at]!)
  return ~crc >>> 0
}

function byteStep(crc: number, byte: number): number {
  return (crc >>> 8) ^ tables[(crc ^ byte) & 0xff]!
}

function blockSteps(seed: number, words: Int32Array): number {
  const t = tables
  let crc = seed
  for (let i = 0; i < words.length; i += 4) {
    const a = crc ^ words[i]!
    const b = words[i + 1]!
    const c = words[i + 2]!
    const d = words[i + 3]!
    crc =
      t[3840 + (a & 0xff)]! ^
      t[3584 + ((a >>> 8) & 0xff)]! ^
      t[3328 + ((a >>> 16) & 0xff)]! ^
      t[3072 + (a >>> 24)]! ^
      t[2816 + (b & 0xff)]! ^
      t[2560 + ((b >>> 8) & 0xff)]! ^
      t[2304 + ((b >>> 16) & 0xff)]! ^
      t[2048 + (b >>> 24)]! ^
      t[1792 + (c & 0xff)]! ^
      t[1536 + ((c >>> 8) & 0xff)]! ^
      t[1280 + ((c >>> 16) & 0xff)]! ^
      t[1024 + (c >>> 24)]! ^
      t[768 + (d & 0xff)]! ^
      t[512 + ((d >>> 8) & 0xff)]! ^
      t[256 + ((d >>> 16) & 0xff)]! ^
      t[d >>> 24]!
  }
  return crc
}

/** Kafka's murmur2 of a key, as a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length
  const m = 0x5bd1e995
  let hash = 0x9747b28c ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    hash = Math.imul(hash, m) ^ Math.imul(k, m)
  }
  const rest = length - at
  if (rest === 3) hash ^= bytes[at + 2]! << 16
  if (rest >= 2) hash ^= bytes[at + 1]! << 8
  if (rest >= 1) hash = Math.imul(hash ^ bytes[at]!, m)
  hash = Math.imul(hash ^ (hash >>> 13), m)
  return (hash ^ (hash >>> 15)) | 0
}

function sliceTables(count: number): Int32Array {
  const all = new Int32Array(count * 256)
  for (let n = 0; n < 256; n++) {
    let crc = n
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    all[n] = crc
  }
  for (let at = 256; at < all.length; at++) {
    const before = all[at - 256]!
    all[at] = all[before & 0xff]! ^ (before >>> 8)
  }
  return all
}
