/** By what names one instance of a service is known, and one process of it. */
import { utf8Bytes } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'
import type { Random } from '../../io/ports.ts'

const incarnationBytes = 8

/** The name of an instance in its group, from process to process (KIP-345). */
export function groupInstanceId(
  service: string,
  instance: string,
  topics: readonly string[],
): string {
  // A static member that comes back gets what it had. One that reads other topics must be another.
  const reads = crc32c(utf8Bytes(topics.join())).toString(16)
  return `${service}-${instance}-${reads}`
}

/** A name that nobody has had. */
export function newIncarnation(random: Random): string {
  return [...random.bytes(incarnationBytes)].map(hexOf).join('')
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}
