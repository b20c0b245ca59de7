/** kafkajs 2.2, as it comes from npm, against our broker. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import kafkajs, { type Consumer, type EachMessagePayload, type Kafka } from 'kafkajs'
import { runBroker, until, type RunningBroker } from './running-broker.ts'

const { CompressionTypes, ConfigResourceTypes, logLevel } = kafkajs

let running: RunningBroker
let kafka: Kafka

before(async () => {
  running = await runBroker()
  kafka = newClient()
})
after(() => running.close())

function newClient(): Kafka {
  return new kafkajs.Kafka({
    clientId: 'kafkajs-test',
    brokers: [running.address],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 8 },
  })
}

interface Seen {
  readonly partition: number
  readonly offset: number
  readonly key: string | undefined
  readonly value: string | undefined
}

async function consume(
  topic: string,
  groupId: string,
  seen: Seen[],
  fromBeginning = true,
): Promise<Consumer> {
  const consumer = kafka.consumer({
    groupId,
    maxWaitTimeInMs: 100,
    heartbeatInterval: 200,
    rebalanceTimeout: 5000,
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning })
  await consumer.run({
    autoCommitInterval: 100,
    eachMessage: async ({ partition, message }: EachMessagePayload) => {
      seen.push({
        partition,
        offset: Number(message.offset),
        key: message.key?.toString(),
        value: message.value?.toString(),
      })
    },
  })
  return consumer
}

async function createTopic(topic: string, numPartitions = 3): Promise<void> {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions }] })
  await admin.disconnect()
}

async function produce(topic: string, count: number, prefix = 'v', compression = 0): Promise<void> {
  const producer = kafka.producer()
  await producer.connect()
  const messages = Array.from({ length: count }, (_, i) => ({
    key: `k${i % 17}`,
    value: `${prefix}${i}`,
    headers: { source: 'kafkajs' },
  }))
  await producer.send({ topic, messages, compression })
  await producer.disconnect()
}

describe('kafkajs', () => {
  it('reads back what it wrote, in order per key, compressed or not', async () => {
    await createTopic('roundtrip')
    await produce('roundtrip', 500, 'plain')
    await produce('roundtrip', 500, 'zipped', CompressionTypes.GZIP)
    const seen: Seen[] = []
    const consumer = await consume('roundtrip', 'roundtrip-group', seen)
    await until(() => seen.length >= 1000, 'a thousand records')
    await consumer.disconnect()
    assert.equal(seen.length, 1000)
    for (const prefix of ['plain', 'zipped']) {
      const numbers = seen
        .filter(({ key, value }) => key === 'k3' && value?.startsWith(prefix))
        .map(({ value }) => Number(value!.slice(prefix.length)))
      assert.deepEqual(
        numbers,
        Array.from({ length: numbers.length }, (_, i) => 3 + 17 * i),
      )
    }
    for (const partition of [0, 1, 2]) {
      const offsets = seen
        .filter((each) => each.partition === partition)
        .map(({ offset }) => offset)
      assert.deepEqual(
        offsets,
        Array.from({ length: offsets.length }, (_, i) => i),
      )
    }
  })

  it('creates a topic by writing to it, with four partitions', async () => {
    await produce('made-by-writing', 10)
    const admin = kafka.admin()
    await admin.connect()
    const { topics } = await admin.fetchTopicMetadata({ topics: ['made-by-writing'] })
    assert.equal(topics[0]?.partitions.length, 4)
    await admin.disconnect()
  })

  it('goes on where its group had committed', async () => {
    await createTopic('resume')
    await produce('resume', 100, 'first')
    const first: Seen[] = []
    const one = await consume('resume', 'resume-group', first)
    await until(() => first.length === 100, 'the first hundred')
    await one.disconnect()
    await produce('resume', 50, 'second')
    const second: Seen[] = []
    const two = await consume('resume', 'resume-group', second)
    await until(() => second.length >= 50, 'the next fifty')
    await two.disconnect()
    assert.deepEqual(
      second.filter(({ value }) => !value?.startsWith('second')),
      [],
    )
  })

  it('shares a topic between two members and hands everything over when one leaves', async () => {
    await createTopic('shared', 4)
    const a: Seen[] = []
    const b: Seen[] = []
    const one = await consume('shared', 'shared-group', a)
    const two = await consume('shared', 'shared-group', b)
    await until(async () => {
      await produce('shared', 40)
      return a.length > 0 && b.length > 0
    }, 'records for both members')
    const ofA = new Set(a.slice(-20).map(({ partition }) => partition))
    const ofB = new Set(b.slice(-20).map(({ partition }) => partition))
    assert.ok(ofA.size > 0 && ofB.size > 0)
    await one.disconnect()
    b.length = 0
    await until(async () => {
      await produce('shared', 40)
      return new Set(b.map(({ partition }) => partition)).size === 4
    }, 'all four partitions at the member that is left')
    await two.disconnect()
  })

  it('writes idempotently', async () => {
    await createTopic('idempotent', 1)
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    for (let i = 0; i < 20; i++) {
      await producer.send({ topic: 'idempotent', messages: [{ value: `${i}` }] })
    }
    await producer.disconnect()
    const seen: Seen[] = []
    const consumer = await consume('idempotent', 'idempotent-group', seen)
    await until(() => seen.length >= 20, 'twenty records')
    await consumer.disconnect()
    assert.deepEqual(
      seen.map(({ value }) => value),
      Array.from({ length: 20 }, (_, i) => `${i}`),
    )
  })

  it('commits one transaction, aborts another, and reads only the first', async () => {
    await createTopic('transactional', 1)
    const producer = kafka.producer({
      transactionalId: 'kafkajs-transactions',
      idempotent: true,
      maxInFlightRequests: 1,
    })
    await producer.connect()
    for (const [prefix, commit] of [
      ['kept', true],
      ['dropped', false],
      ['also-kept', true],
    ] as const) {
      const transaction = await producer.transaction()
      await transaction.send({
        topic: 'transactional',
        messages: [{ value: `${prefix}-1` }, { value: `${prefix}-2` }],
      })
      if (commit) await transaction.commit()
      else await transaction.abort()
    }
    await producer.disconnect()
    const seen: Seen[] = []
    const consumer = await consume('transactional', 'transactional-group', seen)
    await until(() => seen.length >= 4, 'the committed records')
    await consumer.disconnect()
    assert.deepEqual(
      seen.map(({ value }) => value),
      ['kept-1', 'kept-2', 'also-kept-1', 'also-kept-2'],
    )
  })

  it('moves a group in a transaction that also writes', async () => {
    await createTopic('moved', 1)
    const admin = kafka.admin()
    await admin.connect()
    const producer = kafka.producer({
      transactionalId: 'kafkajs-moves',
      idempotent: true,
      maxInFlightRequests: 1,
    })
    await producer.connect()
    const offsetsAfter = async (offset: string, commit: boolean): Promise<string | undefined> => {
      const transaction = await producer.transaction()
      await transaction.send({ topic: 'moved', messages: [{ value: 'x' }] })
      await transaction.sendOffsets({
        consumerGroupId: 'moved-group',
        topics: [{ topic: 'moved', partitions: [{ partition: 0, offset }] }],
      })
      if (commit) await transaction.commit()
      else await transaction.abort()
      const fetched = await admin.fetchOffsets({ groupId: 'moved-group', topics: ['moved'] })
      return fetched[0]?.partitions[0]?.offset
    }
    assert.equal(await offsetsAfter('7', true), '7')
    assert.equal(await offsetsAfter('9', false), '7')
    await producer.disconnect()
    await admin.disconnect()
  })

  it('administers topics, groups and configs', async () => {
    const admin = kafka.admin()
    await admin.connect()
    await admin.createTopics({
      topics: [
        {
          topic: 'managed',
          numPartitions: 2,
          configEntries: [{ name: 'cleanup.policy', value: 'compact' }],
        },
      ],
    })
    assert.ok((await admin.listTopics()).includes('managed'))
    const described = await admin.describeConfigs({
      includeSynonyms: true,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: 'managed' }],
    })
    const configs = new Map(
      described.resources[0]!.configEntries.map((entry) => [entry.configName, entry.configValue]),
    )
    assert.equal(configs.get('cleanup.policy'), 'compact')
    assert.ok(configs.size > 20)
    await admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: ConfigResourceTypes.TOPIC,
          name: 'managed',
          configEntries: [{ name: 'cleanup.policy', value: 'delete' }],
        },
      ],
    })
    const replicaAssignment = [0, 1].map((partition) => ({ partition, replicas: [1] }))
    await admin.createTopics({ topics: [{ topic: 'assigned', replicaAssignment }] })
    const assigned = await admin.fetchTopicMetadata({ topics: ['assigned'] })
    assert.equal(assigned.topics[0]?.partitions.length, 2)
    await admin.createPartitions({ topicPartitions: [{ topic: 'managed', count: 5 }] })
    const { topics } = await admin.fetchTopicMetadata({ topics: ['managed'] })
    assert.equal(topics[0]?.partitions.length, 5)

    await produce('managed', 20)
    const offsets = await admin.fetchTopicOffsets('managed')
    assert.equal(
      offsets.reduce((sum, { high }) => sum + Number(high), 0),
      20,
    )
    await admin.deleteTopicRecords({
      topic: 'managed',
      partitions: [{ partition: 0, offset: '-1' }],
    })
    const left = await admin.fetchTopicOffsets('managed')
    assert.equal(left[0]?.low, left[0]?.high)

    await admin.setOffsets({
      groupId: 'managed-group',
      topic: 'managed',
      partitions: [{ partition: 1, offset: '1' }],
    })
    const { groups } = await admin.listGroups()
    assert.ok(groups.some(({ groupId }) => groupId === 'managed-group'))
    const about = await admin.describeGroups(['managed-group'])
    assert.equal(about.groups[0]?.state, 'Empty')
    await admin.deleteGroups(['managed-group'])

    await admin.deleteTopics({ topics: ['managed'] })
    assert.ok(!(await admin.listTopics()).includes('managed'))
    const cluster = await admin.describeCluster()
    assert.deepEqual(
      cluster.brokers.map(({ nodeId }) => nodeId),
      [cluster.controller],
    )
    await admin.disconnect()
  })

  it('left no connection closed for a fault', () => {
    assert.deepEqual(running.events, [])
  })
})
