/**
 * Compressed batches between our client and Kafka's own: each reads what the other wrote, through our
 * broker, which stores the bytes as they come.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { runKafkaTool } from '../../scripts/kafka/tool.ts'
import { Broker } from '../../src/broker/broker.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import { nodeClock, nodeRandom } from '../../src/io/node-clock.ts'
import { nodeDisk } from '../../src/io/node-disk.ts'
import { nodeNetwork } from '../../src/io/node-network.ts'
import { compressionOf, readBatchHeader } from '../../src/records/batch.ts'
import type { Peer } from '../client-suite/peer.ts'
import { bytes, connect, freshTopic, keepAwake, readAll, text } from '../client-suite/peer.ts'
import { Consumer } from '../../src/client/consumer/consumer.ts'

const compressions = ['gzip', 'snappy', 'lz4', 'zstd'] as const
/** Large enough for several blocks of each format, and not all alike. */
const lines = Array.from({ length: 3_000 }, (_, i) => `line ${i} ${'abc'.repeat(i % 40)}`)

describe('compressed batches between our client and Java', () => {
  keepAwake()
  const directory = mkdtempSync(join(tmpdir(), 'headwater-compression-'))
  let broker: Broker
  let peer: Peer
  let server: string

  before(async () => {
    const ports = { disk: nodeDisk, clock: nodeClock, random: nodeRandom, network: nodeNetwork }
    broker = await Broker.open({ ...ports, directory, durability: 'os' })
    const { host, port } = broker.address!
    peer = { bootstrap: [{ host, port }], dial: (to, at) => nodeNetwork.connect(to, at) }
    server = `${host}:${port}`
  })
  after(async () => {
    await broker.close()
    rmSync(directory, { recursive: true })
  })

  for (const compression of compressions) {
    test(`the console consumer reads what we compress with ${compression}`, async () => {
      await using cluster = await connect(peer)
      const topic = await freshTopic(cluster)
      await using producer = new Producer(cluster, { compression, lingerMs: 1_000 })
      await producer.init()
      for (const line of lines) producer.append(topic, 0, 1_000, null, bytes(line))
      await producer.flush()
      const { stdout } = await runKafkaTool('console-consumer', [
        '--bootstrap-server',
        server,
        '--topic',
        topic,
        '--from-beginning',
        '--max-messages',
        `${lines.length}`,
      ])
      assert.deepEqual(stdout.trimEnd().split('\n'), lines)
    })

    test(`we read what the console producer compresses with ${compression}`, async () => {
      await using cluster = await connect(peer)
      const topic = await freshTopic(cluster)
      await runKafkaTool(
        'console-producer',
        ['--bootstrap-server', server, '--topic', topic, '--compression-codec', compression],
        { stdin: `${lines.join('\n')}\n` },
      )
      await using consumer = new Consumer(cluster)
      consumer.assign([{ topic, partition: 0, offset: 0 }])
      const [fetched] = await consumer.poll(10_000)
      const { attributes } = readBatchHeader(fetched!.batches[0]!)
      assert.equal(compressionOf(attributes), compression)
      const read = await readAll(cluster, topic)
      assert.deepEqual(
        read.map(({ value }) => text(value)),
        lines,
      )
    })
  }
})
