/**
 * About what a part of an answer takes in memory until it has left, as objects and encoded: rather too little
 * for one of few items, and right for the many that a bound is for.
 */
const objectBytes = 32
const listBytes = 16
const slotBytes = 8
const lengthBytes = 4

/** @param value a part of an answer, of any API */
export function answerBytesOf(value: unknown): number {
  if (typeof value === 'string') return lengthBytes + value.length
  if (typeof value !== 'object' || value === null) return slotBytes
  if (value instanceof Uint8Array) return lengthBytes + value.length
  if (Array.isArray(value)) {
    let bytes = listBytes
    for (const item of value as readonly unknown[]) bytes += slotBytes + answerBytesOf(item)
    return bytes
  }
  let bytes = objectBytes
  for (const name in value) bytes += answerBytesOf((value as Record<string, unknown>)[name])
  return bytes
}
