/**
 * Answers as bytes: JSON for everyone, or for a client that asks for `losslessType` plain data as it is
 * stored, in which bigints, dates and bytes survive.
 */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { Writer } from '../base/bytes.ts'
import { messageJson, plainJson } from '../schema/json.ts'
import { plainCodec } from '../streams/stores/plain.ts'
import type { Key } from '../streams/stores/serde.ts'
import type { Coverage } from '../streams/views/views.ts'
import { timeText } from './parameters.ts'

/** The media type of values in the encoding that loses nothing: plain data of format `plain/1`. */
export const losslessType = 'application/vnd.headwater.plain-1'

export const jsonType = 'application/json; charset=utf-8'

type Body = string | Uint8Array<ArrayBuffer>

/** A row to be written. */
export interface Entry {
  readonly key: Key
  /** The bounds of its window; absent without windows. */
  readonly window?: { readonly start: number; readonly end: number }
  readonly value: unknown
}

/** A list around its written entries. */
interface ListFrame {
  readonly more: boolean
  readonly next: string | null
  readonly partitions?: Coverage
}

/** How a request wants its answer. */
export interface Encoding<E = unknown> {
  readonly type: string
  value(schema: DescMessage | undefined, value: unknown): Body
  /** One row, and about how many bytes it takes; what has no form is marked as such, not lost. */
  entry(schema: DescMessage | undefined, entry: Entry): { written: E; bytes: number }
  list(entries: readonly E[], frame: ListFrame): Body
}

export function encodingFor(accept: string | undefined): Encoding {
  return accept?.includes(losslessType) ? lossless : json
}

/** As an answer prints: indented, with a line break at its end. */
export function printJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

const json: Encoding<string> = {
  type: jsonType,
  value: (schema, value) => printJson(toJsonValue(schema, value)),
  entry: (schema, { key, window, value }) => {
    const bounds = window && { start: timeText(window.start), end: timeText(window.end) }
    const named = { key: String(key), ...bounds }
    const written = orMarked(named, () => {
      return JSON.stringify({ ...named, value: toJsonValue(schema, value) }, null, 2)
    })
    const text = typeof written === 'string' ? written : JSON.stringify(written, null, 2)
    return { written: text, bytes: text.length }
  },
  list: (entries, frame) => {
    const rest = JSON.stringify(frame, null, 2).slice(1)
    if (entries.length === 0) return `{\n  "entries": [],${rest}\n`
    const lines = entries.map((entry) => `    ${entry.replaceAll('\n', '\n    ')}`).join(',\n')
    return `{\n  "entries": [\n${lines}\n  ],${rest}\n`
  },
}

function toJsonValue(schema: DescMessage | undefined, value: unknown): unknown {
  if (schema === undefined) return plainJson(value)
  return messageJson(schema, value as MessageShape<DescMessage>)
}

const lossless: Encoding<object> = {
  type: losslessType,
  value: (schema, value) => plainBytes(losslessValue(schema, value)),
  entry: (schema, { key, window, value }) => {
    const named = { key, ...window }
    const written = orMarked(named, () => {
      return { ...named, value: plainBytes(losslessValue(schema, value)) }
    })
    const bytes = String(key).length + ('value' in written ? written.value.length : 0)
    return { written, bytes }
  },
  list: (entries, frame) => plainBytes({ entries, ...frame }),
}

/** What `write` makes of a row, or the row with the reason why it makes nothing. */
function orMarked<T, N extends object>(named: N, write: () => T) {
  try {
    return write()
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { ...named, error: { code: 'value-not-written', message } }
  }
}

function losslessValue(schema: DescMessage | undefined, value: unknown): unknown {
  return schema === undefined ? value : allFields(value)
}

function plainBytes(value: unknown): Uint8Array<ArrayBuffer> {
  const writer = new Writer()
  plainCodec.encode(value, writer)
  return writer.finish().slice()
}

/** A message with the fields it only has by default as its own. */
function allFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(allFields)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  const fields: [string, unknown][] = []
  for (const name in value) fields.push([name, allFields(value[name as keyof typeof value])])
  return Object.fromEntries(fields)
}
