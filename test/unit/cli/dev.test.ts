/** `headwater dev` as a process: what starts again, what stays, and what is left when it ends. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, afterEach, beforeEach, describe, it } from 'node:test'
import { message, proto } from '../codegen/contracts.ts'
import { Command } from '../../airline/command.ts'

const repository = join(import.meta.dirname, '../../..')
const root = mkdtempSync(join(tmpdir(), 'headwater-dev-'))
after(() => rmSync(root, { recursive: true, force: true }))

let place = ''
beforeEach(() => {
  place = mkdtempSync(join(root, 'case-'))
})

const write = (file: string, text: string) => writeFileSync(join(place, file), text)

/** `headwater dev FILE` in the place, on free ports. */
function dev(file: string, ...more: string[]): Command {
  const bin = join(repository, 'bin/headwater.mjs')
  const script =
    `process.chdir(${JSON.stringify(place)}); process.argv.splice(1, 1, ${JSON.stringify(bin)}); ` +
    `await import(${JSON.stringify(bin)})`
  write('in-place.mjs', script)
  const args = ['dev', file, '--port', '0', '--query-port', '0', '--json', ...more]
  const command = new Command(args, {}, join(place, 'in-place.mjs'))
  commands.push(command)
  return command
}

/** A test that fails half way leaves its command to be ended. */
const commands: Command[] = []
afterEach(() => {
  for (const command of commands.splice(0)) command.process.kill('SIGKILL')
})

/** Waits until the command has said it on standard error. */
async function said(command: Command, text: string): Promise<void> {
  while (!command.stderr.includes(text)) {
    assert.equal(command.process.exitCode, null, command.stderr)
    await sleep(20)
  }
}

/** Says its name, its process id and the broker it was given, and stays. */
const program = `
import { name } from './name.ts'
console.log(name, process.pid, process.env.HEADWATER_BROKER)
setInterval(() => {}, 1000)
`
const named = (name: string) => `export const name: string = '${name}'\n`

/** What the program of this name has said last. */
function started(
  command: Command,
  name: string,
): { readonly pid: number; readonly broker: string } {
  const [, pid, broker] = [
    ...command.stdout.matchAll(new RegExp(`^${name} (\\d+) (\\S+)$`, 'gm')),
  ].at(-1)!
  return { pid: Number(pid), broker: broker! }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('headwater dev', () => {
  it('starts a program again on the same broker when a file changes, and ends it at Ctrl-C', async () => {
    write('main.ts', program)
    write('name.ts', named('one'))
    const command = dev('main.ts')
    await command.printed('one ')
    write('some.test.ts', '')
    write('name.ts', named('two'))
    await command.printed('two ')
    assert.match(command.stderr, /^name\.ts changed: starting again$/m)
    const [one, two] = [started(command, 'one'), started(command, 'two')]
    assert.match(one.broker, /^127\.0\.0\.1:\d+$/)
    assert.equal(two.broker, one.broker)
    assert.ok(!isAlive(one.pid))
    command.process.kill('SIGINT')
    assert.equal((await command.ended).code, 0)
    assert.ok(!isAlive(two.pid))
  })

  it('hosts the services that a module exports, and keeps their state', async () => {
    const services = join(repository, 'test/unit/cli/modules/shop.ts')
    write('main.ts', `export * from '${services}'\n`)
    const command = dev('main.ts')
    await orders(command, 1)
    write('main.ts', `export * from '${services}' // again\n`)
    await orders(command, 2)
    command.process.kill('SIGINT')
    assert.equal((await command.ended).code, 0, command.stderr)
  })

  it('shows where a start fails, waits, and tries again at the next change', async () => {
    write('main.ts', program)
    write('name.ts', 'export const name = = 1\n')
    const command = dev('main.ts')
    await said(command, 'the services ended with exit code 1; the next change starts them again')
    assert.match(command.stderr, /name\.ts:1\n/)
    assert.match(command.stderr, /SyntaxError/)
    write('name.ts', "throw new Error('not today')\n" + named('one'))
    await said(command, 'not today')
    write('name.ts', named('two'))
    await command.printed('two ')
    command.process.kill('SIGINT')
    assert.equal((await command.ended).code, 0)
  })

  it('kills services that do not stop in time, and says so', async () => {
    write('main.ts', `process.on('SIGTERM', () => console.log('no'))\n${program}`)
    write('name.ts', named('one'))
    const command = dev('main.ts')
    await command.printed('one ')
    write('name.ts', named('two'))
    await command.printed('two ')
    assert.match(command.stderr, /^the services did not stop within 5000 ms, and were killed$/m)
  })

  it('leaves no services behind when it is killed itself', async () => {
    write('main.ts', program)
    write('name.ts', named('one'))
    const command = dev('main.ts')
    await command.printed('one ')
    const { pid } = started(command, 'one')
    command.process.kill('SIGKILL')
    await command.ended
    while (isAlive(pid)) await sleep(20)
  })

  it('generates when a contract changes, and starts again with what came of it', async () => {
    mkdirSync(join(place, 'proto'))
    write('proto/a.proto', proto('a', message('A', 'name: "first" kind: KIND_UNKEYED')))
    write('main.ts', program)
    write('name.ts', named('one'))
    const command = dev('main.ts')
    await command.printed('one ')
    write('proto/a.proto', proto('a', message('A', 'name: "second" kind: KIND_UNKEYED')))
    await said(command, 'changed: starting again')
    assert.match(command.stderr, /^gen\/\S+( and \d more)? changed/m)
    assert.match(readFileSync(join(place, 'gen/streams.ts'), 'utf8'), /Second = unkeyed/)
    command.process.kill('SIGINT')
    assert.equal((await command.ended).code, 0)
  })

  it('says at once that there is no such file, or that its port is in use', async () => {
    const missing = await dev('nowhere.ts').ended
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /there is no file \S+nowhere\.ts/)
    write('main.ts', program)
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const { code, stderr } = await dev('main.ts', '--port', String(port)).ended
    server.close()
    assert.equal(code, 1)
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string } }
    assert.equal(error.code, 'port-in-use')
    assert.match(error.message, new RegExp(`port ${port}`))
  })
})

/** Resolves when so many starts have said where their queries are, and the last one answers what was counted. */
async function orders(command: Command, count: number): Promise<void> {
  const urls = () => [...command.stdout.matchAll(/"queryUrl":"([^"]+)"/g)].map(([, url]) => url!)
  while (urls().length < count) {
    assert.equal(command.process.exitCode, null, command.stderr)
    await sleep(20)
  }
  const url = `${urls().at(-1)}/v1/desk/perCustomer/ada`
  for (;;) {
    const response = await fetch(url)
    const text = await response.text()
    if (response.ok && text.trim() === '2') return
    // The first start is still counting, and a later one never shows less.
    assert.ok(count === 1 || response.status === 503, `${response.status} ${text}`)
    await sleep(20)
  }
}
