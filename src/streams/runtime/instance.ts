/** By what names one instance of a service is known, and one process of it. */
import { hexOf, utf8Bytes } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'
import type { Random } from '../../io/ports.ts'

/** What an instance is called that nobody has named: enough where there is one. */
export const instanceIdDefault = '1'

const incarnationBytes = 8

/**
 * The name of an instance, from process to process. Two versions that read other topics may run side by side
 * under one instance id: those are two instances.
 */
export function instanceName(instance: string, topics: readonly string[]): string {
  return `${instance}-${crc32c(utf8Bytes(topics.join())).toString(16)}`
}

/** Its name in its group (KIP-345): a static member that comes back gets what it had. */
export function groupInstanceId(service: string, name: string): string {
  return `${service}-${name}`
}

/** A name that nobody has had. */
export function newIncarnation(random: Random): string {
  return hexOf(random.bytes(incarnationBytes))
}
