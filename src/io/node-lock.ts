/**
 * Who has a data directory, held in two ways, because user code can drop one of them by accident.
 *
 * - SQLite's exclusive lock on an empty database file. The system takes it back when the process ends,
 *   however it ends, and other containers on this machine see it. But it is a POSIX lock: whoever in this
 *   process opens and closes the file, as a copy of the directory does, lets go of it.
 * - A listening socket named after the directory's device and inode. No code drops it that does not have
 *   it, and the system takes it back as well; other containers may have socket names of their own.
 *
 * `check` takes the first one again and looks into a file beside it whether somebody else has been here.
 */
import * as fs from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { HeadwaterError } from '../base/errors.ts'
import { codeOf } from './error-code.ts'
import { nodeRandom } from './node-clock.ts'
import type { Lock } from './ports.ts'

/** How long to wait for somebody who only looks whether the directory is free. */
const lookMsMax = 1000

export async function lockFile(path: string): Promise<Lock> {
  let database = openDatabase(path)
  let presence: Server | undefined
  const holder = `${process.pid} ${Buffer.from(nodeRandom.bytes(9)).toString('base64')}`
  try {
    await takeExclusive(database, path)
    presence = await takePresence(await socketName(dirname(path)), path)
    await writeHolder(path, holder)
  } catch (error) {
    presence?.close()
    database.close()
    throw error
  }
  let inode = await inodeOf(path)
  return {
    check: async () => {
      const found = await readHolder(path)
      if (found !== '' && found !== holder) throw await lockedError(path)
      if (found === '') await writeHolder(path, holder)
      // The file may have been replaced: then others would lock another one.
      if ((await inodeOf(path)) === inode) {
        database.exec('COMMIT')
      } else {
        database.close()
        database = openDatabase(path)
      }
      database.exec(`PRAGMA busy_timeout = ${lookMsMax}`)
      await takeExclusive(database, path)
      inode = await inodeOf(path)
    },
    release: async () => {
      if ((await seenHolder(path)) === holder) await fs.rm(holderPath(path), { force: true })
      presence?.close()
      database.close()
    },
  }
}

function openDatabase(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 })
  } catch (error) {
    throw new HeadwaterError(
      'disk-failed',
      `cannot lock ${path}: the file cannot be opened for writing; give this user the right to write it, ` +
        'or choose another data directory',
      { cause: error },
    )
  }
}

async function takeExclusive(database: DatabaseSync, path: string): Promise<void> {
  try {
    database.exec('PRAGMA journal_mode = MEMORY')
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    if (!isBusy(error)) throw error
    throw await lockedError(path, error)
  }
}

/** SQLite's SQLITE_BUSY and SQLITE_LOCKED. */
function isBusy(error: unknown): boolean {
  const { errcode } = error as { errcode?: number }
  return errcode !== undefined && [5, 6].includes(errcode & 0xff)
}

/** A name for a socket that no other directory of this machine has. */
async function socketName(directory: string): Promise<string> {
  const { dev, ino } = await fs.stat(directory, { bigint: true })
  const name = `headwater-${dev}-${ino}`
  if (process.platform === 'win32') return `\\\\.\\pipe\\${name}`
  // Linux has names that stand in no directory; elsewhere one is left when a process is killed.
  return process.platform === 'linux' ? `\0${name}` : `/tmp/${name}.sock`
}

/** Listens under the name; nothing where the system does not let this process, and then one lock must do. */
async function takePresence(name: string, path: string): Promise<Server | undefined> {
  const server = await listen(name)
  if (server !== 'in use') return server
  // Nobody else comes here meanwhile: they would need the lock that we have.
  if (await answers(name)) throw await lockedError(path)
  await fs.rm(name, { force: true })
  const again = await listen(name)
  if (again === 'in use') throw await lockedError(path)
  return again
}

function listen(path: string): Promise<Server | 'in use' | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'EADDRINUSE' ? 'in use' : undefined)
    })
    server.listen({ path, exclusive: true }, () => resolve(server.unref()))
  })
}

function answers(path: string): Promise<boolean> {
  if (path.startsWith('\0')) return Promise.resolve(true)
  return new Promise((resolve) => {
    const socket = connect({ path }, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function lockedError(path: string, cause?: unknown): Promise<HeadwaterError> {
  const pid = /^\d+/.exec(await seenHolder(path))?.[0]
  const who = pid === undefined ? 'another process' : `process ${pid}`
  const message = `${dirname(path)} is in use by ${who}: stop it, or choose another data directory`
  return new HeadwaterError('data-dir-locked', message, { cause })
}

/** A full disk is no reason: then there is only no one to name, and `check` writes it when there is room. */
async function writeHolder(path: string, holder: string): Promise<void> {
  try {
    await fs.writeFile(holderPath(path), holder)
  } catch (error) {
    if (!['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? '')) throw error
  }
}

/** Empty when nobody has written it; who cannot look does not know that. */
async function readHolder(path: string): Promise<string> {
  try {
    return await fs.readFile(holderPath(path), 'utf8')
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return ''
  }
}

/** The same for those who can do without. */
function seenHolder(path: string): Promise<string> {
  return readHolder(path).catch(() => '')
}

function holderPath(path: string): string {
  return `${path}.pid`
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  const found = await fs.stat(path, { bigint: true }).catch(() => undefined)
  return found?.ino
}
