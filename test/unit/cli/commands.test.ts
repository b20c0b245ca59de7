import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Command, runCommand } from '../../airline/command.ts'

const modules = join(import.meta.dirname, 'modules')
const nowhere = '127.0.0.1:9'

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'headwater-cli-'))
})
after(() => rm(root, { recursive: true, force: true }))

describe('a wrong command line', () => {
  const wrong: [string[], RegExp][] = [
    [['start', '--flihgts', '3'], /unknown option '--flihgts'\n\(Did you mean --flights\?\)/],
    [['start', '--flights', '0'], /whole number of at least 1/],
    [['start', '--flights', 'many'], /whole number of at least 1/],
    [['start', '--port', '70000'], /port from 0 to 65535/],
    [['start', '--query-port', 'x'], /port from 0 to 65535/],
    [['start', '--durability', 'wish'], /Allowed choices are disk, os, memory/],
    [
      ['start', '--broker', 'kafka:9092', '--dir', 'x'],
      /cannot be used with option '--dir <path>'/,
    ],
    [
      ['run', 'x.ts', '--broker', 'kafka:9092', '--advertise', 'localhost:1'],
      /cannot be used with option '--advertise/,
    ],
    [
      ['broker', '--listener', 'OUTER=0.0.0.0:9094', '--host', '0.0.0.0'],
      /cannot be used with option '--host <address>'/,
    ],
    [['broker', '--listener', '0.0.0.0:9094'], /NAME=HOST:PORT/],
    [['start', '--host', '0.0.0.0:9092'], /without a port/],
    [['start', 'now'], /too many arguments/],
    [['begin'], /unknown command 'begin'/],
    [['tail'], /missing required argument 'topic'/],
    [['tail', 'x', '--from', 'yesterday'], /beginning, latest/],
    [['topics', 'frobnicate'], /unknown command 'frobnicate'/],
    [['topics', 'create', 'x', '--config', 'compact'], /NAME=VALUE/],
  ]
  for (const [args, message] of wrong) {
    it(`is refused with what it should be: ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await runCommand(args)
      assert.equal(code, 2, stderr)
      assert.match(stderr, message)
      assert.match(stderr, /^headwater: /)
      assert.equal(stdout, '')
      assertNoTrace(stderr)
    })
  }

  it('names every flag of every command in its help', async () => {
    const listening = ['--host', '--port', '--listener', '--advertise']
    const queries = ['--query-host', '--query-port']
    const hosting = ['--dir', ...listening, ...queries, '--durability', '--broker']
    const flags: Record<string, string[]> = {
      start: ['--flights', ...hosting, '--exit', '--json'],
      broker: ['--dir', ...listening, '--durability', '--json'],
      run: [...hosting, '--on-topic-replaced', '--exit', '--json'],
      plan: ['--broker', '--accept', '--json'],
      rebuild: ['--broker', '--yes', '--json'],
      reset: ['--broker', '--yes', '--json'],
      'topics create': ['--broker', '--partitions', '--config', '--json'],
      tail: ['--broker', '--from', '--partition', '--key', '--contracts', '--follow', '--json'],
      get: ['--url', '--window', '--prefix', '--limit', '--json'],
    }
    for (const [command, names] of Object.entries(flags)) {
      const { code, stdout } = await runCommand([...command.split(' '), '--help'])
      assert.equal(code, 0)
      for (const name of names) assert.ok(stdout.includes(name), `${command} ${name}`)
    }
  })
})

describe('a command that cannot be done', () => {
  it('says how many flights there are when more are asked for', async () => {
    await assertFails(
      ['start', '--flights', '3000001'],
      /the file has 3000000: write a number up to/,
    )
  })

  it('names the package to install when the data files are missing', async () => {
    const hooks = `--import=${join(modules, 'without-vega.ts')}`
    const command = new Command(['start', '--exit', '--dir', join(root, 'x')], {
      NODE_OPTIONS: hooks,
    })
    const { code, stderr } = await command.ended
    assert.equal(code, 1, stderr)
    assert.match(stderr, /npm package vega-datasets.*not installed.*npm ci/)
    assertNoTrace(stderr)
  })

  it('names the versions when the data directory is of another one', async () => {
    const dir = join(root, 'version')
    await mkdir(dir)
    await writeFile(join(dir, 'meta.json'), '{"format":999,"clusterId":"0U7SyBAVUQYzeBXq8mh4bQ"}\n')
    await assertFails(['broker', '--port', '0', '--dir', dir], /999/)
  })

  it('says what to do when the data directory cannot be one', async () => {
    const file = join(root, 'file')
    await writeFile(file, 'not a directory')
    await assertFails(['broker', '--port', '0', '--dir', file], /file/)
    if (process.platform !== 'linux') return
    const special = /\/proc\/x: its file system takes no new directories; choose/
    await assertFails(['broker', '--port', '0', '--dir', '/proc/x'], special)
  })

  it('is an entry of the log of a program that has one, also before it opened that', async () => {
    for (const [args, code] of [
      [['run', 'none.ts'], 'input-missing'],
      [['broker', '--config', 'none.json'], 'input-missing'],
      [['broker', '--port', '0', '--dir', '/dev/null'], undefined],
    ] as const) {
      const { stderr } = await runCommand(args)
      const entry = JSON.parse(stderr.trim()) as { level: string; error: { code: string } }
      assert.equal(entry.level, 'error')
      if (code !== undefined) assert.equal(entry.error.code, code)
    }
    assert.match((await runCommand(['plan', 'none.ts'])).stderr, /^headwater: there is no file/)
  })

  it('does not repeat an address that may hold a password', async () => {
    for (const address of ['kafka://a:hush@b@c', 'a:hush@b', 'kafka://a:hush@b?sasl=hush']) {
      for (const command of [['topics'], ['tail', 'x'], ['run', join(modules, 'shop.ts')]]) {
        const { code, stderr } = await new Command([...command, '--broker', address], asText).ended
        assert.equal(code, 1)
        assert.match(stderr, /^headwater: the address of the Kafka cluster /)
        assert.ok(!stderr.includes('hush'), stderr)
      }
    }
  })

  it('says which variable contradicts a flag, and not what it holds', async () => {
    const env = { HEADWATER_BROKER: 'kafka://a:hush@b?sasl=plain' }
    const { code, stderr } = await new Command(['run', 'x.ts', '--dir', 'x'], env).ended
    assert.equal(code, 2)
    assert.match(stderr, /variable 'HEADWATER_BROKER' cannot be used with option '--dir/)
    assert.ok(!stderr.includes('hush'), stderr)
  })

  it('says that no broker is there', async () => {
    await assertFails(['topics', '--broker', nowhere], /127\.0\.0\.1:9.*check the address/)
    await assertFails(['start', '--broker', nowhere], /127\.0\.0\.1:9.*check the address/)
    await assertFails(['tail', 'x', '--broker', nowhere], /127\.0\.0\.1:9.*check the address/)
  })

  it('says that no query server is there', async () => {
    const url = ['--url', 'http://127.0.0.1:9']
    await assertFails(
      ['get', 'board', 'airports', 'X', ...url],
      /no query server answers.*headwater start/,
    )
  })

  it('says what is wrong with a module', async () => {
    const missing = join(root, 'missing.ts')
    await assertFails(['run', missing], /no file .*missing\.ts: correct the path/)
    await assertFails(['run', root], /is a directory: name a module in it/)
    await assertFails(['run', join(modules, 'nothing.ts')], /exports no service/)
    const broken = join(root, 'broken.ts')
    await writeFile(broken, 'export const x = (\n')
    await assertFails(['run', broken], /broken\.ts cannot be loaded: SyntaxError/)
    const contracts = ['--contracts', join(modules, 'shop.ts')]
    await assertFails(['tail', 'nope', ...contracts], /no event of stream 'nope': it has orders/)
  })

  it('says it as JSON where JSON was asked for', async () => {
    const { code, stderr } = await runCommand(['topics', '--broker', nowhere, '--json'])
    assert.equal(code, 1)
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string } }
    assert.equal(error.code, 'connection-failed')
    assert.match(error.message, /check the address/)
  })
})

describe('headwater broker and topics', () => {
  it('make, show, list and delete topics', async () => {
    const broker = new Command(['broker', '--json', '--port', '0', '--dir', join(root, 'broker')])
    await broker.printed('\n')
    const { port } = JSON.parse(broker.stdout) as { port: number }
    const at = ['--broker', `localhost:${port}`]
    assert.equal((await runCommand(['topics', ...at])).stdout, 'This broker has no topics yet.\n')
    const configs = ['--config', 'cleanup.policy=compact', '--config', 'segment.bytes=1048576']
    const create = ['topics', 'create', 'orders', '--partitions', '3', ...configs, ...at]
    const created = await runCommand(create)
    assert.equal(created.stdout, 'created orders with 3 partitions\n', created.stderr)
    await assertFails(['topics', 'create', 'orders', ...at], /exists already.*topics delete orders/)
    await assertFails(['topics', 'create', 'two words', ...at], /two words/)
    await assertFails(
      ['topics', 'describe', 'nope', ...at],
      /no topic 'nope': the topics are orders/,
    )
    await assertFails(['topics', 'delete', 'nope', ...at], /no topic 'nope'/)
    await assertFails(['tail', 'nope', ...at], /nope/)
    await assertFails(['tail', 'orders', '--partition', '3', ...at], /no partition 3: it has 3/)
    const described = await runCommand(['topics', 'describe', 'orders', '--json', ...at])
    assert.partialDeepStrictEqual(JSON.parse(described.stdout), {
      name: 'orders',
      partitions: [0, 1, 2].map((partition) => ({ partition, start: 0, end: 0 })),
      configs: { 'cleanup.policy': 'compact', 'segment.bytes': '1048576' },
    })
    const people = await runCommand(['topics', 'describe', 'orders', ...at])
    assert.match(people.stdout, /set for it: cleanup\.policy=compact, segment\.bytes=1048576/)
    assert.equal(
      (await runCommand(['topics', 'delete', 'orders', ...at])).stdout,
      'deleted orders\n',
    )
    assert.equal((await runCommand(['topics', '--json', ...at])).stdout, '[]\n')
    const HEADWATER_BROKER = `kafka://${nowhere},localhost:${port}`
    const told = await new Command(['topics', '--json'], { HEADWATER_BROKER }).ended
    assert.equal(told.stdout, '[]\n', told.stderr)
    const empty = await new Command(['topics', '--json', ...at], { HEADWATER_BROKER: '' }).ended
    assert.equal(empty.stdout, '[]\n', empty.stderr)
    const beaten = await new Command(['topics', '--json', ...at], { HEADWATER_BROKER: nowhere })
      .ended
    assert.equal(beaten.stdout, '[]\n', beaten.stderr)
    broker.process.kill('SIGTERM')
    assert.equal((await broker.ended).code, 0)
  })
})

