/** The door to PostgreSQL: streams that go into its tables. It needs the package `pg` beside this one. */
export type { ColumnType, ColumnValue } from './column-types.ts'
export type { DatabaseAddress } from './database.ts'
export { createStatements } from './ddl.ts'
export { runSink } from './run-sink.ts'
export type { RunningSink, SinkEvent, SinkStats } from './running.ts'
export type { SinkOptions } from './settings.ts'
export { postgresSink, table } from './sink.ts'
export type {
  Columns,
  ComputedColumn,
  PostgresSink,
  SinkColumn,
  SinkRecord,
  SinkTable,
} from './sink.ts'
