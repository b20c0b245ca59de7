/** How large a record becomes in a batch. */
import type { RecordHeader } from '../../records/record.ts'

/** Lengths and deltas around a record's key and value, at most. */
const recordOverheadBytes = 32
/** The lengths of a header's name and value, at most. */
const headerOverheadBytes = 10
/** UTF-8 takes three bytes for a unit of UTF-16, at most. */
const utf8BytesMax = 3

/** The bytes of a record in a batch before compression, at most: headers and lengths count, too. */
export function recordBytesMax(
  key: Uint8Array | null,
  value: Uint8Array | null,
  headers?: readonly RecordHeader[],
): number {
  let sizeBytes = recordOverheadBytes + (key?.length ?? 0) + (value?.length ?? 0)
  if (headers === undefined) return sizeBytes
  for (const header of headers) {
    const { key: name, value: content } = header
    sizeBytes += headerOverheadBytes + name.length * utf8BytesMax + (content?.length ?? 0)
  }
  return sizeBytes
}
