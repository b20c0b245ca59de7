/**
 * Answers as bytes: JSON for everyone, or for a client that asks for `losslessType` plain data as it is
 * stored, in which bigints, dates and bytes survive.
 */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { utf8String, Writer } from '../base/bytes.ts'
import { messageJson, plainJson } from '../schema/json.ts'
import { parseInstant } from '../base/rfc3339.ts'
import { losslessType } from '../streams/asking/ask.ts'
import type { Listed, ListedEntry } from '../streams/asking/remote-view.ts'
import { plainCodec } from '../streams/stores/plain.ts'
import type { Key } from '../streams/stores/serde.ts'
import type { Ranked } from '../streams/views/merge.ts'
import type { Coverage } from '../streams/views/views.ts'
import { timeText } from './parameters.ts'

const bareJsonType = 'application/json'

export const jsonType = `${bareJsonType}; charset=utf-8`

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

/** A written row, and where it belongs in a list. */
export interface WrittenRow<E> extends Ranked {
  readonly written: E
  /** About how many bytes it takes. */
  readonly bytes: number
}

/** A list that another instance has written, without what it is framed by. */
interface ReadList<E> {
  readonly rows: readonly WrittenRow<E>[]
  readonly more: boolean
  readonly covered: readonly number[]
}

/** How a request wants its answer. */
export interface Encoding<E = unknown> {
  readonly type: string
  /** The same without parameters, as it is asked for. */
  readonly accept: string
  value(schema: DescMessage | undefined, value: unknown): Body
  /** One row, and about how many bytes it takes; what has no form is marked as such, not lost. */
  entry(schema: DescMessage | undefined, entry: Entry): { written: E; bytes: number }
  list(entries: readonly E[], frame: ListFrame): Body
  /** What `list` has written of the entries of a view, its entries to be written again as they are. */
  readList(bytes: Uint8Array): ReadList<E>
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
  accept: bareJsonType,
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
  readList: (bytes) => {
    const list = JSON.parse(utf8String(bytes)) as JsonList
    const rows = list.entries.map((entry) => {
      const { key, start } = entry
      // The text of a key is what it is sorted by.
      const rank = start === undefined ? { key } : { key, windowStart: parseInstant(start)! }
      const written = JSON.stringify(entry, null, 2)
      return { ...rank, written, bytes: written.length }
    })
    return { rows, more: list.more, covered: list.partitions.covered }
  },
}

interface JsonList {
  readonly entries: readonly { readonly key: string; readonly start?: string }[]
  readonly more: boolean
  readonly partitions: Coverage
}

/** A value as JSON has it; null for none. */
export function jsonOrNull(schema: DescMessage | undefined, value: unknown): unknown {
  return value === undefined ? null : toJsonValue(schema, value)
}

function toJsonValue(schema: DescMessage | undefined, value: unknown): unknown {
  if (schema === undefined) return plainJson(value)
  return messageJson(schema, value as MessageShape<DescMessage>)
}

const lossless: Encoding<ListedEntry> = {
  type: losslessType,
  accept: losslessType,
  value: (schema, value) => plainBytes(losslessValue(schema, value)),
  entry: (schema, { key, window, value }) => {
    const named = { key, ...window }
    const written = orMarked(named, () => {
      return { ...named, value: plainBytes(losslessValue(schema, value)) }
    })
    return { written, bytes: bytesOf(written) }
  },
  list: (entries, frame) => plainBytes({ entries, ...frame }),
  readList: (bytes) => {
    const { entries, more, partitions } = plainCodec.decode(bytes, 0, bytes.length) as Listed
    return { rows: entries.map(rankedEntry), more, covered: partitions.covered }
  },
}

function rankedEntry(entry: ListedEntry): WrittenRow<ListedEntry> {
  const { key, start } = entry
  const bytes = bytesOf(entry)
  return { key, ...(start !== undefined && { windowStart: start }), written: entry, bytes }
}

function bytesOf({ key, value }: ListedEntry): number {
  return String(key).length + (value?.length ?? 0)
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

/** A value as plain data, with all its fields; undefined for none. */
export function losslessValue(schema: DescMessage | undefined, value: unknown): unknown {
  return schema === undefined ? value : allFields(value)
}

export function plainBytes(value: unknown): Uint8Array<ArrayBuffer> {
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
