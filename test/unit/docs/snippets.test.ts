/** Every TypeScript snippet of the pages compiles against the sources, as its reader would have it compiled. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { pages, readPage, root, snippetsOf } from './markdown.ts'
import { preambles, readersModules } from './preambles.ts'

const folder = mkdtempSync(join(tmpdir(), 'headwater-snippets-'))
after(() => rmSync(folder, { recursive: true }))
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))

describe('the snippets', () => {
  const snippets = pages.flatMap((page) => complete(page))
  generateContracts()

  it('are in TypeScript on the front page, on ten of the pages and in five of the guides', () => {
    const found = [...new Set(snippets.map(({ page }) => page))].toSorted()
    assert.deepEqual(found, [
      'README.md',
      'docs/clusters.md',
      'docs/commands.md',
      'docs/deciding.md',
      'docs/effects.md',
      'docs/errors.md',
      'docs/guides/a-web-application-that-decides.md',
      'docs/guides/from-an-empty-folder.md',
      'docs/guides/http-application.md',
      'docs/guides/several-instances.md',
      'docs/guides/testing-a-service.md',
      'docs/operations/running.md',
      'docs/operations/tracing.md',
      'docs/postgres.md',
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

/** The contracts that a guide has its reader write, where its snippets look for what is made of them. */
function generateContracts(): void {
  const contracts = pages
    .flatMap((page) => snippetsOf(readPage(page)))
    .filter(({ note }) => /^file: .*\.proto$/.test(note))
  for (const { note, code } of contracts) {
    const path = join(folder, note.replace('file: ', ''))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, code)
  }
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'src/cli/main.ts'), 'gen'], {
    cwd: folder,
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
}

function preambleOf(note: string, where: string): string {
  // A whole file, as its reader would write it.
  if (note === '' || note.startsWith('file: ')) return ''
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
      .replaceAll("'../gen/", "'./gen/")
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
        'headwater/schema/gen/*': [join(root, 'src/schema/gen/*')],
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
