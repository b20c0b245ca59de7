/**
 * Operators that remember nothing, and the two ways out of a task: a stream, and an inner topic under
 * another key.
 *
 * A record that leaves carries the timestamp of the record it came from, unless its contract names a
 * field with the time of the fact.
 */
import { Writer } from '../../base/bytes.ts'
import type { AnyEvent } from '../../events/event.ts'
import type { Key, ValueCodec } from '../stores/serde.ts'
import type { Cell } from '../stores/memory.ts'
import type { FilterNode, FlatMapNode, MapNode, RekeyNode, ToNode } from '../topology/topology.ts'
import { operatorFailed } from './operator.ts'
import type { OperatorContext, Push } from './operator.ts'

export function filter({ id, f }: FilterNode, next: Push): Push {
  return (key, value, timestamp) => {
    let kept: boolean
    try {
      kept = f(value, key)
    } catch (error) {
      throw operatorFailed(`filter ${id}`, error)
    }
    if (kept) next(key, value, timestamp)
  }
}

export function map({ id, f }: MapNode, next: Push): Push {
  return (key, value, timestamp) => {
    let mapped: unknown
    try {
      mapped = f(value, key)
    } catch (error) {
      throw operatorFailed(`map ${id}`, error)
    }
    next(key, mapped, timestamp)
  }
}

export function flatMap({ id, f }: FlatMapNode, next: Push): Push {
  return (key, value, timestamp) => {
    let items: readonly unknown[]
    try {
      const made = f(value, key)
      items = Array.isArray(made) ? made : [...made]
    } catch (error) {
      throw operatorFailed(`flatMap ${id}`, error)
    }
    for (const item of items) next(key, item, timestamp)
  }
}

/** Events an unkeyed stream's partition takes in a row before the next partition's turn. */
const stickyRecords = 1024

/** Writes each value to a stream; a null one, from a table, deletes under the key it came with. */
export function to({ event, f }: ToNode, context: OperatorContext): Push {
  const name = `to '${event.name}'`
  const write = messageWriter(event, context)
  return (key, value, timestamp) => {
    try {
      write(key, f === undefined || value === null ? value : f(value, key), timestamp)
    } catch (error) {
      throw operatorFailed(name, error)
    }
  }
}

/** Writes rows of a windowed aggregate to a stream. */
export function toFromWindow(
  { event, f }: ToNode,
  sizeMs: number,
  context: OperatorContext,
): (cell: Cell) => void {
  const name = `to '${event.name}'`
  const write = messageWriter(event, context)
  return ({ key, start, value, timestamp }) => {
    // A deleted row has no message to take the record's key from.
    if (value === undefined || f === undefined) return
    try {
      const span = { start: new Date(start), end: new Date(start + sizeMs) }
      write(key, f(value, span, key), timestamp)
    } catch (error) {
      throw operatorFailed(name, error)
    }
  }
}

/** Writes messages of an event; the record's key is the one inside the message. */
export function messageWriter(event: AnyEvent, context: OperatorContext): Push {
  const { emit, counts } = context
  const { partitions, codec, name } = event
  const keys = event.key === null ? undefined : context.keys[event.key.type]
  const writer = new Writer(1024)
  let turn = context.partition * stickyRecords
  return (key, message, timestamp) => {
    counts.emitted++
    if (message === null) {
      const { bytes, hash } = keys!.encode(key!)
      emit.append(name, hash % partitions, timestamp, bytes, null)
      return
    }
    writer.at = 0
    const fields = message as Record<string, unknown>
    codec.encode(fields, writer)
    const value = writer.bytes.subarray(0, writer.at)
    const time = event.eventTimeOf(fields) ?? timestamp
    if (keys === undefined) {
      const partition = Math.floor(turn++ / stickyRecords) % partitions
      emit.append(name, partition, time, null, value)
      return
    }
    const { bytes, hash } = keys.encode(event.keyOf(fields) as Key)
    emit.append(name, hash % partitions, time, bytes, value)
  }
}

/** Sends values to the inner topic `topic` under the key `f` gives them. */
export function rekey(
  node: RekeyNode,
  topic: string,
  values: ValueCodec,
  context: OperatorContext,
): Push {
  const { emit, counts } = context
  const { name, f, keyspace } = node
  const { partitions } = keyspace
  const keys = context.keys[keyspace.type]
  const writer = new Writer(1024)
  return (key, value, timestamp) => {
    try {
      const newKey = f(value, key) as Key | null | undefined
      if (newKey === null || newKey === undefined) {
        counts.dropped++
        return
      }
      writer.at = 0
      values.encode(value, writer)
      const { bytes, hash } = keys.encode(newKey)
      const encoded = writer.bytes.subarray(0, writer.at)
      emit.append(topic, hash % partitions, timestamp, bytes, encoded)
    } catch (error) {
      throw operatorFailed(`rekey '${name}'`, error)
    }
    counts.emitted++
  }
}
