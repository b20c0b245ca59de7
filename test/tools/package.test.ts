/** What `npm run build` makes for the package: every door opens, and the command runs. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '../..')
let directory: string

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-package-'))
  await promisify(execFile)(process.execPath, [join(root, 'scripts/build.ts')])
})
after(() => rm(directory, { recursive: true, force: true }))

describe('the package', () => {
  it('opens every door, and a class is the same through all of them', async () => {
    const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      exports: Record<string, string>
    }
    const doors = Object.values(manifest.exports).filter(
      (file) => file.endsWith('.js') && !file.includes('*'),
    )
    const script =
      `const doors = await Promise.all(${JSON.stringify(doors)}.map((file) => import(file)))\n` +
      'const seen = new Map()\n' +
      'for (const door of doors) for (const [name, value] of Object.entries(door)) {\n' +
      '  seen.set(name, (seen.get(name) ?? new Set()).add(value))\n' +
      '}\n' +
      'console.log(JSON.stringify([...seen].map(([name, values]) => [name, values.size])))\n'
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', script],
      { cwd: root },
    )
    const counts = JSON.parse(stdout) as [string, number][]
    assert.ok(counts.length > 30, `${counts.length} names`)
    assert.deepEqual(
      counts.filter(([, count]) => count !== 1),
      [],
    )
  })

  it('has a command that says its version and runs a broker', async () => {
    const command = join(root, 'dist/cli/main.js')
    const { stdout } = await promisify(execFile)(process.execPath, [command, '--version'])
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
    const args = [command, 'broker', '--json', '--port', '0', '--dir', directory]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    assert.ok((JSON.parse(line) as { port: number }).port > 0)
    child.kill('SIGINT')
    const [code] = (await once(child, 'exit')) as [number | null]
    assert.equal(code, 0)
  })
})
