/**
 * A broker that is reached at other addresses than it listens on: through a forwarder, which plays a mapped
 * port or a tunnel, over IPv6, and from other machines. Real processes, and clients that know nothing of us.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as dialSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import kafkajs, { type ISocketFactory } from 'kafkajs'
import { addressText, type Address } from '../../src/base/address.ts'
import type { OpenListener } from '../../src/broker/listeners.ts'
import { nodeNetwork } from '../../src/io/node-network.ts'
import { Command, runCommand } from '../airline/command.ts'
import { createTopic, RawClient } from './raw-client.ts'
import { until } from './running-broker.ts'
import { Forwarder, noIPv6, outsideAddress } from './this-machine.ts'

const shop = join(import.meta.dirname, '../unit/cli/modules/shop.ts')

/** Nobody listens here. */
const nowhere = '127.0.0.1:9'

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'headwater-listeners-'))
})
after(() => rm(root, { recursive: true, force: true }))

interface Said extends Address {
  readonly listeners: readonly OpenListener[]
}

let brokers = 0

/** `headwater broker` in a process of its own, until the work is done; its standard error. */
async function withBroker(
  flags: readonly string[],
  work: (said: Said) => Promise<void>,
): Promise<string> {
  const dir = join(root, `broker-${brokers++}`)
  const command = new Command(['broker', '--json', '--dir', dir, ...flags])
  try {
    await command.printed('\n')
    await work(JSON.parse(command.stdout) as Said)
  } finally {
    command.process.kill('SIGTERM')
  }
  const { code, stderr } = await command.ended
  assert.equal(code, 0, stderr)
  return stderr
}

/** Where a client that dials an address is told to go on. */
async function toldAt({ host, port }: Address): Promise<Address> {
  const client = new RawClient(await nodeNetwork.connect(host, port))
  const { brokers: all } = await client.ask('Metadata', 12, { topics: [] })
  client.close()
  return { host: all[0]!.host, port: all[0]!.port }
}

async function createNotes({ host, port }: Address): Promise<void> {
  const client = new RawClient(await nodeNetwork.connect(host, port))
  await createTopic(client, 'notes')
  client.close()
}

/** Writes with kafkajs and reads back as a member of a group; every address that was dialled. */
async function writeAndRead(address: Address): Promise<ReadonlySet<string>> {
  const dialled = new Set<string>()
  const socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
    dialled.add(addressText({ host, port }))
    return dialSocket({ host, port }, onConnect)
  }
  const kafka = new kafkajs.Kafka({
    brokers: [addressText(address)],
    socketFactory,
    logLevel: kafkajs.logLevel.NOTHING,
  })
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic: 'notes', messages: [{ value: 'one' }, { value: 'two' }] })
  await producer.disconnect()
  const values: string[] = []
  const consumer = kafka.consumer({ groupId: 'readers', maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topic: 'notes', fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message }) => void values.push(message.value!.toString()),
  })
  await until(() => values.length === 2, 'two records')
  await consumer.disconnect()
  assert.deepEqual(values.toSorted(), ['one', 'two'])
  return dialled
}

