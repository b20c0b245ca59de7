/** What a broker does when its process may open no more files. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadwaterError } from '../../../src/base/errors.ts'
import type { BrokerEvent } from '../../../src/broker/broker-event.ts'
import { brokerDefaults, shareDescriptors } from '../../../src/broker/config.ts'
import { nodeNetwork } from '../../../src/io/node-network.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { batchOf, createTopic, produce, RawClient } from '../../conformance/raw-client.ts'
import { aroundFiles } from '../around-files.ts'
import { openBroker } from './open-broker.ts'

test('segments and connections share what the process may open, and leave some over', () => {
  const share = (limit: number) => Object.values(shareDescriptors(limit, brokerDefaults))
  const { connectionsMax, connectionsPerAddressMax } = brokerDefaults
  assert.deepEqual(share(Infinity), [256, connectionsMax, connectionsPerAddressMax])
  assert.deepEqual(share(1024), [256, 704, 528])
  assert.deepEqual(share(256), [64, 128, 96])
  assert.deepEqual(share(20), [16, 16, 12])
  const few = { connectionsMax: 100, connectionsPerAddressMax: 29 }
  assert.equal(shareDescriptors(Infinity, few).connectionsPerAddressMax, 29)
  const none = { connectionsMax: 100, connectionsPerAddressMax: 1_000 }
  assert.equal(shareDescriptors(Infinity, none).connectionsPerAddressMax, 100)
})

test('a broker takes no more connections than there are descriptors for', async () => {
  const open = await openBroker({ descriptorsMax: 100 })
  const { broker } = open
  for (let at = 0; at < 16; at++) await open.client()
  assert.equal(broker.connectionCount, 16)
  await assert.rejects((await open.client()).ask('ApiVersions', 3, {}), /the connection ended/)
  await broker.close()
})

test('without a descriptor left the broker waits, says so, refuses connections, and goes on', async () => {
  const events: BrokerEvent[] = []
  let isShort = false
  const disk = aroundFiles(new SimDisk({ seed: 1 }), (_file, path) => {
    if (isShort && path.includes('/logs/')) throw new HeadwaterError('too-many-files', 'none left')
    return {}
  })
  const report = (event: BrokerEvent): void => {
    if (event.type !== 'started') events.push(event)
  }
  const store = { writeBehindBytes: 100 }
  const open = await openBroker({ disk, report, store, network: nodeNetwork, port: 0 })
  const { broker } = open
  const newcomer = () => RawClient.connect(broker.address!.port)
  const before = await newcomer()
  await createTopic(before, 't')
  isShort = true
  const { errorCode } = await produce(before, 't', batchOf(['x'.repeat(1000)]))
  assert.equal(errorCode, 0)
  while (events.length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  await assert.rejects(
    newcomer().then((client) => client.ask('ApiVersions', 3, {})),
    /ended|ECONNRESET/,
  )
  await (await open.client()).ask('ApiVersions', 3, {})
  isShort = false
  while (events.at(-1)?.type !== 'descriptors-enough') {
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const after = await newcomer()
  await after.ask('ApiVersions', 3, {})
  assert.deepEqual(
    events.slice(0, 2).map(({ type }) => type),
    ['descriptors-short', 'connection-refused'],
  )
  await broker.close()
})
