/**
 * The real disk: `Disk` on `node:fs`, with fdatasync for contents and fsync for directories.
 *
 * Every failure becomes a `HeadwaterError` that names the path, the cause and the fix: no space is
 * `disk-full`, a missing name is `not-found`, no descriptor left `too-many-files`, all else `disk-failed`.
 * The lock is `node-lock.ts`'s.
 */
import { constants } from 'node:fs'
import * as fs from 'node:fs/promises'
import { dirname } from 'node:path'
import { HeadwaterError } from '../base/errors.ts'
import { assertExtent } from './contract.ts'
import { codeOf } from './error-code.ts'
import { lockFile } from './node-lock.ts'
import type { Disk, DiskFile } from './ports.ts'

/** Buffers handed to one `writev`; the system takes 1024. */
const writeChunksMax = 1024

const openFlags = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT,
} as const

export const nodeDisk: Disk = {
  open: (path, mode) =>
    attempt('open', path, async () => new NodeFile(path, await fs.open(path, openFlags[mode]))),
  list: (directory) =>
    attempt('list', directory, async () => {
      try {
        return (await fs.readdir(directory)).sort()
      } catch (error) {
        // What is a file has no names in it either.
        if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return []
        throw error
      }
    }),
  exists: (path) =>
    attempt('look at', path, async () => {
      try {
        await fs.access(path)
        return true
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return false
        throw error
      }
    }),
  fileSize: (path) =>
    attempt('look at', path, async () => {
      try {
        return (await fs.stat(path)).size
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return undefined
        throw error
      }
    }),
  makeDirectory: (path) => attempt('make the directory', path, () => makeDirectory(path)),
  rename: (from, to) => attempt('rename', from, () => fs.rename(from, to)),
  remove: (path) => attempt('remove', path, () => fs.rm(path, { recursive: true, force: true })),
  syncDirectory: (path) => attempt('sync the directory', path, () => syncDirectory(path)),
  // The inode and not the device, whose number another start of the machine may change.
  identify: (path) => attempt('look at', path, async () => String((await fs.stat(path)).ino)),
  lock: (path) =>
    attempt('lock', path, async () => {
      const lock = await lockFile(path)
      return {
        check: () => attempt('lock', path, () => lock.check()),
        release: () => lock.release(),
      }
    }),
}

class NodeFile implements DiskFile {
  readonly #path: string
  readonly #handle: fs.FileHandle

  constructor(path: string, handle: fs.FileHandle) {
    this.#path = path
    this.#handle = handle
  }

  read(position: number, count: number): Promise<Uint8Array> {
    assertExtent(position, count)
    return attempt('read', this.#path, async () => {
      // Not zeroed: what the file does not fill is cut off.
      const bytes = new Uint8Array(Buffer.allocUnsafeSlow(count).buffer)
      let length = 0
      while (length < count) {
        const { bytesRead } = await this.#handle.read(
          bytes,
          length,
          count - length,
          position + length,
        )
        if (bytesRead === 0) break
        length += bytesRead
      }
      return length === count ? bytes : bytes.subarray(0, length)
    })
  }

  write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    assertExtent(position, 0)
    return attempt('write', this.#path, async () => {
      let at = position
      for (let from = 0; from < chunks.length; from += writeChunksMax) {
        at = await this.#writeAll(chunks.slice(from, from + writeChunksMax), at)
      }
    })
  }

  sync(): Promise<void> {
    return attempt('sync', this.#path, () => this.#handle.datasync())
  }

  truncate(size: number): Promise<void> {
    assertExtent(size, 0)
    return attempt('truncate', this.#path, () => this.#handle.truncate(size))
  }

  size(): Promise<number> {
    return attempt('look at', this.#path, async () => (await this.#handle.stat()).size)
  }

  close(): Promise<void> {
    return attempt('close', this.#path, () => this.#handle.close())
  }

  /** Writes until nothing is left: the system may take less than it was given, on a nearly full disk. */
  async #writeAll(chunks: Uint8Array[], position: number): Promise<number> {
    let at = position
    let left = chunks
    while (left.length > 0) {
      const { bytesWritten } = await this.#handle.writev(left, at)
      at += bytesWritten
      left = withoutFirst(left, bytesWritten)
    }
    return at
  }
}

/** What follows the first `count` bytes of `chunks`. */
function withoutFirst(chunks: Uint8Array[], count: number): Uint8Array[] {
  let left = count
  for (const [at, chunk] of chunks.entries()) {
    if (left < chunk.length) return [chunk.subarray(left), ...chunks.slice(at + 1)]
    left -= chunk.length
  }
  return []
}

/**
 * One name at a time. Node's own recursion goes on for ever where the system says that the parent is missing
 * and it is there: the file systems behind /proc and others like it say so of every new name. They say so again,
 * which is how they are told from a parent that somebody else has made since.
 */
async function makeDirectory(path: string, isParentThere = false): Promise<void> {
  const parent = dirname(path)
  try {
    await fs.mkdir(path)
  } catch (error) {
    if (await isDirectory(path)) return
    if (codeOf(error) !== 'ENOENT') throw error
    if (isParentThere) throw unmakeable(path, error)
    if (!(await isDirectory(parent))) await makeDirectory(parent)
    return await makeDirectory(path, true)
  }
  try {
    await syncDirectory(parent)
  } catch (error) {
    // Who tries again would find it and take it for durable.
    await fs.rmdir(path).catch(() => undefined)
    throw error
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await fs.stat(path)).isDirectory()
  } catch {
    // Whatever is wrong with it, the attempt to make it says it best.
    return false
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await fs.open(path, constants.O_RDONLY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

async function attempt<T>(verb: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof HeadwaterError ? error : diskError(verb, path, error)
  }
}

function diskError(verb: string, path: string, cause: unknown): HeadwaterError {
  const code = codeOf(cause)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new HeadwaterError(
      'disk-full',
      `cannot ${verb} ${path}: the disk is full. Nothing acknowledged is lost; free space on it`,
      { cause },
    )
  }
  if (code === 'ENOENT') {
    return new HeadwaterError(
      'not-found',
      `cannot ${verb} ${path}: there is no such file or directory`,
      { cause },
    )
  }
  if (code === 'EMFILE' || code === 'ENFILE') {
    return new HeadwaterError(
      'too-many-files',
      `cannot ${verb} ${path}: this ${code === 'EMFILE' ? 'process' : 'machine'} has as many files and ` +
        'connections open as it may; raise the limit (ulimit -n), or close some',
      { cause, retriable: true },
    )
  }
  return new HeadwaterError(
    'disk-failed',
    `cannot ${verb} ${path}: ${reasonText(code, cause)}. Nothing acknowledged is lost`,
    { cause },
  )
}

function unmakeable(path: string, cause: unknown): HeadwaterError {
  return new HeadwaterError(
    'disk-failed',
    `cannot make the directory ${path}: its file system takes no new directories; choose a directory on ` +
      'a disk',
    { cause },
  )
}

function reasonText(code: string | undefined, cause: unknown): string {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'permission is denied; give this user the right to read and write it'
    case 'EROFS':
      return 'the file system is read-only; choose a directory that can be written to'
    case 'ENOTDIR':
    case 'EEXIST':
      return 'a file stands where a directory is needed; choose another directory'
    case 'EIO':
      return 'the device reports an error (EIO); check the disk, then start again'
    case undefined:
    default:
      return cause instanceof Error ? cause.message : String(cause)
  }
}
