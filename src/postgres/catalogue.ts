/** Tables as PostgreSQL's catalogue has them, and making those that are missing. */
import { HeadwaterError } from '../base/errors.ts'
import type { Query } from './database.ts'
import { createPositions, createTable, positionsTable, quotedTable } from './ddl.ts'
import { problemsOf } from './fit.ts'
import type { FoundColumn, FoundTable } from './fit.ts'
import type { PostgresSink, SinkTable } from './sink.ts'
import type { WrittenTable } from './statements.ts'

/** Instances that start at once make tables one after the other: `IF NOT EXISTS` alone fails for one of them. */
const lockTables = `SELECT pg_advisory_xact_lock(hashtext('headwater'), hashtext('create tables'))`

const columnsOf = `
SELECT a.attname AS name, b.typname AS type, b.oid::regtype::text AS sql_type, a.attnotnull AS is_required,
  a.atthasdef OR a.attidentity <> '' AS has_default,
  a.attgenerated <> '' OR a.attidentity = 'a' AS is_generated
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped`

const uniquesOf = `
SELECT array_agg(a.attname::text) AS columns
FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid`

/** Whether a sink has read anything of a topic. */
const hasReadOf = `
SELECT EXISTS (SELECT FROM ${positionsTable} WHERE sink = $1 AND topic = $2 AND next_offset > 0) AS has_read`

const deniedOf = `
SELECT p AS privilege FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p
WHERE NOT has_table_privilege(to_regclass($1), p)`

/**
 * Makes the table of positions, and with `create` the others, where they are missing; then sees that all
 * fit. Throws `state-mismatch` that names each mismatch with what mends it.
 */
export async function prepareTables(
  query: Query,
  sink: PostgresSink,
  create: boolean,
): Promise<readonly WrittenTable[]> {
  await query(lockTables)
  if (!(await isThere(query, positionsTable))) await query(createPositions)
  const prepared: WrittenTable[] = []
  const problems: string[] = []
  for (const table of sink.tables) {
    if (!(await isThere(query, table.name))) {
      if (await hasRead(query, sink, table)) {
        problems.push(missedRows(sink, table))
        continue
      }
      if (create) await query(createTable(table))
    }
    const found = await findTable(query, table)
    problems.push(...problemsOf(table, found))
    const byName = new Map(found?.columns.map(({ name, sqlType }) => [name, sqlType]))
    const sqlTypes = table.columns.map(({ name, type }) => byName.get(name) ?? type)
    prepared.push({ table, sqlTypes })
  }
  if (problems.length === 0) return prepared
  const list = problems.map((problem) => `\n- ${problem}`).join('')
  throw new HeadwaterError(
    'state-mismatch',
    `sink '${sink.name}' cannot write into the database as it is:${list}`,
  )
}

async function hasRead(query: Query, sink: PostgresSink, table: SinkTable): Promise<boolean> {
  const { rows } = await query(hasReadOf, [sink.name, table.event.name])
  return rows[0]!['has_read'] === true
}

/** Made now, it would hold what comes from here on and lack all before, without a word. */
function missedRows({ name }: PostgresSink, table: SinkTable): string {
  const stream = table.event.name
  return (
    `table '${table.name}' is not there, and the sink has read stream '${stream}' already: its rows would begin ` +
    'where the sink is now. For all rows, write it by a sink of another name, or empty the other tables of the ' +
    `stream and DELETE FROM ${positionsTable} WHERE sink = '${name}' AND topic = '${stream}'; for those to ` +
    `come alone, execute\n${createTable(table)}`
  )
}

async function isThere(query: Query, table: string): Promise<boolean> {
  const { rows } = await query('SELECT to_regclass($1) IS NOT NULL AS is_there', [
    quotedTable(table),
  ])
  return rows[0]!['is_there'] === true
}

async function findTable(query: Query, { name }: SinkTable): Promise<FoundTable | undefined> {
  if (!(await isThere(query, name))) return undefined
  const table = [quotedTable(name)]
  const columns = await query(columnsOf, table)
  const uniques = await query(uniquesOf, table)
  const denied = await query(deniedOf, table)
  return {
    columns: columns.rows.map((row): FoundColumn => {
      return {
        name: String(row['name']),
        type: String(row['type']),
        sqlType: String(row['sql_type']),
        isRequired: row['is_required'] === true,
        hasDefault: row['has_default'] === true,
        isGenerated: row['is_generated'] === true,
      }
    }),
    uniques: uniques.rows.map((row) => row['columns'] as readonly string[]),
    denied: denied.rows.map((row) => String(row['privilege'])),
  }
}
