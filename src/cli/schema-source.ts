/**
 * Where a version of contracts is to be had: a directory of `.proto` files, what such a directory was in git, or a
 * file that holds a set of descriptors, as `buf build` and `protoc --descriptor_set_out` write it.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf'
import type { DescFile } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import type { FileDescriptorSet } from '@bufbuild/protobuf/wkt'
import { HeadwaterError } from '../base/errors.ts'
import { placeText } from '../schema/place.ts'
import { compile } from './gen-compile.ts'
import { filesOfCommit } from './schema-git.ts'

/**
 * The contracts of one version.
 * @param source a path, or `git:REF` for what `directory` was then, or `git:REF:DIRECTORY`
 * @returns undefined where git had no such directory then
 * Throws `input-missing` where there is nothing, `contract-invalid` where it does not compile.
 */
export async function loadContracts(
  source: string,
  directory: string,
): Promise<readonly DescFile[] | undefined> {
  if (source.startsWith('git:')) return fromGit(source, directory)
  if (!existsSync(source)) {
    throw new HeadwaterError(
      'input-missing',
      `there is no ${resolve(source)}: name a directory of .proto files, a file of descriptors, or git:REF`,
    )
  }
  return statSync(source).isDirectory() ? fromDirectory(source, source) : fromSet(source)
}

async function fromDirectory(directory: string, name: string): Promise<readonly DescFile[]> {
  const compiled = await compile(directory)
  if (!('problems' in compiled)) return linked(compiled.set, compiled.files)
  const [first, ...others] = compiled.problems
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  throw new HeadwaterError(
    'contract-invalid',
    `the contracts in ${name} do not compile: ${placeText(first!)}: ${first!.message}${more}`,
  )
}

function fromSet(file: string): readonly DescFile[] {
  const set = parseSet(file)
  const own = set.file
    .map(({ name }) => name)
    .filter((name) => !/^(google|headwater\/v1)\//.test(name))
  try {
    return linked(set, own)
  } catch (error) {
    // All that can be wrong is something that one descriptor names and no other is.
    throw new HeadwaterError(
      'input-invalid',
      `the set of descriptors in ${file} cannot be put together: ${(error as Error).message}: ${howToWrite(file)}`,
    )
  }
}

function howToWrite(file: string): string {
  return (
    `write it with \`buf build -o ${file}\` or ` +
    '`protoc --include_imports --include_source_info --descriptor_set_out`'
  )
}

function parseSet(file: string): FileDescriptorSet {
  try {
    const set = fromBinary(FileDescriptorSetSchema, readFileSync(file))
    if (set.file.length > 0) return set
  } catch (error) {
    if (!(error instanceof Error)) throw error
  }
  throw new HeadwaterError('input-invalid', `${file} is no set of descriptors: ${howToWrite(file)}`)
}

function linked(set: FileDescriptorSet, files: readonly string[]): readonly DescFile[] {
  const registry = createFileRegistry(set)
  return files.map((file) => registry.getFile(file)!)
}

async function fromGit(
  source: string,
  directory: string,
): Promise<readonly DescFile[] | undefined> {
  const files = await filesOfCommit(source, directory)
  if (files.size === 0) return undefined
  const place = mkdtempSync(join(tmpdir(), 'headwater-schema-'))
  try {
    for (const [file, bytes] of files) {
      mkdirSync(dirname(join(place, file)), { recursive: true })
      writeFileSync(join(place, file), bytes)
    }
    return await fromDirectory(place, source)
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}
