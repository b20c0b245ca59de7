/** @platformatic/kafka 2.12, as it comes from npm, against our broker. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  Admin,
  Consumer,
  type Message,
  MessagesStreamModes,
  ProduceAcks,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import { runBroker, until, type RunningBroker } from './running-broker.ts'

let running: RunningBroker
let admin: Admin

before(async () => {
  running = await runBroker()
  admin = new Admin({ clientId: 'plt-admin', bootstrapBrokers: [running.address] })
})
after(async () => {
  await admin.close()
  await running.close()
})

type Text = Message<string, string, string, string>

function newProducer(options: object = {}) {
  return new Producer({
    clientId: 'plt-producer',
    bootstrapBrokers: [running.address],
    serializers: stringSerializers,
    ...options,
  })
}

async function newConsumer(groupId: string, topics: string[], seen: Text[]) {
  const consumer = new Consumer({
    clientId: `plt-${groupId}`,
    groupId,
    bootstrapBrokers: [running.address],
    deserializers: stringDeserializers,
    maxWaitTime: 100,
    sessionTimeout: 10_000,
    heartbeatInterval: 200,
  })
  const stream = await consumer.consume({
    topics,
    autocommit: 50,
    mode: MessagesStreamModes.COMMITTED,
    fallbackMode: 'earliest',
    isolationLevel: 1,
  })
  stream.on('data', (message) => seen.push(message))
  return {
    close: async () => {
      await stream.close()
      await consumer.close(true)
    },
  }
}

async function produce(topic: string, count: number, prefix = 'v'): Promise<void> {
  const producer = newProducer()
  await producer.send({
    acks: ProduceAcks.ALL,
    messages: Array.from({ length: count }, (_, i) => ({
      topic,
      key: `k${i % 13}`,
      value: `${prefix}${i}`,
      headers: { source: 'plt' },
    })),
  })
  await producer.close()
}

describe('@platformatic/kafka', () => {
  it('reads back what it wrote, in order per key, with headers', async () => {
    await admin.createTopics({ topics: ['roundtrip'], partitions: 3, replicas: 1 })
    await produce('roundtrip', 500)
    const seen: Text[] = []
    const consumer = await newConsumer('roundtrip-group', ['roundtrip'], seen)
    await until(() => seen.length >= 500, 'five hundred records')
    await consumer.close()
    assert.equal(seen.length, 500)
    const numbers = seen
      .filter(({ key }) => key === 'k5')
      .map(({ value }) => Number(value.slice(1)))
    assert.deepEqual(
      numbers,
      Array.from({ length: numbers.length }, (_, i) => 5 + 13 * i),
    )
    assert.equal(seen[0]?.headers.get('source'), 'plt')
  })

  it('goes on where its group had committed', async () => {
    await admin.createTopics({ topics: ['resume'], partitions: 2, replicas: 1 })
    await produce('resume', 60, 'first')
    const first: Text[] = []
    const one = await newConsumer('resume-group', ['resume'], first)
    await until(() => first.length === 60, 'the first sixty')
    await until(async () => (await committed('resume-group', 'resume')) === 60, 'their commit')
    await one.close()
    await produce('resume', 40, 'second')
    const second: Text[] = []
    const two = await newConsumer('resume-group', ['resume'], second)
    await until(() => second.length >= 40, 'the next forty')
    await two.close()
    assert.ok(second.every(({ value }) => value.startsWith('second')))
  })

  it('shares a topic between two members', async () => {
    await admin.createTopics({ topics: ['shared'], partitions: 4, replicas: 1 })
    const a: Text[] = []
    const b: Text[] = []
    const one = await newConsumer('shared-group', ['shared'], a)
    const two = await newConsumer('shared-group', ['shared'], b)
    await until(async () => {
      await produce('shared', 26)
      return a.length > 0 && b.length > 0
    }, 'records for both members')
    const groups = await admin.describeGroups({ groups: ['shared-group'] })
    assert.equal(groups.get('shared-group')?.members.size, 2)
    await one.close()
    await two.close()
  })

  it('writes idempotently', async () => {
    await admin.createTopics({ topics: ['idempotent'], partitions: 1, replicas: 1 })
    const producer = newProducer({ idempotent: true })
    for (let i = 0; i < 20; i++) {
      await producer.send({ messages: [{ topic: 'idempotent', value: `${i}` }] })
    }
    await producer.close()
    const listed = await admin.listOffsets({
      topics: [{ name: 'idempotent', partitions: [{ partitionIndex: 0, timestamp: -1n }] }],
    })
    assert.equal(listed[0]?.partitions[0]?.offset, 20n)
  })

  it('commits one transaction and aborts another', async () => {
    await admin.createTopics({ topics: ['transactional'], partitions: 1, replicas: 1 })
    // The client would send producer id 0, which a coordinator that knows the id must fence.
    const producer = newProducer({
      transactionalId: 'plt-transactions',
      idempotent: true,
      producerId: -1n,
      producerEpoch: -1,
    })
    for (const [value, commit] of [
      ['kept', true],
      ['dropped', false],
      ['also-kept', true],
    ] as const) {
      const transaction = await producer.beginTransaction()
      await transaction.send({ messages: [{ topic: 'transactional', value }] })
      if (commit) await transaction.commit()
      else await transaction.abort()
    }
    await producer.close()
    const seen: Text[] = []
    const consumer = await newConsumer('transactional-group', ['transactional'], seen)
    await until(() => seen.some(({ value }) => value === 'also-kept'), 'the last record')
    await consumer.close()
    assert.deepEqual(
      seen.map(({ value }) => value),
      ['kept', 'also-kept'],
    )
  })

  it('administers topics, configs, groups and log directories', async () => {
    const [created] = await admin.createTopics({
      topics: ['managed'],
      partitions: 2,
      replicas: 1,
      configs: [{ name: 'cleanup.policy', value: 'compact' }],
    })
    assert.equal(created?.configuration['cleanup.policy'], 'compact')
    assert.ok((await admin.listTopics()).includes('managed'))
    await produce('managed', 30)
    await admin.createPartitions({
      topics: [{ name: 'managed', count: 3, assignments: [{ brokerIds: [1] }] }],
    })
    const metadata = await admin.metadata({ topics: ['managed'] })
    assert.equal(metadata.topics.get('managed')?.partitionsCount, 3)
    const [described] = await admin.describeConfigs({
      resources: [{ resourceType: 2, resourceName: 'managed', configurationKeys: [] }],
    })
    assert.ok((described?.configs.length ?? 0) > 20)
    await admin.incrementalAlterConfigs({
      resources: [
        {
          resourceType: 2,
          resourceName: 'managed',
          configs: [{ name: 'retention.ms', configOperation: 0, value: '60000' }],
        },
      ],
    })
    const [dirs] = await admin.describeLogDirs({
      topics: [{ name: 'managed', partitions: [0, 1] }],
    })
    const sizes = dirs?.results[0]?.topics[0]?.partitions.map(({ partitionSize }) => partitionSize)
    assert.ok(sizes?.every((size) => size > 0n))
    const groups = await admin.listGroups()
    assert.ok(groups.has('roundtrip-group'))
    await admin.deleteGroups({ groups: ['roundtrip-group'] })
    await admin.deleteTopics({ topics: ['managed'] })
    assert.ok(!(await admin.listTopics()).includes('managed'))
  })

  it('left no connection closed for a fault', () => {
    assert.deepEqual(running.events, [])
  })
})

async function committed(groupId: string, topic: string): Promise<number> {
  const [group] = await admin.listConsumerGroupOffsets({ groups: [groupId] })
  const partitions = group?.topics.find(({ name }) => name === topic)?.partitions ?? []
  return partitions.reduce((sum, { committedOffset }) => sum + Number(committedOffset), 0)
}
