/** Headers that are sent with an event, as a record has them. */
import { utf8Bytes } from '../../base/bytes.ts'
import { HeadwaterError } from '../../base/errors.ts'
import { platformPrefix } from '../../events/headers.ts'
import type { RecordHeader } from '../../records/record.ts'

/** By name: text, which is stored as UTF-8, or bytes. */
export type SendHeaders = Readonly<Record<string, string | Uint8Array>>

/** What is said of one event, or of all that are sent together, beside the message. */
export interface EventOptions {
  /**
   * They go on with what services make of the event, and calls outside are told of them. A `traceparent` among
   * them takes the place of the active span's. Names that begin with `headwater-` are the platform's.
   */
  readonly headers?: SendHeaders
}

/** The headers of a record; undefined where there are none. Throws `record-invalid`. */
export function recordHeaders(
  stream: string,
  { headers }: EventOptions = {},
): readonly RecordHeader[] | undefined {
  if (headers === undefined) return undefined
  return Object.entries(headers).map(([key, value]) => {
    if (key.startsWith(platformPrefix)) {
      throw refused(stream, `the header '${key}' is the platform's: name it otherwise`)
    }
    if (value instanceof Uint8Array) return { key, value }
    if (typeof value === 'string') return { key, value: utf8Bytes(value) }
    throw refused(stream, `the header '${key}' is neither text nor bytes`)
  })
}

/** Bytes of names and values. */
export function headerBytes(headers: readonly RecordHeader[] | undefined): number {
  if (headers === undefined) return 0
  return headers.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0)
}

function refused(stream: string, why: string): HeadwaterError {
  const what = `an event of stream '${stream}' cannot be sent: ${why}`
  return new HeadwaterError('record-invalid', what, { outcome: 'not-written' })
}