describe('a broker behind a mapped port', () => {
  let mapped: Forwarder
  before(async () => {
    mapped = await Forwarder.open()
  })
  after(() => mapped.close())

  it('sends its clients to the address it advertises, and to no other', async () => {
    const outer = { host: '127.0.0.1', port: mapped.port }
    const flags = ['--host', '0.0.0.0', '--port', '0', '--advertise', addressText(outer)]
    await withBroker(flags, async ({ host, port, listeners }) => {
      assert.deepEqual(listeners, [{ name: 'PLAINTEXT', host, port, advertised: outer }])
      mapped.upstream = { host: '127.0.0.1', port }
      assert.deepEqual(await toldAt(outer), outer)
      assert.deepEqual(await writeAndRead(outer), new Set([addressText(outer)]))
      const at = ['--broker', addressText(outer)]
      const before = mapped.connections
      const { stdout } = await runCommand(['tail', 'notes', '--json', ...at])
      assert.match(stdout, /"one"/)
      assert.ok(mapped.connections > before)
    })
  })

  it('has other clients at a listener of their own', async () => {
    const outer = { host: 'localhost', port: mapped.port }
    const listeners = ['--listener', 'INNER=127.0.0.1:0', '--listener', 'OUTER=127.0.0.1:0']
    await withBroker([...listeners, '--advertise', `OUTER=${addressText(outer)}`], async (said) => {
      const [inner, own] = said.listeners.map(({ host, port }) => ({ host, port }))
      mapped.upstream = own
      assert.deepEqual(await toldAt({ host: '127.0.0.1', port: mapped.port }), outer)
      assert.deepEqual(await toldAt(inner!), inner)
      assert.deepEqual(await writeAndRead(outer), new Set([addressText(outer)]))
    })
  })

  it('tells the address that it sees when nothing is advertised', async () => {
    await withBroker(['--port', '0'], async ({ host, port }) => {
      mapped.upstream = { host, port }
      assert.deepEqual(await toldAt({ host: '127.0.0.1', port: mapped.port }), { host, port })
    })
  })

  it('that advertises what nobody can dial is named with its reason', async () => {
    await withBroker(['--port', '0', '--advertise', nowhere], async (said) => {
      const at = ['--broker', addressText(said)]
      const { code, stderr } = await runCommand(['topics', 'create', 'notes', ...at])
      assert.equal(code, 1)
      assert.match(stderr, /127\.0\.0\.1:9 .*the broker advertises \(advertised\.listeners\)/)
    })
  })
})

describe('a broker on every address', () => {
  it('tells each client the one it dialled, and says once that others can come in', async () => {
    const stderr = await withBroker(
      ['--host', '0.0.0.0', '--port', '0'],
      async ({ host, port }) => {
        assert.equal(host, '0.0.0.0')
        for (const each of ['127.0.0.1', outsideAddress].filter((one) => one !== undefined)) {
          assert.deepEqual(await toldAt({ host: each, port }), { host: each, port })
        }
      },
    )
    assert.equal(stderr.match(/other machines can reach Kafka on 0\.0\.0\.0:\d+/g)?.length, 1)
  })

  it('says no such thing on loopback', async () => {
    assert.equal(await withBroker(['--port', '0'], async () => {}), '')
  })
})

describe('a broker over IPv6', { skip: noIPv6 }, () => {
  it('is reached by clients of others and by our commands', async () => {
    await withBroker(['--host', '::1', '--port', '0'], async ({ host, port }) => {
      assert.equal(host, '::1')
      await createNotes({ host, port })
      const { stdout } = await runCommand(['topics', '--json', '--broker', `[::1]:${port}`])
      assert.match(stdout, /"notes"/)
      assert.deepEqual(await toldAt({ host, port }), { host, port })
    })
  })

  it('says for people where it listens so that it can be dialled', async () => {
    const dir = join(root, 'six')
    const command = new Command(['broker', '--host', '[::1]', '--port', '0', '--dir', dir])
    await command.printed('Ctrl-C')
    assert.match(command.stdout, /^Kafka clients: \[::1\]:\d+\n/)
    command.process.kill('SIGTERM')
    assert.equal((await command.ended).code, 0)
  })
})

/** `headwater run`, until the work is done; its standard error. */
async function withServices(
  flags: readonly string[],
  work: (said: { kafka: string; queryUrl: string }) => Promise<void>,
): Promise<string> {
  const own = ['--query-port', '0', '--dir', join(root, `run-${brokers++}`)]
  const command = new Command(['run', shop, '--json', ...own, ...flags])
  try {
    await command.printed('\n')
    await work(JSON.parse(command.stdout) as { kafka: string; queryUrl: string })
  } finally {
    command.process.kill('SIGTERM')
  }
  const { code, stderr } = await command.ended
  assert.equal(code, 0, stderr)
  return stderr
}

async function answersAt(queryUrl: string): Promise<boolean> {
  const { code } = await runCommand(['get', 'desk', 'perCustomer', '--url', queryUrl])
  return code === 0
}

