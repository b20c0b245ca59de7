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

/** Sixteen bytes as Kafka prints them: 22 characters of URL-safe base64. */
export function uuidText(bytes: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...bytes))
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** The sixteen bytes of a printed id. */
export function uuidBytes(text: string): Uint8Array {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}
