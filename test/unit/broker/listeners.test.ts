/** Listeners are settled before anything is opened, and each answers with its own address. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Address } from '../../../src/base/address.ts'
import { Broker, type BrokerOptions } from '../../../src/broker/broker.ts'
import {
  clientAddress,
  listenerConfigs,
  settleListeners,
  type ListenerOptions,
} from '../../../src/broker/listeners.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { nodeNetwork } from '../../../src/io/node-network.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { RawClient } from '../../conformance/raw-client.ts'
import { noIPv6 } from '../../conformance/this-machine.ts'

const inner: ListenerOptions = { name: 'INNER', host: '127.0.0.1', port: 0 }
const outer: ListenerOptions = {
  name: 'OUTER',
  host: '127.0.0.1',
  port: 0,
  advertised: { host: 'broker.example.com', port: 19_092 },
}

describe('listeners', () => {
  it('are one on 127.0.0.1 and a free port when nothing is said', () => {
    assert.deepEqual(settleListeners({}), [{ name: 'PLAINTEXT', host: '127.0.0.1', port: 0 }])
  })

  it('are the one that host, port and advertised describe', () => {
    const advertised = { host: 'localhost' }
    assert.deepEqual(settleListeners({ host: '[::]', port: 9092, advertised }), [
      { name: 'PLAINTEXT', host: '::', port: 9092, advertised },
    ])
  })

  it('are those of the list, names in capitals', () => {
    assert.deepEqual(settleListeners({ listeners: [{ ...inner, name: 'inner' }, outer] }), [
      inner,
      outer,
    ])
  })

  const on = (host: string, port: number, name = `ON_${host}`.replace(/[^\w]/g, '_')) => ({
    name,
    host,
    port,
  })
  const together: [string, ListenerOptions[]][] = [
    ['free ports of one host', [on('::', 0, 'A'), on('::', 0, 'B')]],
    ['one port of two hosts', [on('127.0.0.1', 9092), on('127.0.0.2', 9092)]],
    ['one port of IPv4 and IPv6', [on('0.0.0.0', 9092), on('::1', 9092)]],
  ]
  for (const [what, listeners] of together) {
    it(`may have ${what}`, () => assert.equal(settleListeners({ listeners }).length, 2))
  }

  const clashes: [string, ListenerOptions[]][] = [
    ['spelt alike', [on('127.0.0.1', 9092, 'A'), on('127.0.0.1', 9092, 'B')]],
    ['spelt in two ways', [on('::1', 9092, 'A'), on('0:0:0:0:0:0:0:1', 9092, 'B')]],
    ['of which one is every address of IPv4', [on('127.0.0.1', 9092), on('0.0.0.0', 9092)]],
    ['of which one is every address', [on('::', 9092), on('10.0.0.5', 9092)]],
  ]
  for (const [what, listeners] of clashes) {
    it(`are refused with one port of two hosts ${what}`, () => {
      assert.throws(() => settleListeners({ listeners }), {
        code: 'config-invalid',
        message: /would take the same port: give one of them another/,
      })
    })
  }

  const wrong: [string, Parameters<typeof settleListeners>[0], RegExp][] = [
    ['a list beside a host', { host: '::', listeners: [inner] }, /put them into the list/],
    ['a list beside a port', { port: 1, listeners: [inner] }, /put them into the list/],
    [
      'a list beside an advertised address',
      { advertised: { host: 'a' }, listeners: [inner] },
      /put them into the list/,
    ],
    ['an empty list', { listeners: [] }, /listeners is empty: name one, or leave it out/],
    [
      'two of one name',
      { listeners: [inner, { ...outer, name: 'Inner' }] },
      /two listeners are named INNER.*give one of them another name/,
    ],
    ['a name that is none', { listeners: [{ ...inner, name: 'a b' }] }, /'a b'.*as in EXTERNAL/],
    ['an empty name', { listeners: [{ ...inner, name: '' }] }, /''.*as in EXTERNAL/],
    ['no host', { host: '' }, /PLAINTEXT is to listen on '': write an address of this machine/],
    ['a host with a port', { host: '0.0.0.0:9092' }, /write an address .* without a port/],
    ['a port that is none', { port: 65_536 }, /port 65536: write a whole number up to 65535/],
    ['a port of a fraction', { port: 1.5 }, /port 1\.5: write a whole number/],
    ['a port below 0', { port: -1 }, /port -1: write a whole number/],
    ['an advertised wildcard', { advertised: { host: '0.0.0.0' } }, /no client can dial/],
    ['an advertised wildcard of IPv6', { advertised: { host: '[::]' } }, /no client can dial/],
    ['no advertised host', { advertised: { host: '' } }, /no client can dial/],
    [
      'an advertised port that none can dial',
      { advertised: { host: 'a', port: 0 } },
      /advertises port 0: write a whole number from 1 to 65535, or leave it out/,
    ],
    [
      'an advertised port that is none',
      { advertised: { host: 'a', port: 65_536 } },
      /advertises port 65536/,
    ],
  ]
  for (const [what, options, message] of wrong) {
    it(`are refused with ${what}`, () => {
      assert.throws(() => settleListeners(options), { code: 'config-invalid', message })
    })
  }

  it('are shown as settings of Kafka', () => {
    const six = { name: 'SIX', host: '::1', port: 9094, advertised: { host: 'fd00::5' } }
    assert.deepEqual(Object.fromEntries(listenerConfigs([inner, six, outer])), {
      listeners: 'INNER://127.0.0.1:0,SIX://[::1]:9094,OUTER://127.0.0.1:0',
      'advertised.listeners': 'SIX://[fd00::5]:9094,OUTER://broker.example.com:19092',
    })
    assert.equal(listenerConfigs([inner]).get('advertised.listeners'), undefined)
  })

  it('are dialled from this machine at what they advertise, or at loopback for a wildcard', () => {
    const advertised = { host: 'broker.example.com', port: 1 }
    assert.deepEqual(clientAddress({ name: 'INNER', host: '::', port: 0, advertised }), advertised)
    assert.deepEqual(clientAddress({ name: 'INNER', host: '::', port: 0 }), {
      host: '::1',
      port: 0,
    })
  })
})

/** A broker on a disk in memory that listens. */
function open(options: Partial<BrokerOptions>): Promise<Broker> {
  return Broker.open({
    disk: new SimDisk({ seed: 1 }),
    clock: nodeClock,
    random: nodeRandom,
    network: nodeNetwork,
    directory: 'data',
    ...options,
  })
}