describe('services that are hosted', () => {
  it('are reached over IPv6, records and queries', { skip: noIPv6 }, async () => {
    await withServices(['--host', '::1', '--port', '0'], async ({ kafka, queryUrl }) => {
      assert.match(kafka, /^\[::1\]:\d+$/)
      assert.match(queryUrl, /^http:\/\/\[::1\]:\d+$/)
      assert.ok(await answersAt(queryUrl))
      const tail = await runCommand(['tail', 'orders', '--limit', '1', '--broker', kafka])
      assert.equal(tail.code, 0, tail.stderr)
    })
  })

  it('are reached from other machines where they are told to listen', async (t) => {
    if (outsideAddress === undefined) return t.skip('this machine has no address but loopback')
    const stderr = await withServices(['--host', outsideAddress, '--port', '0'], async (said) => {
      assert.ok(said.kafka.startsWith(`${outsideAddress}:`))
      assert.ok(said.queryUrl.startsWith(`http://${outsideAddress}:`))
      assert.ok(await answersAt(said.queryUrl))
      assert.equal((await runCommand(['topics', '--broker', said.kafka])).code, 0)
    })
    assert.match(
      stderr,
      /other machines can reach Kafka on .*, queries on .*only networks that you/,
    )
  })

  it('may answer queries elsewhere than Kafka clients', async () => {
    const flags = ['--port', '0', '--query-host', '0.0.0.0']
    const stderr = await withServices(flags, async ({ kafka, queryUrl }) => {
      assert.match(kafka, /^127\.0\.0\.1:/)
      assert.match(queryUrl, /^http:\/\/127\.0\.0\.1:/)
      const { port } = new URL(queryUrl)
      assert.ok(await answersAt(`http://${outsideAddress ?? '127.0.0.1'}:${port}`))
    })
    assert.match(stderr, /other machines can reach queries on 0\.0\.0\.0:\d+,/)
  })

  it('work on a broker that advertises an address they could not dial', async () => {
    await withServices(['--port', '0', '--advertise', nowhere], async ({ kafka, queryUrl }) => {
      assert.equal(kafka, nowhere)
      assert.ok(await answersAt(queryUrl))
    })
  })
})

describe('a broker that cannot listen where it is told to', () => {
  const wrong: [string, readonly string[], RegExp][] = [
    [
      'an address of another machine',
      ['--host', '192.0.2.99', '--port', '0'],
      /cannot listen on 192\.0\.2\.99:0: 192\.0\.2\.99 is not an address of this machine; choose/,
    ],
    [
      'two listeners of one name',
      ['--listener', 'A=127.0.0.1:0', '--listener', 'a=127.0.0.1:0'],
      /two listeners are named A.*give one of them another name/,
    ],
    [
      'an advertised address of no listener',
      ['--port', '0', '--advertise', 'OUTER=localhost:1'],
      /listener OUTER, and there is only PLAINTEXT.*add --listener OUTER=HOST:PORT/,
    ],
    [
      'an advertised wildcard',
      ['--port', '0', '--advertise', '0.0.0.0:9092'],
      /advertises '0\.0\.0\.0', which no client can dial: advertise/,
    ],
  ]
  for (const [what, flags, message] of wrong) {
    it(`says why and what would do: ${what}`, async () => {
      const { code, stderr } = await runCommand(['broker', '--dir', join(root, 'wrong'), ...flags])
      assert.equal(code, 1)
      assert.match(stderr, message)
      assert.equal(stderr.trim().split('\n').length, 1)
    })
  }

  it('says why and what would do: a port that is taken', async () => {
    await withBroker(['--port', '0'], async ({ port }) => {
      const flags = ['--listener', `A=127.0.0.1:${port}`, '--dir', join(root, 'taken')]
      const { code, stderr } = await runCommand(['broker', ...flags])
      assert.equal(code, 1)
      assert.match(stderr, new RegExp(`port ${port} on 127\\.0\\.0\\.1 is in use .*choose another`))
    })
  })
})
