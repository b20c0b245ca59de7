/** Every TypeScript snippet of the pages compiles against the sources, as its reader would have it compiled. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { pages, readPage, root, snippetsOf } from './markdown.ts'
import { preambles, readersModules } from './preambles.ts'

const folder = mkdtempSync(join(tmpdir(), 'headwater-snippets-'))
after(() => rmSync(folder, { recursive: true }))

describe('the snippets', () => {
  const snippets = pages.flatMap((page) => complete(page))

  it('are in TypeScript on the front page and on seven of the pages', () => {
    const found = [...new Set(snippets.map(({ page }) => page))].toSorted()
    assert.deepEqual(found, [
      'README.md',
      'docs/clusters.md',
      'docs/commands.md',
      'docs/effects.md',
      'docs/errors.md',
      'docs/queries.md',
      'docs/sending.md',
      'docs/services.md',
    ])
  })

  it('compile', () => {
    assert.deepEqual(compile(snippets), [])
  })

  it('would not pass with a wrong name in them', () => {
    const wrong = snippets.map((each) => ({ ...each, code: `${each.code}\nnowhere()` }))
    const errors = compile(wrong)
    assert.equal(errors.length, snippets.length, errors.join('\n'))
  })

  it('on the front page are what the example does', () => {
    const [shown] = snippetsOf(readPage('README.md')).filter(({ language }) => language === 'ts')
    const file = readFileSync(join(root, 'examples/airline/disruption.ts'), 'utf8')
    const code = file.slice(file.lastIndexOf('import ')).split('\n').slice(1)
    assert.equal(shown!.code.trim(), code.join('\n').trim())
  })
})

interface Whole {
  readonly page: string
  readonly line: number
  readonly code: string
}

/** A page's snippets with what they leave out. */
function complete(page: string): Whole[] {
  let before = ''
  return snippetsOf(readPage(page))
    .filter(({ language }) => language === 'ts')
    .map(({ line, note, code }) => {
      if (note !== 'continues') before = preambleOf(note, `${page}:${line}`)
      const whole = `${before}\n${code}`
      before = whole
      return { page, line, code: whole }
    })
}

function preambleOf(note: string, where: string): string {
  if (note === '') return ''
  const text = preambles[note.replace('preamble: ', '')]
  assert.ok(text !== undefined, `${where}: '${note}' names no preamble`)
  return text
}

/** The compiler's errors, each with the place of its snippet. */
function compile(snippets: readonly Whole[]): string[] {
  snippets.forEach(({ code }, i) => {
    const placed = code
      .replace(/'(\.\/[^']+\.ts)'/g, (_, file: string) => `'${readersModules[file] ?? file}'`)
      .replaceAll("'./", `'${root}/`)
      .replaceAll(`embedded('${root}/`, "embedded('./")
    writeFileSync(join(folder, `snippet-${i}.ts`), `${placed}\nexport {}\n`)
  })
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      typeRoots: [join(root, 'node_modules/@types')],
      rewriteRelativeImportExtensions: false,
      noUnusedLocals: false,
      noUnusedParameters: false,
      paths: {
        headwater: [join(root, 'src/index.ts')],
        'headwater/*': [join(root, 'src/*/index.ts')],
      },
    },
    include: ['snippet-*.ts'],
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(root, 'node_modules/.bin/tsc')
  const { stdout } = spawnSync(tsc, ['--pretty', 'false', '-p', folder], { encoding: 'utf8' })
  return stdout
    .split('\n')
    .filter((line) => /^\S.*error TS/.test(line))
    .map((line) => {
      const { page, line: at } = snippets[Number(/snippet-(\d+)\.ts/.exec(line)?.[1])] ?? {}
      return `${page}:${at}: ${line}`
    })
}
