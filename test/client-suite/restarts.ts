/** What goes on when the broker, and with it every coordinator, stops and comes back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listTopics } from '../../src/client/admin.ts'
import { Consumer } from '../../src/client/consumer/consumer.ts'
import { GroupMember } from '../../src/client/group/group-member.ts'
import type { Ownership } from '../../src/client/group/group-member.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import type { Peer } from './peer.ts'
import { bytes, connect, freshName, freshTopic, keepAwake, readAll, values } from './peer.ts'

export function restarts(peer: () => Peer): void {
  keepAwake()

  test('a producer goes on after a restart, each record once and in order', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    await using producer = new Producer(cluster, { batchBytes: 300, lingerMs: 0 })
    await producer.init()
    let restarted: Promise<void> | undefined
    for (let i = 0; i < 600; i++) {
      producer.append(topic, 0, i, null, bytes(String(i)))
      if (i === 200) restarted = peer().restart!()
      if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    }
    await restarted
    await producer.flush()
    const expected = Array.from({ length: 600 }, (_, i) => String(i))
    assert.deepEqual(values(await readAll(cluster, topic)), expected)
  })

  test('a transaction open during a restart commits after it', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    const options = { transactionalId: freshName('tx'), batchBytes: 300, lingerMs: 0 }
    await using producer = new Producer(cluster, options)
    await producer.init()
    for (let round = 0; round < 3; round++) {
      producer.begin()
      for (let i = 0; i < 50; i++) producer.append(topic, 0, i, null, bytes(`${round}:${i}`))
      await producer.flush()
      await peer().restart!()
      for (let i = 50; i < 100; i++) producer.append(topic, 0, i, null, bytes(`${round}:${i}`))
      await (round === 1 ? producer.abort() : producer.commit())
    }
    const expected = [0, 2].flatMap((round) =>
      Array.from({ length: 100 }, (_, i) => `${round}:${i}`),
    )
    assert.deepEqual(values(await readAll(cluster, topic)), expected)
  })

  test('a consumer that waits is served after a restart', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    await using consumer = new Consumer(cluster)
    consumer.assign([{ topic, partition: 0, offset: 0 }])
    assert.deepEqual(await consumer.poll(20), [])
    await peer().restart!()
    await using producer = new Producer(cluster, { lingerMs: 0 })
    await producer.init()
    producer.append(topic, 0, 1, null, bytes('after'))
    await producer.flush()
    const [fetched] = await consumer.poll(10_000)
    assert.equal(fetched?.nextOffset, 1)
  })

  test('a consumer of more than a thousand partitions goes on after a restart', async () => {
    await using cluster = await connect(peer())
    const count = 1_200
    const topic = await freshTopic(cluster, count)
    await using consumer = new Consumer(cluster)
    const places = Array.from({ length: count }, (_, partition) => ({ topic, partition }))
    const write = async (value: string): Promise<void> => {
      await using producer = new Producer(cluster, { lingerMs: 0 })
      await producer.init()
      for (const { partition } of places) producer.append(topic, partition, 1, null, bytes(value))
      await producer.flush()
    }
    const readTo = async (offset: number): Promise<void> => {
      const behind = new Set(places.map(({ partition }) => partition))
      while (behind.size > 0) {
        const fetched = await consumer.poll(10_000)
        assert.ok(fetched.length > 0, `${behind.size} partitions are not read within 10 s`)
        for (const { partition, nextOffset } of fetched) {
          if (nextOffset >= offset) behind.delete(partition)
        }
      }
    }
    await write('before')
    consumer.assign(await consumer.beginningOffsets(places))
    await readTo(1)
    await peer().restart!()
    await write('after')
    await readTo(2)
  })

  test('questions asked while the broker is away are answered when it is back', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster, 3)
    await using consumer = new Consumer(cluster)
    const restarted = peer().restart!()
    cluster.markStale()
    const asked = [
      cluster.partitionCount(topic),
      consumer.endOffsets([{ topic, partition: 0 }]).then(([end]) => end!.offset),
      listTopics(cluster).then((topics) => topics.filter((name) => name === topic).length),
    ]
    await restarted
    assert.deepEqual(await Promise.all(asked), [3, 0, 1])
  })

  test('a group member stays, commits and hears of rebalances after a restart', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster, 2)
    const events: string[] = []
    const options = {
      groupId: freshName('group'),
      topics: [topic],
      sessionTimeoutMs: 6_000,
      heartbeatIntervalMs: 100,
      onAssigned: async ({ partitions }: Ownership) =>
        void events.push(`assigned ${partitions.length}`),
      onRevoked: async () => void events.push('revoked'),
      onLost: async () => void events.push('lost'),
    }
    const member = new GroupMember(cluster, options)
    await member.join()
    const ownership = member.ownership!
    await member.commit(ownership, [{ topic, partition: 0, offset: 3 }])
    await peer().restart!()
    await member.commit(ownership, [{ topic, partition: 1, offset: 4 }])
    const other = new GroupMember(cluster, options)
    await other.join()
    const offsets = await other.committed(
      [
        { topic, partition: 0 },
        { topic, partition: 1 },
      ],
      { requireStable: true },
    )
    assert.deepEqual(
      offsets.map(({ offset }) => offset),
      [3, 4],
    )
    await other.leave()
    await member.leave()
    assert.ok(!events.includes('lost'), events.join())
  })
}
