/** Connections end when nobody needs them, and clients go on. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { Producer } from '../../src/client/producer/producer.ts'
import { nodeNetwork } from '../../src/io/node-network.ts'
import { bytes, connect, freshTopic, keepAwake, readAll, type Peer } from '../client-suite/peer.ts'
import { runBroker, until, type RunningBroker } from './running-broker.ts'

let running: RunningBroker

before(async () => {
  running = await runBroker({ config: { connectionIdleMsMax: 150 } })
})
after(() => running.close())

describe('a client whose connections were idle for too long', () => {
  keepAwake()

  it('connects anew when it has something to say: ours', async () => {
    const peer: Peer = {
      sessionTimeoutMs: 1_500,
      bootstrap: [{ host: '127.0.0.1', port: running.port }],
      dial: (host, port) => nodeNetwork.connect(host, port),
      restart: () => Promise.resolve(),
    }
    await using cluster = await connect(peer)
    const topic = await freshTopic(cluster, 1)
    await using producer = new Producer(cluster, { lingerMs: 0 })
    await producer.init()
    for (const value of ['one', 'two', 'three']) {
      producer.append(topic, 0, 1, null, bytes(value))
      await producer.flush()
      await until(() => running.broker.connectionCount === 0, 'all connections end')
    }
    assert.equal((await readAll(cluster, topic)).length, 3)
    const told = running.events.filter(({ type }) => type === 'connection-idle')
    assert(told.length >= 3)
  })

  it('connects anew when it has something to say: kafkajs', async () => {
    const kafka = new Kafka({ brokers: [running.address], logLevel: logLevel.NOTHING })
    const producer = kafka.producer()
    await producer.connect()
    for (const value of ['one', 'two', 'three']) {
      await producer.send({ topic: 'js', messages: [{ value }] })
      await until(() => running.broker.connectionCount === 0, 'all connections end')
    }
    const admin = kafka.admin()
    await admin.connect()
    const offsets = await admin.fetchTopicOffsets('js')
    assert.equal(
      offsets.reduce((total, { offset }) => total + Number(offset), 0),
      3,
    )
    await admin.disconnect()
    await producer.disconnect()
  })
})
