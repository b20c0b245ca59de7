/** One number for counts by key, which programs of two languages can compare. */
import { crc32 } from 'node:zlib'

/** Keys sort as they are numbered. */
export function keyName(n: number): string {
  return `order-${String(n).padStart(7, '0')}`
}

/** Over the lines `key=count`, in order of the keys. */
export function digest(rows: Iterable<readonly [key: string, count: number]>): string {
  const lines = [...rows].map(([key, count]) => `${key}=${count}\n`).toSorted()
  return `${lines.length} rows, CRC-32 ${crc32(lines.join('')).toString(16)}`
}

/** Of counts by the number of the key; keys without one are left out. */
export function digestOf(counts: Uint32Array): string {
  const rows = Array.from(counts, (count, n) => [keyName(n), count] as const)
  return digest(rows.filter(([, count]) => count > 0))
}
