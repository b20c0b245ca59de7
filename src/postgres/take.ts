/** What a record of a stream does to the tables of a sink. */
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import type { SourceRecord } from '../streams/operators/source-record.ts'
import { keyCodecs } from '../streams/stores/serde.ts'
import type { AnyEvent } from '../events/event.ts'
import type { TakenRecord } from './chunk.ts'
import type { SqlValue } from './column-types.ts'
import { messageAt } from './sink.ts'
import type { MessageAt, PostgresSink, SinkTable } from './sink.ts'
import type { Change } from './statements.ts'

/**
 * The rules of a sink. A record is written to all tables of its stream, or to none: with one that makes no
 * row the record has failed.
 */
export function takeOf(sink: PostgresSink): (source: SourceRecord) => TakenRecord {
  const keys = keyCodecs()
  const tablesOf = Map.groupBy(sink.tables.entries(), ([, { event }]) => event.name)
  return (source) => {
    const tables = tablesOf.get(source.topic)!
    const { event } = tables[0]![1]
    const changes: Change[] = []
    let operator = 'decoding the key'
    try {
      const key = keyOf(event, source)
      operator = 'decoding the value'
      const { topic, partition, offset, timestamp, value } = source
      const record = { topic, partition, offset, timestamp, key }
      const at = value === null ? null : messageAt(event, event.codec.decode(value), record)
      for (const [i, table] of tables) {
        operator = `table '${table.name}'`
        if (table.mode === 'upsert' && key === null) return drop(source, 'noKey', operator)
        if (table.mode === 'insert' && at === null) return drop(source, 'noValue', operator)
        const rowKey = table.mode === 'upsert' ? String(key) : null
        changes.push({ table: i, key: rowKey, row: at && rowOf(table, at) })
      }
      return { source, changes }
    } catch (cause) {
      return { source, changes: [], failure: { operator, error: failureOf(operator, cause) } }
    }

    function keyOf({ key }: AnyEvent, { key: bytes }: SourceRecord): string | bigint | null {
      return key === null || bytes === null ? null : keys[key.type].decode(bytes, 0, bytes.length)
    }
  }
}

function rowOf(table: SinkTable, at: MessageAt): SqlValue[] {
  return table.columns.map((column) => {
    try {
      return column.of(at)
    } catch (error) {
      if (!isHeadwaterError(error)) throw error
      const { code, message, cause } = error
      throw new HeadwaterError(code, `column '${column.name}': ${message}`, { cause })
    }
  })
}

function drop(source: SourceRecord, reason: 'noKey' | 'noValue', operator: string): TakenRecord {
  return { source, changes: [], drop: { reason, operator } }
}

function failureOf(operator: string, cause: unknown): HeadwaterError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  if (isHeadwaterError(cause, 'operator-failed')) return cause
  const what = operator.startsWith('decoding') ? `${operator} failed: ${reason}` : reason
  return new HeadwaterError('record-invalid', what, { cause })
}
