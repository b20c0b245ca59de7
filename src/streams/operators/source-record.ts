/** What a task is at work on, as those see it who put aside what cannot be processed. */
import { HeadwaterError } from '../../base/errors.ts'
import type { EmitHeader } from '../stores/emit.ts'
import type { Key } from '../stores/serde.ts'
import type { RecordSpan } from '../tracing/record-span.ts'

/** A record that is being processed, as it is in its topic. */
export interface SourceRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly EmitHeader[]
}

/** Where the record at hand comes from. */
export interface RecordSource {
  /** The record that is being processed now. Asked only when it is discarded. */
  current(): SourceRecord
  /** Its headers but for those of the platform, in the context of its span; undefined when it has none. */
  headers(): readonly EmitHeader[] | undefined
  /** All its headers. */
  allHeaders(): readonly EmitHeader[]
  /** Undefined for a record that is not traced. */
  readonly span: RecordSpan | undefined
}

/**
 * Bytes of headers that go on with what is made of a record, each counted with `headerCost`: all that is made of it
 * has them, and so headers that somebody has filled a record with would fill many.
 */
const headersBytesMax = 64 * 1024
const headerCost = 16

function checkSize(headers: readonly EmitHeader[]): void {
  let bytes = 0
  for (const { key, value } of headers) bytes += key.length + (value?.length ?? 0) + headerCost
  if (bytes <= headersBytesMax) return
  throw new HeadwaterError(
    'record-invalid',
    `the record has ${headers.length} headers of ${bytes} bytes, and ${headersBytesMax} go on with what is made of ` +
      'it: put what is large into the message',
  )
}

/** The record that a task is at; none while it writes rows of tables, which come from no one record. */
export class RecordAtHand {
  #source: RecordSource | undefined

  /** Says where the records come from that are processed from now on. */
  from(source: RecordSource | undefined): void {
    this.#source = source
  }

  current(): SourceRecord | undefined {
    return this.#source?.current()
  }

  /** Those that go on with what is made of it. Throws `record-invalid` for more than `headersBytesMax`. */
  headers(): readonly EmitHeader[] | undefined {
    const headers = this.#source?.headers()
    if (headers !== undefined) checkSize(headers)
    return headers
  }

  allHeaders(): readonly EmitHeader[] {
    return this.#source?.allHeaders() ?? []
  }

  /** Notes in its trace that it failed. */
  failed(error: unknown): void {
    this.#source?.span?.failed(error)
  }

  /** The headers that say of which trace a letter about it is; undefined where nobody traces here. */
  contextHeaders(): readonly EmitHeader[] | undefined {
    return this.#source?.span?.contextHeaders()
  }
}

/** A row of a table that could not be written to a stream: there is no record that it comes from. */
export interface DiscardedRow {
  /** The topic the table is stored in. */
  readonly topic: string
  readonly key: Key
  readonly timestamp: number
}
