/** What a broker does not take as it comes: batches, records and times beyond a topic's limits; many partitions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTopics, deleteRecords } from '../../src/client/admin.ts'
import type { Cluster } from '../../src/client/cluster/cluster.ts'
import { Consumer } from '../../src/client/consumer/consumer.ts'
import type { ProducerOptions } from '../../src/client/producer/producer.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import type { Peer } from './peer.ts'
import { bytes, connect, freshName, generator, keepAwake, readAll, text, values } from './peer.ts'

export function limits(peer: () => Peer): void {
  keepAwake()

  for (const compression of ['none', 'zstd'] as const) {
    test(`batches over max.message.bytes are split, whole and in order (${compression})`, async () => {
      await using cluster = await connect(peer())
      const topic = await limited(cluster, { 'max.message.bytes': '20000' }, 2)
      await using producer = await started(cluster, { compression })
      const random = generator(7)
      const expected: string[][] = [[], []]
      for (let i = 0; i < 2_000; i++) {
        const value = `${i}:${noise(random, 900)}`
        producer.append(topic, i % 2, 1 + i, bytes(`k${i}`), bytes(value), [header('h', 'x')])
        expected[i % 2]!.push(value)
      }
      await producer.flush()
      const read = await readAll(cluster, topic)
      for (const partition of [0, 1]) {
        const ofPartition = read.filter((record) => record.partition === partition)
        assert.deepEqual(values(ofPartition), expected[partition])
        assert.ok(ofPartition.every(({ timestamp }, i) => timestamp === 1 + 2 * i + partition))
        assert.ok(ofPartition.every(({ headers }) => text(headers[0]!.value) === 'x'))
      }
    })
  }

  test('batches are split in a transaction, which commits or aborts as a whole', async () => {
    await using cluster = await connect(peer())
    const topic = await limited(cluster, { 'max.message.bytes': '5000' })
    const transactionalId = freshName('tx')
    await using producer = await started(cluster, { transactionalId, batchBytes: 30_000 })
    for (let round = 0; round < 4; round++) {
      producer.begin()
      for (let i = 0; i < 200; i++) producer.append(topic, 0, i, null, padded(`${round}:${i}`, 500))
      await (round % 2 === 0 ? producer.commit() : producer.abort())
    }
    const read = values(await readAll(cluster, topic))
    const expected = [0, 2].flatMap((round) =>
      Array.from({ length: 200 }, (_, i) => `${round}:${i}`),
    )
    assert.deepEqual(
      read.map((value) => value!.trim()),
      expected,
    )
  })

  test('headers count: records that are large by their headers fill batches of their own', async () => {
    await using cluster = await connect(peer())
    const topic = await limited(cluster, {})
    await using producer = await started(cluster, {})
    for (let i = 0; i < 100; i++) {
      producer.append(topic, 0, i, null, null, [header('h', 'x'.repeat(40_000))])
    }
    producer.append(topic, 0, 100, null, null, [header('h', 'x'.repeat(900_000))])
    await producer.flush()
    assert.equal((await readAll(cluster, topic)).length, 101)
  })

  test('a record larger than batchBytes is written alone', async () => {
    await using cluster = await connect(peer())
    const topic = await limited(cluster, {})
    await using producer = await started(cluster, { batchBytes: 1_000 })
    for (let i = 0; i < 6; i++)
      producer.append(topic, 0, i, null, new Uint8Array(i % 2 ? 50_000 : 5))
    await producer.flush()
    const lengths = (await readAll(cluster, topic)).map(({ value }) => value!.length)
    assert.deepEqual(lengths, [5, 50_000, 5, 50_000, 5, 50_000])
  })

  test('a record that no batch can carry is an error with its topic, size and the setting', async () => {
    await using cluster = await connect(peer())
    const topic = await limited(cluster, { 'max.message.bytes': '20000' })
    const producer = await started(cluster, {})
    for (let i = 0; i < 10; i++) producer.append(topic, 0, i, null, new Uint8Array(1_000))
    producer.append(topic, 0, 10, null, new Uint8Array(30_000))
    await assert.rejects(producer.flush(), {
      code: 'record-invalid',
      message: new RegExp(
        `'${topic}' does not take a record of 300\\d\\d bytes.*max\\.message\\.bytes`,
      ),
    })
    await producer.close()
  })

  test('a time the topic does not take is an error with the time and the setting', async () => {
    await using cluster = await connect(peer())
    const hour = 3_600_000
    const configs = {
      'message.timestamp.after.max.ms': String(hour),
      'message.timestamp.before.max.ms': String(hour),
    }
    const topic = await limited(cluster, configs)
    for (const [aheadMs, setting] of [
      [2 * hour, /message\.timestamp\.after\.max\.ms/],
      [-2 * hour, /message\.timestamp\.before\.max\.ms/],
    ] as const) {
      const producer = await started(cluster, {})
      const at = Date.now() + aheadMs
      producer.append(topic, 0, Date.now(), null, bytes('fine'))
      producer.append(topic, 0, at, null, bytes('not fine'))
      await assert.rejects(producer.flush(), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'record-invalid')
        assert.match(error.message, setting)
        assert.ok(error.message.includes(new Date(at).toISOString()), error.message)
        assert.ok(error.message.includes(`'${topic}'`), error.message)
        return true
      })
      await producer.close()
    }
  })

  test('many partitions are asked about and cut off in one go', async () => {
    await using cluster = await connect(peer())
    const topic = await limited(cluster, {}, 60)
    await using producer = await started(cluster, {})
    for (let i = 0; i < 180; i++) producer.append(topic, i % 60, i, null, bytes(String(i)))
    await producer.flush()
    await using consumer = new Consumer(cluster)
    const places = Array.from({ length: 60 }, (_, partition) => ({ topic, partition }))
    assert.ok((await consumer.endOffsets(places)).every(({ offset }) => offset === 3))
    const before = places.map((place) => ({ ...place, offset: place.partition % 4 }))
    assert.deepEqual(await deleteRecords(cluster, before), before)
    const begins = await consumer.beginningOffsets(places)
    assert.deepEqual(
      begins.map(({ offset }) => offset),
      before.map(({ offset }) => offset),
    )
    const missing = [before[0]!, { topic, partition: 60, offset: 0 }]
    await assert.rejects(deleteRecords(cluster, missing), { code: 'not-found', message: /0 to 59/ })
  })
}

async function limited(
  cluster: Cluster,
  configs: Readonly<Record<string, string>>,
  partitions = 1,
): Promise<string> {
  const name = freshName('limited')
  const all = { 'retention.ms': '-1', ...configs }
  await createTopics(cluster, [{ name, partitions, replicationFactor: 1, configs: all }])
  await cluster.partitionCount(name)
  return name
}

async function started(cluster: Cluster, options: ProducerOptions): Promise<Producer> {
  const producer = new Producer(cluster, options)
  await producer.init()
  return producer
}

function header(key: string, value: string) {
  return { key, value: bytes(value) }
}

function padded(value: string, length: number): Uint8Array {
  return bytes(value.padEnd(length))
}

/** Text that does not compress to nothing. */
function noise(random: () => number, length: number): string {
  let made = ''
  while (made.length < length) made += random().toString(36).slice(2)
  return made.slice(0, length)
}