async function clientAt({ host, port }: Address): Promise<RawClient> {
  return new RawClient(await nodeNetwork.connect(host, port))
}

/** Where each answer that names the broker says it is. */
async function toldTo(client: RawClient): Promise<Address[]> {
  const at = ({ host, port }: Address): Address => ({ host, port })
  const metadata = await client.ask('Metadata', 12, { topics: [] })
  const cluster = await client.ask('DescribeCluster', 1, {})
  const keys = { keyType: 0, coordinatorKeys: ['g'] }
  const coordinators = await client.ask('FindCoordinator', 6, keys)
  const coordinator = await client.ask('FindCoordinator', 2, { keyType: 1, key: 't' })
  client.close()
  return [
    at(metadata.brokers[0]!),
    at(cluster.brokers[0]!),
    at(coordinators.coordinators[0]!),
    at(coordinator),
  ]
}

const four = (address: Address) => [address, address, address, address]

describe('a broker', () => {
  it('tells each client what the listener it came by advertises, or the address it dialled', async () => {
    await using broker = await open({ listeners: [inner, outer] })
    const [first, second] = broker.listeners
    const dialled = { host: '127.0.0.1', port: first!.port }
    assert.deepEqual(await toldTo(await clientAt(first!)), four(dialled))
    const advertised = { host: 'broker.example.com', port: 19_092 }
    assert.deepEqual(await toldTo(await clientAt(second!)), four(advertised))
    assert.deepEqual(broker.listeners, [
      { ...dialled, name: 'INNER' },
      { name: 'OUTER', host: '127.0.0.1', port: second!.port, advertised },
    ])
    assert.deepEqual(broker.address, dialled)
  })

  it('advertises its own port when only a host is given', async () => {
    await using broker = await open({ advertised: { host: 'broker.example.com' } })
    const { port } = broker.listeners[0]!
    const advertised = { host: 'broker.example.com', port }
    assert.deepEqual(await toldTo(await clientAt({ host: '127.0.0.1', port })), four(advertised))
    assert.deepEqual(broker.address, advertised)
  })

  it('tells a client inside the process what that dialled, whatever is advertised', async () => {
    await using broker = await open({ listeners: [outer] })
    const client = new RawClient(await broker.dial('here', 7))
    assert.deepEqual(await toldTo(client), four({ host: 'here', port: 7 }))
  })

  it('that listens everywhere tells each client the address it dialled', async () => {
    await using broker = await open({ host: '0.0.0.0' })
    const { host, port } = broker.listeners[0]!
    assert.equal(host, '0.0.0.0')
    assert.deepEqual(broker.address, { host: '127.0.0.1', port })
    const dialled = { host: '127.0.0.1', port }
    assert.deepEqual(await toldTo(await clientAt(dialled)), four(dialled))
  })

  it('that listens everywhere of both kinds does, too', { skip: noIPv6 }, async () => {
    await using broker = await open({ host: '::' })
    const { port } = broker.listeners[0]!
    assert.deepEqual(broker.address, { host: '::1', port })
    for (const host of ['127.0.0.1', '::1']) {
      assert.deepEqual(await toldTo(await clientAt({ host, port })), four({ host, port }))
    }
  })

  it('names the host of a member as it is, of IPv6, too', { skip: noIPv6 }, async () => {
    await using broker = await open({ host: '::' })
    const { port } = broker.listeners[0]!
    for (const host of ['127.0.0.1', '::1']) {
      const client = await clientAt({ host, port })
      await client.ask('JoinGroup', 3, {
        groupId: host,
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 10_000,
        memberId: '',
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: new Uint8Array() }],
      })
      const { groups } = await client.ask('DescribeGroups', 5, { groups: [host] })
      assert.equal(groups[0]!.members[0]!.clientHost, `/${host}`)
      client.close()
    }
  })

  it('shows its listeners among its settings', async () => {
    await using broker = await open({ listeners: [inner, outer] })
    const client = new RawClient(await broker.dial('here', 7))
    const configurationKeys = ['listeners', 'advertised.listeners']
    const resource = { resourceType: 4, resourceName: '1', configurationKeys }
    const { results } = await client.ask('DescribeConfigs', 4, { resources: [resource] })
    assert.deepEqual(
      new Map(results[0]!.configs.map(({ name, value }) => [name, value])),
      listenerConfigs([inner, outer]),
    )
  })

  it('that cannot have all its listeners leaves none behind', async () => {
    const taken = await nodeNetwork.listen('127.0.0.1', 0, () => {})
    const free = await nodeNetwork.listen('127.0.0.1', 0, () => {})
    await free.close()
    const listeners = [
      { ...inner, port: free.port },
      { ...outer, port: taken.port },
    ]
    await assert.rejects(open({ listeners }), {
      code: 'port-in-use',
      message: new RegExp(`port ${taken.port} on 127\\.0\\.0\\.1 is in use.*choose another port`),
    })
    await taken.close()
    await using broker = await open({ listeners })
    assert.equal(broker.listeners.length, 2)
  })

  it('stops listening everywhere when it is closed', async () => {
    const broker = await open({ listeners: [inner, outer] })
    await broker.close()
    for (const { host, port } of broker.listeners) {
      await assert.rejects(nodeNetwork.connect(host, port), { code: 'connection-failed' })
    }
  })

  it('refuses listeners that cannot be before it touches its directory', async () => {
    const disk = new SimDisk({ seed: 1 })
    await assert.rejects(open({ disk, listeners: [] }), { code: 'config-invalid' })
    assert.equal(await disk.exists('data'), false)
  })

  it('listens nowhere without a network', async () => {
    await using broker = await Broker.open({
      disk: new SimDisk({ seed: 1 }),
      clock: nodeClock,
      random: nodeRandom,
      directory: 'data',
    })
    assert.equal(broker.address, undefined)
    assert.deepEqual(broker.listeners, [])
  })
})
