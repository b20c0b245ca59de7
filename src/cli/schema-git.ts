/** What a directory of `.proto` files was in a commit. */
import { execFile } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import { HeadwaterError } from '../base/errors.ts'

const run = promisify(execFile)
/** Of all `.proto` files of a commit together, and of the names of all its files. */
const gitBytesMax = 64 * 2 ** 20

/**
 * The `.proto` files, by their paths in the directory; empty where the commit had none there. The directory need
 * not be there any more.
 * @param source `git:REF` for what `directory` was then, or `git:REF:DIRECTORY`
 * Throws `input-missing` where git, the repository or the commit is missing.
 */
export async function filesOfCommit(
  source: string,
  directory: string,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const [, ref = '', path = directory] = /^git:([^:]*)(?::(.*))?$/.exec(source) ?? []
  if (ref === '') {
    throw new HeadwaterError(
      'config-invalid',
      `'${source}' names no commit: write git:main, for example`,
    )
  }
  const place = nearest(resolve(path))
  const commit = await commitOf(ref, place)
  const blobs = await blobsIn(commit, place, relative(place, resolve(path)))
  const link = blobs.find(({ mode }) => mode === '120000')
  if (link !== undefined) {
    throw new HeadwaterError(
      'input-invalid',
      `${link.file} is a symbolic link in ${source}, which is not followed: put the file in its place, or name a ` +
        'file of descriptors that `buf build` wrote of that version',
    )
  }
  const texts = await textsOf(blobs, place)
  return new Map(blobs.map(({ file }, i) => [file, texts[i]!]))
}

/** The first directory upwards that is there: git has to be asked somewhere. */
function nearest(directory: string): string {
  const isThere = existsSync(directory) && statSync(directory).isDirectory()
  return isThere || dirname(directory) === directory ? directory : nearest(dirname(directory))
}

/** Its full name, so that a text like `--output=x` is never taken for an option. */
async function commitOf(ref: string, place: string): Promise<string> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`]
  try {
    return (await git(place, args)).toString().trim()
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== 1) throw failed(place, error)
    throw new HeadwaterError(
      'input-missing',
      `git:${ref} is no commit that is here: commit or fetch it first (in GitHub's actions/checkout: ` +
        'fetch-depth: 0), or name another version with --against',
    )
  }
}

interface Blob {
  readonly mode: string
  readonly id: string
  readonly bytes: number
  /** Relative to the directory. */
  readonly file: string
}

/** @param below the directory, from the place where git is asked */
async function blobsIn(commit: string, place: string, below: string): Promise<readonly Blob[]> {
  const prefix = below === '' ? '' : `${below.replaceAll('\\', '/')}/`
  const listed = await asked(place, ['ls-tree', '-r', '-l', '-z', commit, '--', `./${prefix}`])
  return listed
    .toString()
    .split('\0')
    .flatMap((line): Blob[] => {
      const [, mode = '', id = '', bytes, path = ''] =
        /^(\d+) blob (\w+) +(\d+)\t(.*)$/s.exec(line) ?? []
      if (!path.endsWith('.proto')) return []
      return [{ mode, id, bytes: Number(bytes), file: path.slice(prefix.length) }]
    })
}

/** By one process, however many there are. */
async function textsOf(blobs: readonly Blob[], place: string): Promise<readonly Uint8Array[]> {
  if (blobs.length === 0) return []
  const all = blobs.reduce((sum, { bytes }) => sum + bytes, 0)
  if (all > gitBytesMax) {
    throw new HeadwaterError(
      'input-invalid',
      `the .proto files in git have ${all} bytes, and ${gitBytesMax} may be read: name a directory with fewer`,
    )
  }
  const told = await asked(
    place,
    ['cat-file', '--batch'],
    blobs.map(({ id }) => `${id}\n`).join(''),
  )
  let at = 0
  return blobs.map(({ bytes }) => {
    // Each comes behind a line of its own and before a line break.
    const begin = told.indexOf('\n', at) + 1
    at = begin + bytes + 1
    return told.subarray(begin, begin + bytes)
  })
}

async function asked(place: string, args: readonly string[], input = ''): Promise<Buffer> {
  try {
    return await git(place, args, input)
  } catch (error) {
    throw failed(place, error)
  }
}

async function git(place: string, args: readonly string[], input = ''): Promise<Buffer> {
  const options = {
    cwd: place,
    env: outsideHooks(),
    // Beside the files there is a line for each.
    maxBuffer: 2 * gitBytesMax,
    encoding: 'buffer',
  } as const
  const running = run('git', args, options)
  // Where git ends without reading, it has said why.
  running.child.stdin!.on('error', () => {}).end(input)
  return (await running).stdout
}

/** In a hook git names its repository and takes whatever directory it is asked in for the top of it. */
function outsideHooks(): NodeJS.ProcessEnv {
  const { GIT_DIR: _directory, GIT_PREFIX: _prefix, ...env } = process.env
  return env['GIT_WORK_TREE'] === undefined ? env : process.env
}

function failed(place: string, error: unknown): HeadwaterError {
  const { code, stderr, message } = error as NodeJS.ErrnoException & { readonly stderr?: Buffer }
  if (code === 'ENOENT') {
    return new HeadwaterError(
      'input-missing',
      'git is not installed: install it, or name a directory or a file of descriptors with --against',
    )
  }
  const said = stderr?.toString().trim() || message
  return new HeadwaterError(
    'input-missing',
    `git, asked in ${place}: ${said}: name another version with --against, such as a directory`,
  )
}
