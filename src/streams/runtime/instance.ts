/** By what name the group knows one instance of a service, from process to process (KIP-345). */
import { utf8Bytes } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'

export function groupInstanceId(
  service: string,
  instance: string,
  topics: readonly string[],
): string {
  // A static member that comes back gets what it had. One that reads other topics must be another.
  const reads = crc32c(utf8Bytes(topics.join())).toString(16)
  return `${service}-${instance}-${reads}`
}
