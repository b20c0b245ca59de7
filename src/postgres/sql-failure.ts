/**
 * What a failure of the database means for a sink, by its SQLSTATE (PostgreSQL's documentation, appendix A).
 *
 * - `away`: there is no connection, or none that is of use: it is tried again for as long as it takes
 * - `refused`: signing in is refused, or there is no such database: at the start that is final
 * - `again`: somebody was in the way; the same transaction may succeed
 * - `slow`: a statement took too long; the same with fewer rows may not
 * - `row`: a row cannot be stored, now and later, at least not with the others of its transaction
 * - `stop`: tables or rights are not what they were
 */
import { HeadwaterError } from '../base/errors.ts'
import type { HeadwaterErrorCode } from '../base/errors.ts'

export type SqlFailureKind = 'away' | 'refused' | 'again' | 'slow' | 'row' | 'stop'

/** Thrown by whatever asks the database; `error` is what users are told. */
export class SqlFailure extends Error {
  override readonly name = 'SqlFailure'
  readonly kind: SqlFailureKind
  readonly error: HeadwaterError

  constructor(kind: SqlFailureKind, error: HeadwaterError) {
    super(error.message, { cause: error })
    this.kind = kind
    this.error = error
  }
}

export function isSqlFailure(error: unknown, kind?: SqlFailureKind): error is SqlFailure {
  return error instanceof SqlFailure && (kind === undefined || error.kind === kind)
}

/** Whatever the library threw, as what it means. */
export function sqlFailure(thrown: unknown): SqlFailure {
  if (thrown instanceof SqlFailure) return thrown
  const { code, message } = thrown as { readonly code?: unknown; readonly message?: unknown }
  const state = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
  const kind = kindOf(state)
  const { code: told, fix } = meanings[kind]
  const why = String(message ?? thrown) || String(code)
  const text = `PostgreSQL ${verbs[kind]}: ${why}${state === undefined ? '' : ` (${state})`}${fix}`
  const retriable = kind === 'away' || kind === 'again' || kind === 'slow'
  return new SqlFailure(kind, new HeadwaterError(told, text, { cause: thrown, retriable }))
}

const meanings: Readonly<
  Record<SqlFailureKind, { readonly code: HeadwaterErrorCode; readonly fix: string }>
> = {
  away: { code: 'connection-lost', fix: '; it is tried again until it answers' },
  refused: {
    code: 'authentication-failed',
    fix: '; check user, password and database of the sink',
  },
  again: { code: 'timeout', fix: '; the transaction is tried again' },
  slow: { code: 'timeout', fix: '; it is tried again with fewer rows' },
  row: { code: 'record-invalid', fix: '' },
  stop: {
    code: 'state-mismatch',
    fix: '; check that tables and rights are what the sink needs, and start it again',
  },
}

const verbs: Readonly<Record<SqlFailureKind, string>> = {
  away: 'cannot be used',
  refused: 'lets nobody in',
  again: 'gave the transaction up',
  slow: 'takes too long over a statement',
  row: 'refuses the row',
  stop: 'refuses the statement',
}

/** What has no SQLSTATE never came from the server: the connection is gone. */
function kindOf(state: string | undefined): SqlFailureKind {
  if (state === undefined) return 'away'
  return states.get(state) ?? classes.get(state.slice(0, 2)) ?? 'stop'
}

const classes: ReadonlyMap<string, SqlFailureKind> = new Map([
  ['08', 'away'],
  // Two keys of one statement that are the same to the column: of a `citext`, or a `uuid`.
  ['21', 'row'],
  ['22', 'row'],
  ['23', 'row'],
  ['28', 'refused'],
  ['40', 'again'],
  // `WITH CHECK OPTION` of a view.
  ['44', 'row'],
  ['53', 'away'],
  ['54', 'row'],
  ['55', 'again'],
  ['57', 'away'],
  ['58', 'away'],
  // A trigger that raised an exception.
  ['P0', 'row'],
])

const states: ReadonlyMap<string, SqlFailureKind> = new Map([
  // A server that became a standby, and a transaction that its session was idle in for too long.
  ['25006', 'away'],
  ['25P03', 'away'],
  ['3D000', 'refused'],
  ['57014', 'slow'],
])
