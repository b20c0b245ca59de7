/**
 * One connection to PostgreSQL, by the library `pg`, which is loaded when it is first needed.
 *
 * Whatever fails comes as a `SqlFailure`. A connection that broke stays broken: `connect` makes another.
 * Every transaction says its own bounds (`SET LOCAL`), so that they hold behind a pooler as well.
 */
import type pg from 'pg'
import type { Client, ClientConfig, QueryResult } from 'pg'
import { HeadwaterError } from '../base/errors.ts'
import { isSqlFailure, sqlFailure, SqlFailure } from './sql-failure.ts'

/** Where the database is, as `pg` takes it; a text is a connection URI. What is left out comes of `PGHOST` and so on. */
export type DatabaseAddress =
  | string
  | {
      readonly connectionString?: string
      readonly host?: string
      readonly port?: number
      readonly database?: string
      readonly user?: string
      readonly password?: string | (() => string | Promise<string>)
      /** As Node's TLS takes it: `true`, or `ca`, `cert`, `key` and so on. */
      readonly ssl?: boolean | Readonly<Record<string, unknown>>
    }

export interface DatabaseOptions {
  readonly address: DatabaseAddress
  /** What the server shows of its connections. */
  readonly applicationName: string
  /** How long a statement may take. */
  readonly statementTimeoutMs: number
  /** How long a statement waits for what somebody else has locked. */
  readonly lockTimeoutMs: number
  /** A transaction in which nothing is said for so long is aborted by the server: who has it is frozen or gone. */
  readonly idleTimeoutMs: number
  /** How long signing in may take. */
  readonly connectTimeoutMs: number
  /** How long the server is waited for, before the connection is taken for dead: longer than a statement may take. */
  readonly answerTimeoutMs: number
}

/** Asks within a transaction. */
export type Query = (
  text: string,
  values?: readonly unknown[],
) => Promise<{ readonly rows: readonly Row[]; readonly count: number }>

export type Row = Readonly<Record<string, unknown>>

export class Database {
  readonly #o: DatabaseOptions
  #client: Client | undefined

  constructor(options: DatabaseOptions) {
    this.#o = options
  }

  get isConnected(): boolean {
    return this.#client !== undefined
  }

  async connect(): Promise<void> {
    const { Client: Connection } = await loadPg()
    const { address, applicationName, connectTimeoutMs, answerTimeoutMs } = this.#o
    const where = typeof address === 'string' ? { connectionString: address } : address
    let client: Client
    try {
      client = new Connection({
        application_name: applicationName,
        ...(where as ClientConfig),
        connectionTimeoutMillis: connectTimeoutMs,
        query_timeout: answerTimeoutMs,
        keepAlive: true,
      })
    } catch {
      throw unreadable()
    }
    // A connection that breaks while nobody asks; who asks next hears of it.
    client.on('error', () => this.#drop(client))
    client.on('end', () => this.#drop(client))
    try {
      await client.connect()
    } catch (error) {
      await client.end().catch(() => undefined)
      throw sqlFailure(error)
    }
    this.#client = client
  }

  /** All of `work`, or nothing of it. */
  async transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    const client = this.#client
    if (client === undefined) throw sqlFailure(new Error('the connection has ended'))
    const query: Query = async (text, values) => {
      const { rows, rowCount } = await client.query<Row>(text, values as unknown[] | undefined)
      return { rows, count: rowCount ?? 0 }
    }
    try {
      await client.query(this.#begin())
      const result = await work(query)
      const { command }: QueryResult = await client.query('COMMIT')
      // The server answers so when a statement had failed and nobody noticed.
      if (command !== 'COMMIT') throw sqlFailure(new Error('COMMIT was answered by ' + command))
      return result
    } catch (error) {
      // What is no failure of the database is what `work` threw.
      const isOfWork = error instanceof HeadwaterError || error instanceof SqlFailure
      const failure = isOfWork ? error : sqlFailure(error)
      if (isSqlFailure(failure, 'away') || isSqlFailure(failure, 'refused')) this.#leave(client)
      else await this.#rollBack(client)
      throw failure
    }
  }

  /** Gives the connection up; nothing is waited for. */
  drop(): void {
    const client = this.#client
    this.#client = undefined
    client?.end().catch(() => undefined)
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => undefined)
  }

  #begin(): string {
    const { idleTimeoutMs, statementTimeoutMs, lockTimeoutMs } = this.#o
    return (
      `BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${idleTimeoutMs}; ` +
      `SET LOCAL statement_timeout = ${statementTimeoutMs}; SET LOCAL lock_timeout = ${lockTimeoutMs}`
    )
  }

  async #rollBack(client: Client): Promise<void> {
    try {
      await client.query('ROLLBACK')
    } catch {
      this.#leave(client)
    }
  }

  /** The transaction goes with its connection: of a server that is silent, no more is asked and waited for. */
  #leave(client: Client): void {
    this.#drop(client)
    client.end().catch(() => undefined)
  }

  #drop(client: Client): void {
    if (this.#client === client) this.#client = undefined
  }
}

async function loadPg(): Promise<Pick<typeof pg, 'Client'>> {
  try {
    return (await import('pg')).default
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new HeadwaterError(
      'config-invalid',
      "a sink into PostgreSQL needs the package 'pg', which is not there: npm install pg",
      { cause },
    )
  }
}

/** Says nothing of the address, nor of what the library said of it: a password may be in it. */
function unreadable(): HeadwaterError {
  return new HeadwaterError(
    'config-invalid',
    'the address of the database cannot be read: give postgres://USER:PASSWORD@HOST:PORT/DATABASE, with ' +
      'other characters percent-encoded',
  )
}
