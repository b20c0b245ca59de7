/** Durations and sizes as people write them, and ids as Kafka prints them. */
import { HeadwaterError } from './errors.ts'

/** A duration in words: `'250ms'`, `'5m'`, `'1d'`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const durationUnits: Record<string, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Milliseconds in a duration. */
export function durationMs(duration: Duration): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration)
  const unit = durationUnits[match?.[2] ?? '']
  if (!match || unit === undefined) {
    throw new HeadwaterError(
      'config-invalid',
      `'${duration}' is not a duration: write a number and a unit, as in 250ms, 30s, 5m, 2h or 1d`,
    )
  }
  return Number(match[1]) * unit
}

/** Kafka prints a 16-byte id as URL-safe base64 without padding. */
export const zeroUuid = 'AAAAAAAAAAAAAAAAAAAAAA'

const uuidDigits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const uuidDigitValues = new Int8Array(128).fill(-1)
for (let value = 0; value < 64; value++) uuidDigitValues[uuidDigits.charCodeAt(value)] = value
const uuidChars = 22

/**
 * Sixteen bytes as Kafka prints them: 22 characters of URL-safe base64. By hand, because every fetch and
 * every produce request carries ids, and the web's own functions take two microseconds for one.
 */
export function uuidText(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < 16; at += 3) {
    const three = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    text += uuidDigits[three >> 18]! + uuidDigits[(three >> 12) & 63]!
    if (at < 15) text += uuidDigits[(three >> 6) & 63]! + uuidDigits[three & 63]!
  }
  return text
}

/** The sixteen bytes of a printed id. Throws a RangeError at text that is none. */
export function uuidBytes(text: string): Uint8Array {
  if (text.length !== uuidChars) throw new RangeError(`'${text}' is not an id of 22 characters`)
  const bytes = new Uint8Array(16)
  let bits = 0
  for (let at = 0, to = 0, held = 0; at < uuidChars; at++) {
    const value = uuidDigitValues[text.charCodeAt(at)] ?? -1
    if (value < 0) throw new RangeError(`'${text}' is not an id of URL-safe base64`)
    bits = ((bits << 6) | value) & 0xff_ffff
    held += 6
    if (held < 8) continue
    held -= 8
    bytes[to++] = bits >> held
  }
  return bytes
}
