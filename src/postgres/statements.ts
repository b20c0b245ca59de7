/**
 * The statements that write the changes of a chunk: for each table at most one that deletes and one that
 * inserts, whatever the number of rows. Each column is one parameter, an array that `unnest` makes rows of.
 *
 * A row that one chunk changes several times is written once, as the last change leaves it (a statement may
 * not change a row twice). Arrays are cast to the column's type without its length, because such a cast
 * would cut a text off without a word, where storing it refuses.
 */
import { quoted, quotedTable } from './ddl.ts'
import type { SqlValue } from './column-types.ts'
import type { SinkTable } from './sink.ts'

/** What a record does to a table. */
export interface Change {
  /** Its place among the tables of the sink. */
  readonly table: number
  /** Values of all columns, in their order; null: the row of this key is deleted. */
  readonly row: readonly SqlValue[] | null
  /** The key of the row; null where each change adds one. */
  readonly key: SqlValue
}

export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

/** A table and the types of its columns as they are cast. */
export interface WrittenTable {
  readonly table: SinkTable
  /** In the order of its columns. */
  readonly sqlTypes: readonly string[]
}

/** The statements of these changes, in the order of the records. */
export function statementsOf(
  tables: readonly WrittenTable[],
  changes: readonly Change[],
): readonly Statement[] {
  const byTable = Map.groupBy(changes, ({ table }) => table)
  return tables.flatMap((each, i) => {
    const ofTable = byTable.get(i)
    if (ofTable === undefined) return []
    return each.table.mode === 'insert' ? [insert(each, rowsOf(ofTable))] : upsert(each, ofTable)
  })
}

/** The last change of each key. */
function lastOfKeys(changes: readonly Change[]): Change[] {
  return [...new Map(changes.map((change) => [change.key, change])).values()]
}

function upsert(written: WrittenTable, changes: readonly Change[]): Statement[] {
  const last = lastOfKeys(changes)
  const rows = rowsOf(last)
  const keys = last.flatMap(({ row, key }) => (row === null ? [key] : []))
  const statements: Statement[] = []
  if (keys.length > 0) statements.push(deletion(written, keys))
  if (rows.length > 0) statements.push(insert(written, rows))
  return statements
}

function rowsOf(changes: readonly Change[]): (readonly SqlValue[])[] {
  return changes.flatMap(({ row }) => (row === null ? [] : [row]))
}

function insert({ table, sqlTypes }: WrittenTable, rows: readonly (readonly SqlValue[])[]) {
  const names = table.columns.map(({ name }) => quoted(name)).join(', ')
  const arrays = sqlTypes.map((type, i) => `$${i + 1}::${type}[]`).join(', ')
  const text =
    `INSERT INTO ${quotedTable(table.name)} (${names}) SELECT * FROM unnest(${arrays})` +
    (table.mode === 'upsert' ? onConflict(table) : '')
  return { text, values: table.columns.map((_, i) => rows.map((row) => row[i]!)) }
}

function onConflict({ columns, key }: SinkTable): string {
  const others = columns.filter(({ name }) => !key.includes(name))
  const target = ` ON CONFLICT (${key.map(quoted).join(', ')}) DO`
  if (others.length === 0) return `${target} NOTHING`
  const sets = others.map(({ name }) => `${quoted(name)} = excluded.${quoted(name)}`)
  return `${target} UPDATE SET ${sets.join(', ')}`
}

function deletion({ table, sqlTypes }: WrittenTable, keys: readonly SqlValue[]): Statement {
  const [key] = table.key
  const type = sqlTypes[table.columns.findIndex(({ name }) => name === key)]!
  const text = `DELETE FROM ${quotedTable(table.name)} WHERE ${quoted(key!)} = ANY ($1::${type}[])`
  return { text, values: [keys] }
}
