/** A PostgreSQL server and a broker for the tests of a file, with a database and topics for each test. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startPostgres } from '../../scripts/postgres.ts'
import type { PostgresServer } from '../../scripts/postgres.ts'
import { embedded } from '../../src/broker/embedded.ts'
import type { EmbeddedBroker } from '../../src/broker/embedded.ts'
import type { Row } from '../../src/postgres/database.ts'
import type { Place } from '../streams-suite/place.ts'

let server: Promise<PostgresServer> | undefined
let databases = 0

/** The server of this file, made for the first who asks. */
export function postgres(): Promise<PostgresServer> {
  return (server ??= startPostgres())
}

export async function stopPostgres(): Promise<void> {
  await (await server)?.stop()
}

export interface Bench extends Place {
  readonly broker: EmbeddedBroker
  /** `HOST:PORT` of the broker, for other processes. */
  readonly address: string
  readonly url: string
  /** What a database of the test's own answers. */
  readonly sql: (text: string, values?: readonly unknown[]) => Promise<readonly Row[]>
}

/** Runs a test on a broker and a database that hold nothing. */
export async function onBench(test: (bench: Bench) => Promise<void>): Promise<void> {
  const { url: base } = await postgres()
  const name = `test_${++databases}`
  await ask(base, `CREATE DATABASE ${name}`)
  const url = base.replace(/[^/]*$/, name)
  const directory = await mkdtemp(join(tmpdir(), 'headwater-sink-'))
  const broker = await embedded(directory, { durability: 'memory' })
  const [{ host, port }] = broker.bootstrap
  const close = async (): Promise<void> => {
    await broker.close()
    await rm(directory, { recursive: true, force: true })
  }
  const sql: Bench['sql'] = (text, values) => ask(url, text, values)
  try {
    await test({ broker, address: `${host}:${port}`, url, sql, close })
  } finally {
    await close()
  }
}

async function ask(
  url: string,
  text: string,
  values?: readonly unknown[],
): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<Row>(text, values as unknown[] | undefined)
    return rows
  } finally {
    await client.end()
  }
}
