/**
 * The two hashes the Kafka protocol fixes.
 *
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4) guards record batches and our own files; it is computed
 * eight bytes a step with the "slicing" tables of Kounavis and Berry (2005).
 * murmur2 (Austin Appleby; Kafka's `Utils.murmur2`) decides the partition of a key, so it must agree
 * bit for bit with every other client or a key would live in two partitions.
 */

const tables = sliceTables()

/**
 * CRC-32C of `bytes[start, end)`, as an unsigned 32-bit integer.
 * @param seed the checksum of the bytes before these, to go on from there
 */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length, seed = 0): number {
  let crc = ~seed
  let at = start
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables
  const last = end - 7
  while (at < last) {
    const low =
      crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    crc =
      t7[low & 0xff]! ^
      t6[(low >>> 8) & 0xff]! ^
      t5[(low >>> 16) & 0xff]! ^
      t4[low >>> 24]! ^
      t3[bytes[at + 4]!]! ^
      t2[bytes[at + 5]!]! ^
      t1[bytes[at + 6]!]! ^
      t0[bytes[at + 7]!]!
    at += 8
  }
  while (at < end) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at++]!) & 0xff]!
  return ~crc >>> 0
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

/** The partition of a key among `partitionCount`, as Kafka's default partitioner chooses it. */
export function partitionForKey(key: Uint8Array, partitionCount: number): number {
  return (murmur2(key) & 0x7fffffff) % partitionCount
}

type EightTables = [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
]

function sliceTables(): EightTables {
  const all = Array.from({ length: 8 }, () => new Int32Array(256)) as EightTables
  for (let n = 0; n < 256; n++) {
    let crc = n
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    all[0][n] = crc
  }
  for (let n = 0; n < 256; n++) {
    for (let k = 1; k < 8; k++) {
      const before = all[k - 1]![n]!
      all[k]![n] = all[0][before & 0xff]! ^ (before >>> 8)
    }
  }
  return all
}
