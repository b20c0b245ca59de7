/**
 * A PostgreSQL server of one's own: in a temporary folder, on a free port of loopback, gone when it is stopped.
 *
 * `initdb` and `postgres` are found where Debian puts them, or by PATH. PostgreSQL refuses to run as root, so
 * root starts it as the user `postgres` that Debian's package makes.
 */
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, globSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const startMsMax = 30_000
/** What makes starts and tests short. Without syncs a crash of the machine would lose something; none is played. */
const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  max_connections: '40',
  shared_buffers: '64MB',
  max_wal_size: '256MB',
}

export interface PostgresServer {
  readonly url: string
  readonly port: number
  /** `fast` aborts transactions, `immediate` is a crash; it starts again from its log. */
  restart(mode: 'fast' | 'immediate'): Promise<void>
  /** Ends it without starting it again. */
  halt(mode: 'fast' | 'immediate'): Promise<void>
  start(): Promise<void>
  /** Ends it and removes all of it. */
  stop(): Promise<void>
}

/** Starts a server; throws with what is missing where there is no PostgreSQL. */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = findPrograms()
  const as = await runAs()
  const folder = mkdtempSync(join(tmpdir(), 'headwater-postgres-'))
  if (as !== undefined) chownSync(folder, as.uid, as.gid)
  const data = join(folder, 'data')
  const how = [
    '--auth=trust',
    '--username=headwater',
    '--encoding=UTF8',
    '--no-locale',
    '--no-sync',
  ]
  await execute(join(bin, 'initdb'), ['--pgdata', data, ...how], { ...as, cwd: folder })
  const port = await freePort()
  let server: ChildProcess | undefined
  const start = async (): Promise<void> => {
    const options = Object.entries({ ...settings, port }).flatMap(([n, v]) => ['-c', `${n}=${v}`])
    server = spawn(join(bin, 'postgres'), ['-D', data, ...options], {
      ...as,
      cwd: folder,
      stdio: 'ignore',
    })
    await ready(server, bin, port)
  }
  const halt = async (mode: 'fast' | 'immediate'): Promise<void> => {
    if (server === undefined || server.exitCode !== null) return
    const exited = once(server, 'exit')
    server.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await exited
  }
  // Also when whoever has it ends without a word.
  const abandon = (): void => {
    server?.kill('SIGQUIT')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', abandon)
  const stop = async (): Promise<void> => {
    process.off('exit', abandon)
    await halt('immediate')
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  const url = `postgres://headwater@127.0.0.1:${port}/postgres`
  const restart = async (mode: 'fast' | 'immediate'): Promise<void> => {
    await halt(mode)
    await start()
  }
  return { url, port, start, halt, restart, stop }
}

function findPrograms(): string {
  const versions = globSync('/usr/lib/postgresql/*/bin').toSorted(
    (a, b) => Number(b.split('/')[4]) - Number(a.split('/')[4]),
  )
  const folders = [...versions, ...(process.env['PATH'] ?? '').split(':')]
  const found = folders.find((folder) => existsSync(join(folder, 'initdb')))
  if (found !== undefined) return found
  throw new Error(
    "There is no PostgreSQL here: apt-get install postgresql, or put its 'initdb' in PATH.",
  )
}

async function runAs(): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if (userInfo().uid !== 0) return undefined
  const { stdout } = await execute('getent', ['passwd', 'postgres'])
  const [, , uid, gid] = stdout.split(':')
  return { uid: Number(uid), gid: Number(gid) }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/** Waits until it takes sessions, which it does not while it recovers from its log. */
async function ready(server: ChildProcess, bin: string, port: number): Promise<void> {
  const asked = ['-q', '-h', '127.0.0.1', '-p', String(port)]
  for (const until = Date.now() + startMsMax; Date.now() < until; await sleep(20)) {
    if (server.exitCode !== null) break
    try {
      await execute(join(bin, 'pg_isready'), asked)
      return
    } catch {
      // Not yet.
    }
  }
  throw new Error(`PostgreSQL takes no sessions on port ${port} (exit code ${server.exitCode}).`)
}
