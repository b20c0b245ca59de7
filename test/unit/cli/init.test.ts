/** `headwater init`, and that its template is what the platform of today makes and takes. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Command, runCommand } from '../../airline/command.ts'

const repository = join(import.meta.dirname, '../../..')
const template = join(repository, 'templates/app')
const root = mkdtempSync(join(tmpdir(), 'headwater-init-'))
after(() => rmSync(root, { recursive: true }))

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const manifestOf = (directory: string) =>
  JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest

describe('headwater init', () => {
  it('copies the template under the name of the folder, for the version that runs', async () => {
    const directory = join(root, 'My Shop!')
    const { code, stdout, stderr } = await runCommand(['init', directory, '--json'])
    assert.equal(code, 0, stderr)
    const made = globSync('**/*', { cwd: template, withFileTypes: true }).filter((e) => e.isFile())
    const { files, next } = JSON.parse(stdout) as { files: string[]; next: string[] }
    assert.equal(files.length, made.length)
    assert.deepEqual(
      files.filter((file) => !existsSync(join(directory, file))),
      [],
    )
    assert.equal(next[0], `cd '${directory}'`)
    assert.deepEqual(next.slice(1), ['npm install', 'npm test', 'npm start'])
    assert.match(readFileSync(join(directory, '.gitignore'), 'utf8'), /^data\/$/m)
    const { name, dependencies } = manifestOf(directory)
    assert.equal(name, 'my-shop')
    assert.equal(dependencies['headwater'], manifestOf(repository).version)
  })

  it('asks for another package when told to, and names the program that it was run by', async () => {
    const directory = join(root, 'other')
    const command = new Command(['init', directory, '--headwater', 'file:../headwater.tgz'], {
      npm_config_user_agent: 'pnpm/12.0.0 npm/? node/v24.0.0',
    })
    const { stdout } = await command.ended
    assert.match(stdout, /\n {2}pnpm install\n {2}pnpm test\n {2}pnpm start\n/)
    assert.equal(manifestOf(directory).dependencies['headwater'], 'file:../headwater.tgz')
  })

  it('takes a folder that is empty but for git, and refuses one with something in it', async () => {
    const directory = join(root, 'there')
    mkdirSync(join(directory, '.git'), { recursive: true })
    assert.equal((await runCommand(['init', directory])).code, 0)
    const before = readFileSync(join(directory, 'package.json'), 'utf8')
    writeFileSync(join(directory, 'README.md'), 'mine')
    const { code, stderr } = await runCommand(['init', directory, '--json'])
    assert.equal(code, 1)
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string } }
    assert.equal(error.code, 'config-invalid')
    assert.match(
      error.message,
      /is not empty: there is \.gitignore, README\.md, gen and more\. Name a/,
    )
    assert.equal(readFileSync(join(directory, 'package.json'), 'utf8'), before)
    assert.equal(readFileSync(join(directory, 'README.md'), 'utf8'), 'mine')
  })
})

describe('the template', () => {
  it('has the versions that this repository is tested with', () => {
    const { dependencies, devDependencies } = manifestOf(template)
    const here = manifestOf(repository)
    const ours = { ...here.dependencies, ...here.devDependencies, headwater: '*' }
    const others = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([name, version]) => ours[name as keyof typeof ours] !== version,
    )
    assert.deepEqual(others, [])
  })

  it('has in gen what headwater gen makes of its contracts', () => {
    const out = join(root, 'gen')
    const args = [join(repository, 'src/cli/main.ts'), 'gen', '--out', out]
    const { status, stderr } = spawnSync(process.execPath, args, {
      cwd: template,
      encoding: 'utf8',
    })
    assert.equal(status, 0, stderr)
    const files = globSync('**/*.ts', { cwd: out }).toSorted()
    assert.deepEqual(globSync('**/*.ts', { cwd: join(template, 'gen') }).toSorted(), files)
    for (const file of files) {
      const made = readFileSync(join(out, file), 'utf8')
      assert.equal(readFileSync(join(template, 'gen', file), 'utf8'), made)
    }
  })

  it('has types that hold, under its own settings', () => {
    const paths = {
      headwater: [join(repository, 'src/index.ts')],
      'headwater/testing': [join(repository, 'src/testing/index.ts')],
      'headwater/schema/gen/*': [join(repository, 'src/schema/gen/*')],
    }
    const config = {
      extends: join(template, 'tsconfig.json'),
      compilerOptions: { paths, typeRoots: [join(repository, 'node_modules/@types')] },
      include: ['src', 'test', 'gen'].map((folder) => join(template, folder)),
    }
    const file = join(root, 'tsconfig.json')
    writeFileSync(file, JSON.stringify(config))
    const tsc = join(repository, 'node_modules/.bin/tsc')
    const { stdout } = spawnSync(tsc, ['--pretty', 'false', '-p', file], { encoding: 'utf8' })
    assert.equal(stdout, '')
  })
})
