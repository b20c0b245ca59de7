/**
 * Zigzag varints as positions in bytes, for the record format's hot loops.
 *
 * A read returns the value and leaves the position after it in `varintEnd()`: one number kept in this
 * module instead of an object for each varint. Take it before the next read. Reading past the bytes
 * gives zeros and moves on, so callers check positions against the record's end and not every byte. One
 * that does not end within its bits ends at Infinity, past every record.
 */

let end = 0

/** Where the last varint read ended. */
export function varintEnd(): number {
  return end
}

/** A zigzag varint of at most 32 bits. */
export function readVarint(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) {
    end = at + 1
    return (first >>> 1) ^ -(first & 1)
  }
  let raw = first & 0x7f
  let shift = 7
  let byte = 0x80
  while (byte >= 0x80 && shift < 35) {
    byte = bytes[++at]!
    raw |= (byte & 0x7f) << shift
    shift += 7
  }
  end = byte >= 0x80 ? Infinity : at + 1
  return (raw >>> 1) ^ -(raw & 1)
}

/** A zigzag varint of at most 64 bits, exact below 2^53. */
export function readVarlong(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) {
    end = at + 1
    return (first >>> 1) ^ -(first & 1)
  }
  let low = 0
  let high = 0
  let byte = 0x80
  for (let shift = 0; byte >= 0x80 && shift < 70; shift += 7) {
    byte = bytes[at++]!
    if (shift < 28) low |= (byte & 0x7f) << shift
    else high += (byte & 0x7f) * 2 ** (shift - 28)
  }
  end = byte >= 0x80 ? Infinity : at
  if (high === 0) return (low >>> 1) ^ -(low & 1)
  const magnitude = high * 0x8000000 + (low >>> 1)
  return low & 1 ? -magnitude - 1 : magnitude
}

/** Bytes `putVarint` writes for a value. */
export function varintBytes(value: number): number {
  if (value >= -0x40 && value < 0x40) return 1
  if (value >= -0x2000 && value < 0x2000) return 2
  if (value >= -0x10_0000 && value < 0x10_0000) return 3
  let magnitude = Math.floor((value < 0 ? -value - 1 : value) / 0x10_0000)
  let count = 3
  while (magnitude >= 1) {
    magnitude = Math.floor(magnitude / 0x80)
    count++
  }
  return count
}

/** Writes a zigzag varint of up to 64 bits at `at` and returns the position after it. */
export function putVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value >= -0x40 && value < 0x40) {
    bytes[at] = (value << 1) ^ (value >> 31)
    return at + 1
  }
  if (value >= -0x4000_0000 && value < 0x4000_0000) {
    let raw = ((value << 1) ^ (value >> 31)) >>> 0
    while (raw >= 0x80) {
      bytes[at++] = raw | 0x80
      raw >>>= 7
    }
    bytes[at] = raw
    return at + 1
  }
  const magnitude = value < 0 ? -value - 1 : value
  bytes[at++] = ((magnitude % 64) * 2 + (value < 0 ? 1 : 0)) | 0x80
  let rest = Math.floor(magnitude / 64)
  while (rest >= 0x80) {
    bytes[at++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  bytes[at] = rest
  return at + 1
}
