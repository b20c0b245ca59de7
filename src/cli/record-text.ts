/** One record as people and programs read it: decoded with its contract, else as text, else as hex. */
import { hexOf } from '../base/bytes.ts'
import type { AnyEvent } from '../events/event.ts'
import type { StoredRecord } from '../records/record.ts'
import { messageJson } from '../schema/json.ts'

export interface RecordOfPartition extends StoredRecord {
  readonly topic: string
  readonly partition: number
}

/** A line: partition and offset, time, key, value. */
export function recordLine(record: RecordOfPartition, event: AnyEvent | undefined): string {
  const key = record.key === null ? '-' : bytesText(record.key)
  const { value, valueHex, valueError } = readValue(record.value, event)
  const shown = valueHex === undefined ? printValue(value) : `0x${valueHex}`
  const note = valueError === undefined ? '' : `  (${valueError})`
  const where = `${record.partition}:${record.offset}`
  return `${where}  ${timeText(record.timestamp)}  ${key}  ${shown}${note}`
}

/** The same as an object for JSON. Bytes that are no text stand as hex under a name of their own. */
export function recordJson(record: RecordOfPartition, event: AnyEvent | undefined): object {
  const { topic, partition, offset, timestamp, key, headers } = record
  return {
    topic,
    partition,
    offset,
    timestamp,
    ...(key === null || asText(key) !== undefined
      ? { key: key === null ? null : asText(key) }
      : { keyHex: hexOf(key) }),
    ...readValue(record.value, event),
    ...(headers.length === 0
      ? {}
      : {
          headers: headers.map((header) => [header.key, header.value && bytesText(header.value)]),
        }),
  }
}

interface ReadValue {
  readonly value?: unknown
  readonly valueHex?: string
  /** Why the value could not be decoded with the contract. */
  readonly valueError?: string
}

function readValue(bytes: Uint8Array | null, event: AnyEvent | undefined): ReadValue {
  if (bytes === null) return { value: null }
  if (event !== undefined) {
    try {
      return { value: messageJson(event.schema, event.codec.decode(bytes)) }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return { valueHex: hexOf(bytes), valueError: `no ${event.schema.typeName}: ${reason}` }
    }
  }
  const text = asText(bytes)
  return text === undefined ? { valueHex: hexOf(bytes) } : { value: text }
}

function printValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** The bytes as text, or as hex when they are none. */
export function bytesText(bytes: Uint8Array): string {
  return asText(bytes) ?? `0x${hexOf(bytes)}`
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })

/** The bytes as text, when they are UTF-8 without control characters other than white space. */
function asText(bytes: Uint8Array): string | undefined {
  if (bytes.some((byte) => byte === 127 || (byte < 32 && (byte < 9 || byte > 13)))) return undefined
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** A text without what a terminal would take for an order: whoever writes records may have written of it. */
export function harmless(text: string): string {
  return text.replaceAll(/[^\P{Cc}\t\n]/gu, '\uFFFD')
}

/** Kafka writes -1 where a record has no time. */
function timeText(timestamp: number): string {
  return Math.abs(timestamp) <= 8.64e15 && timestamp >= 0 ? new Date(timestamp).toISOString() : '-'
}