describe('headwater run', () => {
  it('runs the services of a module, answers queries and stops at Ctrl-C', async () => {
    const ports = ['--port', '0', '--query-port', '0', '--dir', join(root, 'run')]
    const exited = await runCommand(['run', join(modules, 'shop.ts'), '--exit', '--json', ...ports])
    assert.equal(exited.code, 0, exited.stderr)
    const [started, ...counts] = exited.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { services?: string[] })
    assert.deepEqual(started!.services, ['checkout', 'desk'])
    assert.deepEqual(counts[0], { service: 'checkout', recordsIn: 3, recordsOut: 3 })

    const command = new Command(['run', join(modules, 'shop.ts'), '--json', ...ports])
    await command.printed('\n')
    const { queryUrl, kafka } = JSON.parse(command.stdout) as { queryUrl: string; kafka: string }
    const get = async (...args: string[]) =>
      (await runCommand(['get', 'desk', ...args, '--json', '--url', queryUrl])).stdout
    assert.equal(await get('perCustomer', 'ada'), '2\n')
    assert.partialDeepStrictEqual(JSON.parse(await get('orders', 'o-1')), { customerId: 'ben' })
    assert.partialDeepStrictEqual(JSON.parse(await get('orders', '--limit', '2')), { more: true })
    const contracts = ['--contracts', join(modules, 'shop.ts')]
    const tail = await runCommand(['tail', 'orders', '--broker', kafka, ...contracts])
    assert.equal(tail.stdout.trim().split('\n').length, 3, 'a second run adds nothing')
    assert.match(tail.stdout, /o-1 {2}\{"orderId":"o-1","customerId":"ben"/)
    command.process.kill('SIGINT')
    const { code, stderr } = await command.ended
    assert.equal(code, 0, stderr)
    assertNoTrace(stderr)
  })
})

