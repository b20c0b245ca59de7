/** Contracts as texts, compiled as `headwater gen` does. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createFileRegistry } from '@bufbuild/protobuf'
import type { DescFile } from '@bufbuild/protobuf'
import { compile } from '../../../src/cli/gen-compile.ts'

/** The files of a compiled set of `.proto` texts, by path; throws where they do not compile. */
export async function compiled(texts: Readonly<Record<string, string>>): Promise<DescFile[]> {
  const directory = mkdtempSync(join(tmpdir(), 'headwater-contracts-'))
  try {
    for (const [file, text] of Object.entries(texts)) {
      mkdirSync(dirname(join(directory, file)), { recursive: true })
      writeFileSync(join(directory, file), text)
    }
    const result = await compile(directory)
    if ('problems' in result) throw new Error(JSON.stringify(result.problems))
    const registry = createFileRegistry(result.set)
    return result.files.map((file) => registry.getFile(file)!)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** A `.proto` text with the platform's options; messages begin at line 4. */
export function proto(name: string, ...messages: readonly string[]): string {
  return (
    `syntax = "proto3";\npackage ${name};\nimport "headwater/v1/options.proto";\n` +
    messages.map((message) => `${message}\n`).join('')
  )
}

/** A message on one line; its stream option has what is given beside owner and context. */
export function message(name: string, stream: string, fields = 'string id = 1;'): string {
  return `message ${name} { option (headwater.v1.stream) = {owner: "a" context: "c" ${stream}}; ${fields} }`
}
