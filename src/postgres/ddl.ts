/** The statements that make the tables of a sink, and names as SQL has them. */
import type { PostgresSink, SinkTable } from './sink.ts'

/** Where sinks keep their positions: beside the rows, so that both are written in one transaction. */
export const positionsTable = 'headwater_positions'

/** A row for each partition of each topic that a sink reads. */
export const createPositions = `CREATE TABLE IF NOT EXISTS ${positionsTable} (
  sink text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  topic_id text NOT NULL,
  next_offset bigint NOT NULL,
  epoch bigint NOT NULL,
  owner text NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (sink, topic, partition)
)`

/** What `create: true` executes for tables that are missing, in the order of the sink; for migrations, too. */
export function createStatements(sink: PostgresSink): readonly string[] {
  return [createPositions, ...sink.tables.map(createTable)]
}

/** The statement that makes one table. */
export function createTable({ name, columns, key }: SinkTable): string {
  const lines = columns.map((column) => {
    const isRequired = !column.isNullable || key.includes(column.name)
    return `${quoted(column.name)} ${column.type}${isRequired ? ' NOT NULL' : ''}`
  })
  if (key.length > 0) lines.push(`PRIMARY KEY (${key.map(quoted).join(', ')})`)
  return `CREATE TABLE IF NOT EXISTS ${quotedTable(name)} (\n  ${lines.join(',\n  ')}\n)`
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** `shop.orders` as `"shop"."orders"`. */
export function quotedTable(name: string): string {
  return name.split('.').map(quoted).join('.')
}
