/**
 * The way out of a task to a stream the service owns: from a stream, from a table, from a windowed table.
 *
 * A record that leaves carries the timestamp of the record it came from, unless its contract names a
 * field with the time of the fact. Its key is the one inside the message. Only rows of tables are ever
 * deleted: what comes from a stream is written or dropped, and never a deletion. Headers of a record go on
 * with what is made of it.
 */
import { Writer } from '../../base/bytes.ts'
import { isHeadwaterError } from '../../base/errors.ts'
import type { AnyEvent } from '../../events/event.ts'
import type { Key, KeyCodecs } from '../stores/serde.ts'
import type { WrittenRow } from '../stores/aggregate-store.ts'
import type { ToNode } from '../topology/topology.ts'
import { raise } from './discards.ts'
import type { Failed } from './discards.ts'
import type { DiscardedRow, RecordAtHand } from './source-record.ts'
import { notWritable, operatorFailed } from './operator.ts'
import type { OperatorContext, Push, WriterContext } from './operator.ts'

/** Events an unkeyed stream's partition takes in a row before the next partition's turn. */
const stickyRecords = 1024

/** Writes each value of a stream. One that `f` makes nothing of is dropped. */
export function to({ event, f, onError }: ToNode, context: OperatorContext): Push {
  const name = `to '${event.name}'`
  const failed = context.discards.failing(onError, name)
  const noValue = context.discards.drop('noValue', name)
  const write = streamWriter(event, context, name, failed, context.atHand)
  if (f === undefined) return write
  return (key, value, timestamp) => {
    let message: unknown
    try {
      message = f(value, key)
    } catch (error) {
      return failed(operatorFailed(name, error))
    }
    if (message === null || message === undefined) noValue()
    else write(key, message, timestamp)
  }
}

/** Writes messages of a stream; one that cannot be written is handed to `failed`. */
function streamWriter(
  event: AnyEvent,
  context: WriterContext,
  name: string,
  failed: Failed,
  atHand?: RecordAtHand,
): Push {
  const { emit, counts } = context
  const encode = messageEncoder(event, context.keys, context.partition)
  return (_key, message, timestamp) => {
    let record: EncodedMessage
    let headers: ReturnType<RecordAtHand['headers']>
    try {
      record = encode(message, timestamp)
      headers = atHand?.headers()
    } catch (error) {
      return failed(notWritable(name, error))
    }
    const { partition, key, value } = record
    const flaw = emit.tooLarge?.(event.name, key, value, headers)
    if (flaw !== undefined) return failed(notWritable(name, flaw))
    counts.emitted++
    emit.append(event.name, partition, record.timestamp, key, value, headers)
  }
}

/**
 * Writes each changed row of a table; a row that is gone, or that `f` makes nothing of, is deleted. Of one
 * that fails the stream keeps what it had.
 * @param topic where the table is stored
 */
export function toFromTable(node: ToNode, topic: string, context: OperatorContext): Push {
  const { event, f } = node
  const name = `to '${event.name}'`
  const write = messageWriter(event, context, name)
  const erase = deletionWriter(event, context)
  return unlessFailed(node, topic, context, (key, value, timestamp) => {
    const isGone = value === null || f === undefined
    const message = isGone ? value : made(name, f, value, key)
    if (message === null || message === undefined) erase(key!, timestamp)
    else write(key, message, timestamp)
  })
}

/** Does with the errors of rows what the policy says. What `emit` throws is none of them. */
function unlessFailed(
  { event, onError }: ToNode,
  topic: string,
  { discards }: OperatorContext,
  push: Push,
): Push {
  if (onError === 'stop') return push
  const failed = discards.failing(onError, `to '${event.name}'`)
  return (key, value, timestamp) => {
    try {
      push(key, value, timestamp)
    } catch (error) {
      if (!isHeadwaterError(error, 'operator-failed')) throw error
      const row: DiscardedRow = { topic, key: key!, timestamp }
      failed(error, row)
    }
  }
}

/**
 * Writes each changed row of a windowed aggregate. The key is inside the message, so for a row that is gone
 * the message it had is made once more, and its key is deleted.
 */
export function toFromWindow(
  node: ToNode,
  topic: string,
  sizeMs: number,
  context: OperatorContext,
): (row: WrittenRow) => void {
  const { event, f } = node
  const name = `to '${event.name}'`
  const write = messageWriter(event, context, name)
  const erase = deletionWriter(event, context)
  const push = unlessFailed(node, topic, context, (_key, row) => {
    const { key, start, value, last, timestamp } = row as WrittenRow
    const span = { start: new Date(start), end: new Date(start + sizeMs) }
    const message = (state: unknown): unknown => f && made(name, f, state, span, key)
    const next = value === undefined ? undefined : message(value)
    if (next !== undefined && next !== null) return write(key, next, timestamp)
    const old = last === undefined ? undefined : message(last)
    if (old === undefined || old === null) return
    erase(event.keyOf(old as Fields) as Key, timestamp)
  })
  return (row) => push(row.key, row, row.timestamp)
}

type Fields = Record<string, unknown>

/** Called for every record: no closure is made for it. */
function made(
  name: string,
  f: NonNullable<ToNode['f']>,
  value: unknown,
  second: unknown,
  third?: unknown,
): unknown {
  try {
    return f(value, second, third)
  } catch (error) {
    throw operatorFailed(name, error)
  }
}

/** Writes messages of an event, none of them null. `name` is who writes them, for its errors. */
export function messageWriter(event: AnyEvent, context: WriterContext, name: string): Push {
  return streamWriter(event, context, name, raise)
}

/** A message as a record of its stream. It is the encoder's own, and another one after its next call. */
export interface EncodedMessage {
  readonly partition: number
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array
}

/**
 * Makes records of an event's messages as its contract says: the key inside the message decides the partition,
 * the field with the time of the fact the timestamp; without one it is the time given. Messages without a key
 * fill one partition after the other, `turn` first. Throws what is wrong with a message.
 */
export function messageEncoder(
  event: AnyEvent,
  codecs: KeyCodecs,
  turn: number,
): (message: unknown, timestamp: number) => EncodedMessage {
  const { partitions, codec } = event
  const keys = event.key === null ? undefined : codecs[event.key.type]
  const writer = new Writer(1024)
  const record = { partition: 0, timestamp: 0, key: null as Uint8Array | null, value: writer.bytes }
  let count = turn * stickyRecords
  return (message, timestamp) => {
    const fields = message as Fields
    writer.at = 0
    codec.encode(fields, writer)
    record.timestamp = event.eventTimeOf(fields) ?? timestamp
    record.value = writer.bytes.subarray(0, writer.at)
    if (keys === undefined) {
      record.partition = Math.floor(count++ / stickyRecords) % partitions
    } else {
      const key = keys.encode(event.keyOf(fields) as Key)
      record.partition = key.hash % partitions
      record.key = key.bytes
    }
    return record
  }
}

/** Writes deletions to an entity stream. */
export function deletionWriter(
  event: AnyEvent,
  context: WriterContext,
): (key: Key, timestamp: number) => void {
  const { emit, counts, keys } = context
  return (key, timestamp) => {
    const { bytes, hash } = keys[event.key!.type].encode(key)
    counts.emitted++
    emit.append(event.name, hash % event.partitions, timestamp, bytes, null)
  }
}
