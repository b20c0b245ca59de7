/** The example is a user like any other: of Headwater it imports public doors only, of npm what a package names. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, it } from 'node:test'

const root = join(import.meta.dirname, '../../..')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, string>>
}
/** The sources of what `exports` names, `*` as it stands there. */
const doors = Object.values(manifest.exports)
  .filter((built) => built.startsWith('./dist/'))
  .map((built) => built.replace('./dist/', 'src/').replace(/\.js$/, '.ts'))
const imported =
  /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g

describe('the example', () => {
  const files = globSync('examples/**/*.ts', { cwd: root })

  it('imports Headwater by its public doors only', () => {
    const uses = files.flatMap((file) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(imported)]
        .map((match) => (match[1] ?? match[2])!)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => ({ file, target: normalize(join(dirname(file), specifier)) }))
        .filter(({ target }) => !target.startsWith('examples/')),
    )
    assert.ok(uses.some(({ target }) => target === 'src/index.ts'))
    assert.deepEqual(
      uses.filter(({ target }) => !isDoor(target)),
      [],
    )
  })

  it('is known to nothing in src but the command that starts it', () => {
    const knowing = globSync('src/**/*.ts', { cwd: root }).filter((file) =>
      /examples\/|airline/i.test(readFileSync(join(root, file), 'utf8')),
    )
    assert.deepEqual(knowing.toSorted(), [
      'src/cli/commands.ts',
      'src/cli/index.ts',
      'src/cli/start.ts',
    ])
  })
})

describe('every door of the package', () => {
  it('is a file', () => {
    for (const door of doors) assert.notDeepEqual(globSync(door, { cwd: root }), [], door)
  })
})

function isDoor(file: string): boolean {
  return doors.some((door) => {
    const [before, after] = door.split('*')
    return after === undefined ? file === door : file.startsWith(before!)
  })
}
