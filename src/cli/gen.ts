/**
 * `headwater gen`: TypeScript from `.proto` files: their messages, by `protoc-gen-es`, and `streams.ts`, the
 * definitions of the streams and keyspaces their options declare. Contracts that are not sound leave what was
 * generated before as it is.
 */
import { createFileRegistry } from '@bufbuild/protobuf'
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import { readDeclared } from '../codegen/declared.ts'
import { placeText } from '../schema/place.ts'
import type { Problem } from '../schema/place.ts'
import { streamsModule } from '../codegen/streams-module.ts'
import { compile, generateMessages } from './gen-compile.ts'
import { writeGenerated } from './gen-files.ts'
import type { Written } from './gen-files.ts'
import { Lifetime } from './lifetime.ts'
import { formatCountOf, print, printError, printJson, printNote } from './output.ts'
import { watchFiles } from './watching.ts'

export interface GenOptions {
  /** The directory of `.proto` files, which imports are relative to. */
  readonly proto: string
  /** Where the TypeScript goes; nothing else should lie there. */
  readonly out: string
  readonly watch?: boolean
  readonly json?: boolean
}

export async function gen(options: GenOptions): Promise<void> {
  if (!options.watch) return tell(await generate(options), options)
  using lifetime = new Lifetime()
  await using _watcher = await generateOnChange(options)
  printNote(`watching ${options.proto}; Ctrl-C stops it`)
  await lifetime.over
}

/**
 * Generates now, and again whenever a `.proto` file changes. What is wrong with the contracts is said and not
 * thrown, for the next change may mend it.
 */
export async function generateOnChange(options: GenOptions): Promise<AsyncDisposable> {
  const watched = {
    directories: [options.proto],
    isOurs: (path: string) => path.endsWith('.proto'),
  }
  let now = Promise.resolve()
  const again = (): Promise<void> => (now = now.then(() => generateOrSay(options)))
  const watcher = await watchFiles(watched, again)
  await again()
  return watcher
}

async function generateOrSay(options: GenOptions): Promise<void> {
  try {
    tell(await generate(options), options)
  } catch (error) {
    if (!isHeadwaterError(error)) throw error
    printError(error, options.json === true)
  }
}

interface Generated extends Written {
  readonly streams: readonly string[]
}

/** Throws `contract-invalid` after it has said each problem, `input-missing` without files or compiler. */
async function generate(options: GenOptions): Promise<Generated> {
  const compiled = await compile(options.proto)
  if ('problems' in compiled) throw refused(compiled.problems, options)
  const { set, files } = compiled
  const registry = createFileRegistry(set)
  const { streams, keyspaces, problems } = readDeclared(
    files.map((file) => registry.getFile(file)!),
  )
  if (problems.length > 0) throw refused(problems, options)
  const messages = await generateMessages(compiled)
  const texts = new Map([...messages, ['streams.ts', streamsModule({ streams, keyspaces })]])
  const written = writeGenerated(options.out, texts)
  return { ...written, streams: streams.map(({ contract }) => contract.stream) }
}

function refused(problems: readonly Problem[], options: GenOptions): HeadwaterError {
  const lines = problems
    .map((problem) => ({ ...problem, file: `${options.proto}/${problem.file}` }))
    .toSorted((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line))
  for (const problem of lines) {
    if (options.json) printNote(JSON.stringify({ problem }))
    else printNote(`${placeText(problem)}: ${problem.message}`)
  }
  const count = problems.length === 1 ? 'one thing' : `${problems.length} things`
  return new HeadwaterError(
    'contract-invalid',
    `${count} in ${options.proto} must be put right first: nothing was generated`,
  )
}

function tell({ files, changed, removed, streams }: Generated, options: GenOptions): void {
  const { out, json } = options
  if (json) return printJson({ out, files, changed, removed, streams })
  for (const file of removed) print(`removed ${out}/${file}, whose .proto file is gone`)
  const what = changed.length === 0 ? 'all as before' : `changed: ${changed.join(', ')}`
  print(
    `${out}: ${formatCountOf(files.length, 'file')}, ${formatCountOf(streams.length, 'stream')}; ${what}`,
  )
}
