/**
 * The compiler's words for what must not compile. `refused.ts` is compiled without its directives, and for
 * each of them the error on the next line has to hold the sentence that the directive announces.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'

const root = join(import.meta.dirname, '../..')
const directive = /^\s*\/\/ @ts-expect-error: (.+)$/
const source = readFileSync(join(import.meta.dirname, 'refused.ts'), 'utf8')
const expected = source.split('\n').flatMap((line, at) => {
  const sentence = directive.exec(line)?.[1]
  // Lines of errors count from one, and the refused line follows its directive.
  return sentence === undefined ? [] : [{ line: at + 2, sentence }]
})
const folder = mkdtempSync(join(tmpdir(), 'headwater-types-'))
after(() => rmSync(folder, { recursive: true }))

describe('the compiler', () => {
  const errors = compile(source.replaceAll('@ts-expect-error', 'refused'))

  test('refuses each line of the fixture and no other', () => {
    assert.deepEqual(
      [...errors.keys()].toSorted((a, b) => a - b),
      expected.map(({ line }) => line),
    )
  })

  for (const { line, sentence } of expected) {
    test(`says: ${sentence}`, () => {
      const text = errors.get(line) ?? 'nothing'
      assert.ok(text.includes(sentence), `line ${line} says instead: ${text}`)
    })
  }

  test('says a sentence of ours for at least twenty of them', () => {
    const ours = expected.filter(({ sentence }) => /^(stream '|'|these |the |this )/.test(sentence))
    assert.ok(ours.length >= 20, `${ours.length}`)
  })
})

/** Compiles the fixture outside the repository; errors by line. */
function compile(text: string): Map<number, string> {
  const absolute = text
    .replaceAll("'../../", `'${root}/`)
    .replaceAll("'../gen/", `'${root}/test/gen/`)
    .replaceAll(/'\.\/(\w+)\.ts'/g, `'${root}/test/types/$1.ts'`)
  writeFileSync(join(folder, 'refused.ts'), absolute)
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      typeRoots: [join(root, 'node_modules/@types')],
      rewriteRelativeImportExtensions: false,
    },
    include: ['refused.ts'],
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const { stdout } = spawnSync(process.execPath, [compiler, '-p', folder, '--pretty', 'false'], {
    encoding: 'utf8',
    cwd: folder,
  })
  const errors = new Map<number, string>()
  let at = 0
  for (const line of stdout.split('\n')) {
    const start = /refused\.ts\((\d+),\d+\): error/.exec(line)
    if (start) at = Number(start[1])
    else if (!line.startsWith(' ')) at = 0
    if (at !== 0) errors.set(at, `${errors.get(at) ?? ''}${line}\n`)
  }
  return errors
}
