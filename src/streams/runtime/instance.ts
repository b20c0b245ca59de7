/** By what names the group and the transaction coordinator know one process of a service. */
import { utf8Bytes } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'
import type { Random } from '../../io/ports.ts'
import { transactionalIdOf } from './orphans.ts'

const incarnationBytes = 8

export interface InstanceNames {
  /** Stays from process to process (KIP-345). */
  readonly groupInstanceId: string
  /** Of this process alone. */
  readonly transactionalId: string
}

export function instanceNames(
  service: string,
  instance: string,
  topics: readonly string[],
  random: Random,
): InstanceNames {
  // A static member that comes back gets what it had. One that reads other topics must be another.
  const reads = crc32c(utf8Bytes(topics.join())).toString(16)
  const incarnation = [...random.bytes(incarnationBytes)].map(hexOf).join('')
  return {
    groupInstanceId: `${service}-${instance}-${reads}`,
    transactionalId: transactionalIdOf(service, instance, incarnation),
  }
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}
