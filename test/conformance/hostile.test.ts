/** Clients that lie, stop in the middle, or do not read; and one that goes on unharmed beside them. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { ErrorCode } from '../../src/protocol/errors.ts'
import { batchOf, createTopic, produce, RawClient } from './raw-client.ts'
import { runBroker, until, type RunningBroker } from './running-broker.ts'

let running: RunningBroker
let good: RawClient
let written = 0

before(async () => {
  running = await runBroker({ config: { frameBytesMax: 10 * 1024 * 1024, connectionsMax: 50 } })
  good = await RawClient.connect(running.port)
  await createTopic(good, 'steady')
})
after(async () => {
  good.close()
  await running.close()
})

/** What the well-behaved client does after each attack: it writes, and reads all it ever wrote. */
async function stillFine(): Promise<void> {
  const produced = await produce(good, 'steady', batchOf([`value ${written}`]))
  assert.equal(produced.errorCode, ErrorCode.NONE)
  assert.equal(produced.baseOffset, written++)
}

async function attack(bytes: Uint8Array): Promise<void> {
  const client = await RawClient.connect(running.port)
  client.duplex.write([bytes])
  await client.ended()
}

describe('the broker', () => {
  it('closes on random bytes and says why', async () => {
    const before = running.events.length
    for (let i = 0; i < 30; i++) {
      const bytes = randomBytes(64 + i * 7)
      // A frame of believable length, so that its inside is looked at.
      if (i % 2 === 0) bytes.writeInt32BE(bytes.length - 4, 0)
      else bytes.writeInt32BE(0x7fff_fff0, 0)
      await attack(bytes)
    }
    assert.equal(running.events.length - before, 30)
    await stillFine()
  })

  it('closes on a length that is too large, negative, or never followed up', async () => {
    await attack(Uint8Array.of(0x7f, 0xff, 0xff, 0xff))
    await attack(Uint8Array.of(0xff, 0xff, 0xff, 0xff))
    const text = running.events.map((event) => (event as { reason: string }).reason).join('\n')
    assert.match(text, /announces 2147483647 bytes and 10485760 are allowed/)
    await stillFine()
  })

  it('closes on a valid request with a hostile count in it', async () => {
    // Metadata v1 with a topic array of 2^31 - 1 items.
    const body = [0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]
    await attack(Uint8Array.of(0, 0, 0, body.length, ...body))
    await stillFine()
  })

  it('forgets half a frame when its sender hangs up', async () => {
    const client = await RawClient.connect(running.port)
    client.duplex.write([Uint8Array.of(0, 0, 1, 0, 0, 3)])
    await stillFine()
    client.close()
    await until(() => running.broker.connectionCount === 1, 'the connection to be forgotten')
    await stillFine()
  })

  it('ends a waiting fetch when its client is gone', async () => {
    const client = await RawClient.connect(running.port)
    client.send('Fetch', 11, {
      maxWaitMs: 50_000,
      minBytes: 1_000_000,
      topics: [
        {
          topic: 'steady',
          partitions: [{ partition: 0, fetchOffset: written, partitionMaxBytes: 1 }],
        },
      ],
    })
    await stillFine()
    client.close()
    await until(() => running.broker.connectionCount === 1, 'the connection to be forgotten')
    await stillFine()
  })

  it('stops working for a client that does not read', async () => {
    const client = await RawClient.connect(running.port)
    await createTopic(client, 'large')
    const value = 'x'.repeat(900_000)
    for (let i = 0; i < 8; i++) await produce(client, 'large', batchOf([value]))
    client.duplex.pause()
    const resident = process.memoryUsage().arrayBuffers
    for (let i = 0; i < 500; i++) {
      client.send('Fetch', 11, {
        maxWaitMs: 0,
        minBytes: 1,
        topics: [
          {
            topic: 'large',
            partitions: [{ partition: 0, fetchOffset: i % 8, partitionMaxBytes: 8_000_000 }],
          },
        ],
      })
    }
    for (let i = 0; i < 20; i++) await stillFine()
    const grown = process.memoryUsage().arrayBuffers - resident
    assert.ok(grown < 500_000_000, `${grown} bytes more for a client that reads nothing`)
    client.close()
    await stillFine()
  })

  it('answers an ApiVersions of an unknown version in version 0, and ends other unknown requests', async () => {
    const client = await RawClient.connect(running.port)
    client.duplex.write([Uint8Array.of(0, 0, 0, 10, 0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff)])
    const frame = await client.receive()
    assert.deepEqual([...frame!.subarray(0, 6)], [0, 0, 0, 7, 0, ErrorCode.UNSUPPORTED_VERSION])
    // The connection lives on, and the client may ask again.
    const { apiKeys } = await client.ask('ApiVersions', 4, {
      clientSoftwareName: 'raw',
      clientSoftwareVersion: '1',
    })
    assert.ok(apiKeys.some(({ apiKey, minVersion }) => apiKey === 0 && minVersion === 0))
    client.duplex.write([Uint8Array.of(0, 0, 0, 10, 0, 99, 0, 0, 0, 0, 0, 8, 0xff, 0xff)])
    await client.ended()
    await stillFine()
  })

  it('turns away connections beyond its bound', async () => {
    const clients: RawClient[] = []
    while (running.broker.connectionCount < 50) clients.push(await RawClient.connect(running.port))
    const late = await RawClient.connect(running.port)
    await late.ended()
    await stillFine()
    for (const client of clients) client.close()
    await until(() => running.broker.connectionCount === 1, 'the connections to be forgotten')
  })

  it('has every record of the well-behaved client, once and in order', async () => {
    const { topics } = await good.ask('ListOffsets', 7, {
      replicaId: -1,
      topics: [{ name: 'steady', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    })
    assert.equal(topics[0]?.partitions[0]?.offset, written)
  })
})
