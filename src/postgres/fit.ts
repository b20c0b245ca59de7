/** Whether a table that is there can take what a sink writes; each mismatch with what makes it fit. */
import { acceptedTypes } from './column-types.ts'
import { createTable, quoted, quotedTable } from './ddl.ts'
import type { SinkTable } from './sink.ts'

/** A table as PostgreSQL's catalogue has it. */
export interface FoundTable {
  readonly columns: readonly FoundColumn[]
  /** Columns of each unique index that takes every row at once (neither partial, nor deferrable, nor of expressions). */
  readonly uniques: readonly (readonly string[])[]
  /** Of `INSERT`, `UPDATE`, `DELETE` and `SELECT`, what this user may not do. */
  readonly denied: readonly string[]
}

export interface FoundColumn {
  readonly name: string
  /** `pg_type.typname`, of a domain that of what it is made of. */
  readonly type: string
  /** That type as statements write it. */
  readonly sqlType: string
  readonly isRequired: boolean
  readonly hasDefault: boolean
  /** It makes its own value, and takes no other. */
  readonly isGenerated: boolean
}

/** What is wrong, a sentence each; nothing when the table fits. @param found undefined: there is none */
export function problemsOf(table: SinkTable, found: FoundTable | undefined): readonly string[] {
  const { name, key } = table
  const alter = `ALTER TABLE ${quotedTable(name)}`
  if (found === undefined) {
    return [
      `table '${name}' is not there: run with create: true, or execute\n${createTable(table)}`,
    ]
  }
  const problems: string[] = []
  const byName = new Map(found.columns.map((column) => [column.name, column]))
  for (const { name: column, type } of table.columns) {
    const there = byName.get(column)
    byName.delete(column)
    if (there === undefined) {
      problems.push(
        `table '${name}' has no column '${column}': ${alter} ADD COLUMN ${quoted(column)} ${type}`,
      )
    } else if (there.isGenerated) {
      problems.push(
        `column '${column}' of table '${name}' is generated and takes no value: leave it out of the sink`,
      )
    } else if (!acceptedTypes[type].includes(there.type)) {
      problems.push(
        `column '${column}' of table '${name}' is ${there.type}, where the sink writes ${type}: make it ` +
          `${acceptedTypes[type].join(' or ')}, or give the column a function of another type`,
      )
    }
  }
  for (const { name: column, isRequired, hasDefault, isGenerated } of byName.values()) {
    if (!isRequired || hasDefault || isGenerated) continue
    problems.push(
      `column '${column}' of table '${name}' is NOT NULL without a default, and the sink writes none: ` +
        `${alter} ALTER COLUMN ${quoted(column)} DROP NOT NULL, or give the sink that column`,
    )
  }
  if (key.length > 0 && !found.uniques.some((unique) => isSame(unique, key))) {
    problems.push(
      `table '${name}' has no unique index on its key: ${alter} ADD PRIMARY KEY (${key.map(quoted).join(', ')})`,
    )
  }
  const needed = table.mode === 'upsert' ? ['INSERT', 'UPDATE', 'DELETE', 'SELECT'] : ['INSERT']
  const denied = needed.filter((each) => found.denied.includes(each))
  if (denied.length > 0) {
    const rights = denied.join(', ')
    problems.push(
      `this user may not ${rights} on table '${name}': GRANT ${rights} ON ${quotedTable(name)} TO it`,
    )
  }
  return problems
}

function isSame(unique: readonly string[], key: readonly string[]): boolean {
  return unique.length === key.length && unique.every((column) => key.includes(column))
}