describe('a command that stays up', () => {
  it('says when it closed the connection of a client that speaks no Kafka', async () => {
    const ports = ['--port', '0', '--query-port', '0', '--dir', join(root, 'notes')]
    const command = new Command(['run', join(modules, 'shop.ts'), '--json', ...ports])
    await command.printed('\n')
    const { kafka } = JSON.parse(command.stdout) as { kafka: string }
    const client = connect(Number(kafka.split(':')[1]), '127.0.0.1')
    client.end('GET / HTTP/1.1\r\n\r\n').resume()
    await once(client, 'close')
    command.process.kill('SIGTERM')
    const { code, stderr } = await command.ended
    assert.equal(code, 0, stderr)
    assert.match(stderr, /closed the connection from 127\.0\.0\.1/)
  })

  it('stops at Ctrl-C while it still looks for its broker', async () => {
    const silent = createServer()
    await once(silent.listen(0, '127.0.0.1'), 'listening')
    const { port } = silent.address() as AddressInfo
    const broker = ['--broker', `127.0.0.1:${port}`, '--query-port', '0']
    const command = new Command(['run', join(modules, 'shop.ts'), ...broker])
    const [socket] = (await once(silent, 'connection')) as [Socket]
    command.process.kill('SIGINT')
    const { code, stderr } = await command.ended
    socket.destroy()
    silent.close()
    assert.equal(code, 130, stderr)
    assert.match(stderr, /stopped before it was done/)
    assertNoTrace(stderr)
  })
})

/** Errors as people read them, also of programs with a log. */
const asText = { HEADWATER_LOG_FORMAT: 'pretty' }

async function assertFails(args: readonly string[], message: RegExp): Promise<void> {
  const { code, stdout, stderr } = await new Command(args, asText).ended
  assert.equal(code, 1, `${args.join(' ')}: ${stderr}`)
  assert.match(stderr, message)
  assert.match(stderr, /^headwater: /)
  assert.equal(stdout, '')
  assertNoTrace(stderr)
}

function assertNoTrace(stderr: string): void {
  assert.doesNotMatch(stderr, /\n {4}at |node:internal/)
}
