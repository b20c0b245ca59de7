/** Topics that are made, grow, and are deleted and made anew, which makes them other topics (KIP-516). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPartitions, createTopics, deleteTopics } from '../../src/client/admin.ts'
import { Cluster } from '../../src/client/cluster/cluster.ts'
import type { TopicChange } from '../../src/client/cluster/directory.ts'
import type { ConsumerOptions } from '../../src/client/consumer/consumer.ts'
import { Consumer } from '../../src/client/consumer/consumer.ts'
import { GroupMember } from '../../src/client/group/group-member.ts'
import type { GroupMemberOptions } from '../../src/client/group/group-member.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import { decodeRecords } from '../../src/records/record.ts'
import { nodeClock, nodeRandom } from '../../src/io/node-clock.ts'
import type { Peer } from './peer.ts'
import { bytes, connect, freshName, freshTopic, keepAwake, quick, text, until } from './peer.ts'

export function changingTopics(peer: () => Peer): void {
  keepAwake()

  test('a topic made anew stops a consumer that read the old one, naming both ids', async () => {
    await using cluster = await connect(peer())
    const topic = await topicWith(cluster, 10)
    await using consumer = new Consumer(cluster)
    consumer.assign([{ topic, partition: 0, offset: 0 }])
    assert.equal((await read(consumer, 10)).length, 10)
    const before = await cluster.topicId(topic)
    await replace(cluster, topic, 25)
    const after = await cluster.topicId(topic)
    assert.notEqual(before, after)
    await assert.rejects(untilFailure(consumer), {
      code: 'topic-replaced',
      message: new RegExp(`${topic}.*offset 10 .*${before}.*${after}.*onTopicReplaced`),
    })
    assert.deepEqual(await consumer.poll(300), [], 'nothing is read from it by itself')
    consumer.seek(topic, 0, 0)
    assert.deepEqual(await read(consumer, 25), numbered('new', 25))
  })

  test('a topic made anew is read from its beginning by a consumer that was told to', async () => {
    await using cluster = await connect(peer())
    const topic = await topicWith(cluster, 10)
    await using consumer = new Consumer(cluster, { onTopicReplaced: 'earliest' })
    consumer.assign([{ topic, partition: 0, offset: 0 }])
    await read(consumer, 10)
    await replace(cluster, topic, 25)
    assert.deepEqual(await read(consumer, 25), numbered('new', 25))
    assert.deepEqual(consumer.positions(), [{ topic, partition: 0, offset: 25 }])
  })

  test('a topic made anew is told from the old one by the id a position is assigned with', async () => {
    await using cluster = await connect(peer())
    const topic = await topicWith(cluster, 10)
    const topicId = await cluster.topicId(topic)
    await replace(cluster, topic, 25)
    await using consumer = new Consumer(cluster)
    consumer.assign([{ topic, partition: 0, offset: 10, topicId }])
    await assert.rejects(untilFailure(consumer), { code: 'topic-replaced' })
  })

  test('a topic made anew is the one meant by a position that is assigned afterwards without an id', async () => {
    await using stale = await connect(peer())
    const topic = await topicWith(stale, 10)
    await using other = await connect(peer())
    await replace(other, topic, 25)
    // What `stale` knows of the topic is from before: it must look again.
    await using consumer = new Consumer(stale)
    consumer.assign([{ topic, partition: 0, offset: 20 }])
    assert.deepEqual(await read(consumer, 5), numbered('new', 25).slice(20))
  })

  test('a deleted topic that does not come back is not found', async () => {
    await using cluster = await connect(peer())
    const topic = await topicWith(cluster, 3)
    await using consumer = new Consumer(cluster)
    consumer.assign([{ topic, partition: 0, offset: 0 }])
    await read(consumer, 3)
    await deleteTopics(cluster, [topic])
    await assert.rejects(untilFailure(consumer), { code: 'not-found' })
    await assert.rejects(cluster.topicId(topic), { code: 'not-found' })
  })

  for (const onTopicReplaced of ['error', 'earliest'] as const) {
    test(`no position passes over into a topic made anew again and again (${onTopicReplaced})`, async () => {
      await using cluster = await connect(peer())
      const topic = await topicWith(cluster, 7)
      const options: ConsumerOptions = { onTopicReplaced, maxWaitMs: 20 }
      await using consumer = new Consumer(cluster, options)
      consumer.assign([{ topic, partition: 0, offset: 0 }])
      await read(consumer, 7)
      for (let life = 1; life <= 4; life++) {
        await replace(cluster, topic, 10 + life, `life ${life}`)
        if (onTopicReplaced === 'error') {
          await assert.rejects(untilFailure(consumer), { code: 'topic-replaced' })
          consumer.seek(topic, 0, 0)
        }
        assert.deepEqual(await read(consumer, 10 + life), numbered(`life ${life}`, 10 + life))
      }
    })
  }

  test('a watcher is told of partitions, of topics that come and go, and of other ids', async () => {
    await using admin = await connect(peer())
    const [growing, coming] = [await freshTopic(admin, 2), freshName('coming')]
    await using cluster = await watching(peer())
    const changes: TopicChange[] = []
    const stop = cluster.watchTopics([growing, coming], (some) => changes.push(...some))
    const partitionsOf = (topic: string) =>
      changes.filter((change) => change.topic === topic).map(({ now }) => now?.partitions)
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.equal(changes.length, 0, 'what is there from the start is no change')
    await createPartitions(admin, growing, 4)
    await createTopics(admin, [{ name: coming, partitions: 1 }])
    await until(() => changes.length === 2, 'both are told')
    assert.deepEqual([partitionsOf(growing), partitionsOf(coming)], [[4], [1]])
    await deleteTopics(admin, [coming])
    await until(() => changes.length === 3, 'it is gone')
    await replace(admin, growing, 0, 'x', 4)
    const topicId = await admin.topicId(growing)
    await until(() => changes.at(-1)!.now?.topicId === topicId, 'it is another one')
    stop()
    const told = changes.length
    await deleteTopics(admin, [growing])
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.equal(changes.length, told, 'nobody is told after the stop')
  })

  test('partitions that were added are known once metadata is as old as it may be', async () => {
    await using admin = await connect(peer())
    const topic = await freshTopic(admin, 2)
    await using cluster = await watching(peer())
    assert.equal(await cluster.partitionCount(topic), 2)
    await createPartitions(admin, topic, 3)
    await admin.partitionCount(topic)
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(await cluster.partitionCount(topic), 3)
  })

  test('a group comes to read partitions that are added and topics that are made, and lets go of deleted ones', async () => {
    await using admin = await connect(peer())
    const [growing, coming] = [await freshTopic(admin, 2), freshName('coming')]
    // The leader waits a second for a topic that is not there.
    const times = { ...quick(peer()), sessionTimeoutMs: 6_000 }
    const options = { groupId: freshName('group'), topics: [growing, coming], ...times }
    await using clusterA = await watching(peer())
    await using clusterB = await watching(peer())
    const [a, b] = [reading(clusterA, options), reading(clusterB, options)]
    await Promise.all([a.member.join(), b.member.join()])
    const isRead = (...places: string[]) => {
      const read = [...a.places(), ...b.places()].toSorted()
      return JSON.stringify(read) === JSON.stringify(places.toSorted())
    }
    await until(() => isRead(`${growing}/0`, `${growing}/1`), 'what there is is read')
    await createPartitions(admin, growing, 4)
    const grown = [0, 1, 2, 3].map((partition) => `${growing}/${partition}`)
    await until(() => isRead(...grown), 'the new partitions are read')
    await createTopics(admin, [{ name: coming, partitions: 1 }])
    await until(() => isRead(...grown, `${coming}/0`), 'the new topic is read')
    await deleteTopics(admin, [coming])
    await until(() => isRead(...grown), 'the deleted topic is nobody’s')
    const { generation } = a.member.ownership!
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.equal(a.member.ownership?.generation, generation, 'and then there is peace')
    await Promise.all([a.member.leave(), b.member.leave()])
  })
}

/** A member and what it reads at the moment. */
function reading(cluster: Cluster, options: Pick<GroupMemberOptions, 'groupId' | 'topics'>) {
  const nothing = async (): Promise<void> => undefined
  const hooks = { onAssigned: nothing, onRevoked: nothing, onLost: nothing }
  const member = new GroupMember(cluster, { ...options, ...hooks })
  return {
    member,
    places: () =>
      (member.ownership?.partitions ?? []).map((each) => `${each.topic}/${each.partition}`),
  }
}

