/**
 * From `.proto` files to descriptors, by `buf`, and from these to TypeScript, by `protoc-gen-es`: two programs of
 * the user's own project, asked as their users ask them. `headwater/v1/options.proto` is there by itself.
 *
 * The files are compiled in a directory of their own, so that it matters neither where the package lies nor
 * whether there is a `buf.yaml` anywhere.
 */
import { spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt'
import type { FileDescriptorSet } from '@bufbuild/protobuf/wkt'
import { HeadwaterError } from '../base/errors.ts'
import type { Problem } from '../schema/place.ts'

export interface Compiled {
  /** The files and all they import, each behind what it imports. */
  readonly set: FileDescriptorSet
  /** The user's own, as the set names them. */
  readonly files: readonly string[]
}

const optionsFile = 'headwater/v1/options.proto'

/**
 * Compiles every `.proto` file of a directory, or says what is wrong with them. Throws `input-missing`
 * when there are none, or no compiler.
 */
export async function compile(
  directory: string,
): Promise<Compiled | { readonly problems: readonly Problem[] }> {
  const files = globSync('**/*.proto', { cwd: directory })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file !== optionsFile && statSync(join(directory, file)).isFile())
    .toSorted()
  if (files.length === 0) {
    throw new HeadwaterError(
      'input-missing',
      `there are no .proto files in ${resolve(directory)}: write contracts there, or name their ` +
        'directory with --proto',
    )
  }
  const buf = programOf('@bufbuild/buf', 'buf')
  const place = mkdtempSync(join(tmpdir(), 'headwater-gen-'))
  try {
    for (const file of files) copy(join(directory, file), join(place, file))
    copy(join(import.meta.dirname, packageRoot, 'proto', optionsFile), join(place, optionsFile))
    const args = ['build', '--error-format', 'json', '--output', '-#format=binpb']
    const { code, stdout, stderr } = await runProgram([buf, ...args], place)
    if (code === 0) return { set: fromBinary(FileDescriptorSetSchema, stdout), files }
    return { problems: problemsOf(stdout, stderr) }
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

/** From `src/cli`, and from where the package's code lies, to what holds `proto`. */
const packageRoot = existsSync(join(import.meta.dirname, '../../proto')) ? '../..' : '../../..'

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, to)
}

/** What `buf` says with `--error-format json`: an object a line. */
function problemsOf(stdout: Uint8Array, stderr: Uint8Array): Problem[] {
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr)
  try {
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as BufProblem)
      .map(({ path, start_line: line = 1, start_column: column = 1, message }) => ({
        file: path,
        line,
        column,
        message: withWayOut(message),
      }))
  } catch {
    throw new HeadwaterError('input-invalid', `buf could not compile the contracts: ${text.trim()}`)
  }
}

/** What `buf` cannot know of our options is said behind its words. */
const waysOut: readonly (readonly [says: RegExp, way: string])[] = [
  [/^cannot find `headwater\.v1\./, 'write import "headwater/v1/options.proto";'],
  [
    /^cannot find `(UNKEYED|KEYED|ENTITY|unkeyed|keyed|entity)`/,
    'a kind is KIND_UNKEYED, KIND_KEYED or KIND_ENTITY',
  ],
]

function withWayOut(message: string): string {
  const way = waysOut.find(([says]) => says.test(message))?.[1]
  return way === undefined ? message : `${message}: ${way}`
}

interface BufProblem {
  readonly path: string
  readonly start_line?: number
  readonly start_column?: number
  readonly message: string
}

/** What `protoc-gen-es` makes of the user's files, by path. */
export async function generateMessages({ set, files }: Compiled): Promise<Map<string, string>> {
  const request = create(CodeGeneratorRequestSchema, {
    fileToGenerate: [...files],
    parameter:
      'target=ts,import_extension=ts,erasable_syntax=true,' +
      'rewrite_imports=./headwater/**/*_pb.js:headwater/schema/gen',
    protoFile: set.file,
  })
  const plugin = programOf('@bufbuild/protoc-gen-es', 'protoc-gen-es')
  const input = toBinary(CodeGeneratorRequestSchema, request)
  const { code, stdout, stderr } = await runProgram([plugin], process.cwd(), input)
  const said = new TextDecoder().decode(stderr).trim()
  if (code !== 0) throw generatorFailed(said)
  const response = fromBinary(CodeGeneratorResponseSchema, stdout)
  if (response.error !== '') throw generatorFailed(response.error)
  return new Map(response.file.map(({ name, content }) => [name, content]))
}

function generatorFailed(why: string): HeadwaterError {
  return new HeadwaterError(
    'input-invalid',
    `protoc-gen-es could not generate TypeScript: ${why}. Its version should be that of ` +
      '@bufbuild/protobuf',
  )
}

/** The script of a program that a package brings: of the user's project, or else beside this package. */
function programOf(name: string, program: string): string {
  for (const from of [join(process.cwd(), 'package.json'), import.meta.filename]) {
    try {
      const manifest = createRequire(from).resolve(`${name}/package.json`)
      const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as {
        readonly bin: Readonly<Record<string, string>>
      }
      return join(dirname(manifest), bin[program]!)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  throw new HeadwaterError(
    'input-missing',
    `${name} is not installed, and generating takes it: npm install --save-dev @bufbuild/buf ` +
      '@bufbuild/protoc-gen-es',
  )
}

interface Ended {
  readonly code: number | null
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
}

/** Runs a script of Node's to its end. */
function runProgram(args: readonly string[], cwd: string, input?: Uint8Array): Promise<Ended> {
  const { promise, resolve: end, reject } = Promise.withResolvers<Ended>()
  const child = spawn(process.execPath, args, { cwd, stdio: 'pipe' })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  child.on('error', reject)
  // One that ends without reading has said why on its standard error.
  child.stdin.on('error', () => {})
  child.on('close', (code) => end({ code, stdout: Buffer.concat(out), stderr: Buffer.concat(err) }))
  child.stdin.end(input)
  return promise
}
