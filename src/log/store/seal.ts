/**
 * Small files as a line of JSON that ends with the checksum of all that stands before it:
 *
 *   { "format": 2, …,"checksum":"1a2b3c4d"}⏎     CRC-32C of the bytes before `,"checksum"`, in hexadecimal
 *
 * Whoever reads the file with other eyes sees plain JSON; a changed, missing or additional byte shows.
 */
import { utf8Bytes, utf8String } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'

/** Bytes of what follows the checked ones. */
const sealBytes = sealOf(0).length

/** A value with its checksum, as the bytes of a file. */
export function seal(value: object): Uint8Array {
  const text = JSON.stringify(value).slice(0, -1)
  return utf8Bytes(`${text}${sealOf(crc32c(utf8Bytes(text)))}`)
}

/** What was sealed; undefined when the bytes are not those that were written. */
export function unseal(bytes: Uint8Array): Record<string, unknown> | undefined {
  const end = bytes.length - sealBytes
  if (end <= 0 || utf8String(bytes.subarray(end)) !== sealOf(crc32c(bytes, 0, end)))
    return undefined
  return parseObject(utf8String(bytes))
}

/** The object in a text of JSON; undefined when there is none. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

function sealOf(checksum: number): string {
  return `,"checksum":"${checksum.toString(16).padStart(8, '0')}"}\n`
}