/** A client that takes metadata of 50 ms for old. */
function watching({ bootstrap, dial }: Peer): Promise<Cluster> {
  const options = { bootstrap, dial, clock: nodeClock, random: nodeRandom, topicWaitMs: 1_000 }
  return Cluster.connect({ ...options, metadataMaxAgeMs: 50 })
}

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix} ${i}`)
}

async function topicWith(cluster: Cluster, count: number): Promise<string> {
  const topic = await freshTopic(cluster)
  await write(cluster, topic, numbered('old', count))
  return topic
}

async function replace(
  cluster: Cluster,
  topic: string,
  count: number,
  prefix = 'new',
  partitions = 1,
): Promise<void> {
  await deleteTopics(cluster, [topic])
  const configs = { 'retention.ms': '-1' }
  await createTopics(cluster, [{ name: topic, partitions, replicationFactor: 1, configs }])
  await write(cluster, topic, numbered(prefix, count))
}

async function write(cluster: Cluster, topic: string, values: readonly string[]): Promise<void> {
  await using producer = new Producer(cluster, { lingerMs: 0 })
  await producer.init()
  for (const value of values) producer.append(topic, 0, 1, null, bytes(value))
  await producer.flush()
}

async function read(consumer: Consumer, count: number): Promise<(string | null)[]> {
  const found: (string | null)[] = []
  while (found.length < count) {
    for (const { batches, fromOffset } of await consumer.poll(5_000)) {
      const records = batches.flatMap(decodeRecords)
      for (const { offset, value } of records) if (offset >= fromOffset) found.push(text(value))
    }
  }
  return found
}

async function untilFailure(consumer: Consumer): Promise<never> {
  for (;;) await consumer.poll(10_000)
}
