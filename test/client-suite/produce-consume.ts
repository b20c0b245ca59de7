/** Writing and reading without transactions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Consumer } from '../../src/client/consumer/consumer.ts'
import { deleteRecords } from '../../src/client/admin.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import { decodeRecords } from '../../src/records/record.ts'
import type { Peer } from './peer.ts'
import {
  apiKeyOf,
  bytes,
  connect,
  cutting,
  freshName,
  freshTopic,
  keepAwake,
  readAll,
  text,
  values,
} from './peer.ts'

const produceKey = 0

export function produceAndConsume(peer: () => Peer): void {
  keepAwake()
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    test(`records compressed with ${compression} come back whole and in order`, async () => {
      await using cluster = await connect(peer())
      const topic = await freshTopic(cluster, 2)
      await using producer = new Producer(cluster, { compression, lingerMs: 0 })
      await producer.init()
      const header = { key: 'h', value: bytes('x') }
      for (let i = 0; i < 1000; i++) {
        producer.append(topic, i % 2, 1_000 + i, bytes(`k${i}`), bytes(`value ${i}`), [header])
      }
      producer.append(topic, 0, 5, null, null)
      await producer.flush()
      const read = await readAll(cluster, topic)
      const even = read.filter(({ partition }) => partition === 0)
      assert.equal(even.length, 501)
      assert.deepEqual([even[500]!.key, even[500]!.value], [null, null])
      even.slice(0, 500).forEach((record, i) => {
        assert.equal(record.offset, i)
        assert.equal(record.timestamp, 1_000 + 2 * i)
        assert.equal(text(record.key), `k${2 * i}`)
        assert.equal(text(record.value), `value ${2 * i}`)
        assert.equal(text(record.headers[0]!.value), 'x')
      })
      assert.equal(read.length, 1001)
    })
  }

  test('many small batches in flight keep their order', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster, 3)
    await using producer = new Producer(cluster, { batchBytes: 400, lingerMs: 1 })
    await producer.init()
    for (let i = 0; i < 6_000; i++) {
      producer.append(topic, i % 3, i, null, bytes(String(i)))
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await producer.flush()
    const read = await readAll(cluster, topic, { fetchBytesMax: 20_000, partitionBytesMax: 3_000 })
    for (let partition = 0; partition < 3; partition++) {
      const expected = Array.from({ length: 2_000 }, (_, i) => String(3 * i + partition))
      assert.deepEqual(values(read.filter((record) => record.partition === partition)), expected)
    }
  })

  test('requests and answers cut in the middle lose and double nothing', async () => {
    let produces = 0
    let answers = 0
    const cuts = cutting(peer().dial, {
      onRequest: (chunks) => {
        if (apiKeyOf(chunks) !== produceKey) return 'pass'
        produces++
        return produces % 17 === 3 ? 'half' : produces % 23 === 5 ? 'cut' : 'pass'
      },
      // The broker has done it, and the producer does not hear: the case idempotence is for.
      onResponse: () => (produces > 0 && ++answers % 13 === 9 ? 'cut' : 'pass'),
    })
    await using steady = await connect(peer())
    const topic = await freshTopic(steady, 2)
    await using cluster = await connect(peer(), cuts)
    await using producer = new Producer(cluster, { batchBytes: 2_000, lingerMs: 0 })
    await producer.init()
    for (let i = 0; i < 2_000; i++) {
      producer.append(topic, i % 2, i, null, bytes(String(i)))
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await producer.flush()
    assert.ok(produces > 40 && answers > 20, `${produces} requests, ${answers} answers`)
    const read = await readAll(steady, topic)
    for (const partition of [0, 1]) {
      const expected = Array.from({ length: 1_000 }, (_, i) => String(2 * i + partition))
      assert.deepEqual(values(read.filter((record) => record.partition === partition)), expected)
    }
  })

  test('a batch over every fetch limit is still read', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster, 2)
    await using producer = new Producer(cluster, { batchBytes: 900_000, lingerMs: 50 })
    await producer.init()
    const large = bytes('x'.repeat(100_000))
    for (let i = 0; i < 20; i++) producer.append(topic, i % 2, i, null, large)
    await producer.flush()
    const read = await readAll(cluster, topic, { fetchBytesMax: 1_000, partitionBytesMax: 500 })
    assert.equal(read.length, 20)
    assert.ok(read.every(({ value }) => value!.length === large.length))
  })

  test('a record the broker finds too large fails with the cause and the fix', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    const producer = new Producer(cluster)
    await producer.init()
    producer.append(topic, 0, 1, null, new Uint8Array(3_000_000))
    await assert.rejects(producer.flush(), {
      code: 'record-invalid',
      message: /max\.message\.bytes/,
    })
    assert.equal(producer.failure?.code, 'record-invalid')
    assert.throws(() => producer.append(topic, 0, 1, null, null), { code: 'record-invalid' })
    await producer.close()
    assert.equal((await readAll(cluster, topic)).length, 0)
  })

  test('writing to a topic that does not exist fails', async () => {
    await using cluster = await connect(peer())
    const producer = new Producer(cluster)
    await producer.init()
    const topic = freshName('missing')
    producer.append(topic, 0, 1, null, null)
    await assert.rejects(producer.flush(), { code: 'not-found', message: new RegExp(topic) })
    await producer.close()
  })

  test('writing to a partition that does not exist fails and names those there are', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster, 2)
    const producer = new Producer(cluster)
    await producer.init()
    producer.append(topic, 7, 1, null, null)
    await assert.rejects(producer.flush(), { code: 'not-found', message: /from 0 to 1/ })
    await producer.close()
  })

  test('a full buffer makes the caller wait, and lets it go on', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    await using producer = new Producer(cluster, { bufferBytesMax: 50_000, batchBytes: 10_000 })
    await producer.init()
    const value = new Uint8Array(1_000)
    let waits = 0
    for (let i = 0; i < 500; i++) {
      producer.append(topic, 0, i, null, value)
      const room = producer.ready()
      if (room === undefined) continue
      waits++
      await room
    }
    await producer.flush()
    assert.equal(producer.ready(), undefined)
    assert.ok(waits >= 5, `${waits} waits`)
    assert.equal((await readAll(cluster, topic)).length, 500)
  })

  test('a consumer goes where it is told: seek, pause, resume, remove', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster, 2)
    await using producer = new Producer(cluster, { batchBytes: 200 })
    await producer.init()
    for (let i = 0; i < 100; i++) producer.append(topic, i % 2, i, null, bytes(String(i)))
    await producer.flush()
    await using consumer = new Consumer(cluster)
    consumer.assign([
      { topic, partition: 0, offset: 0 },
      { topic, partition: 1, offset: 48 },
    ])
    consumer.pause(topic, 0)
    assert.deepEqual(await next(consumer), { partition: 1, values: ['97', '99'] })
    assert.deepEqual(await consumer.poll(50), [])
    consumer.seek(topic, 1, 49)
    assert.deepEqual(await next(consumer), { partition: 1, values: ['99'] })
    consumer.remove(topic, 1)
    consumer.resume(topic, 0)
    consumer.seek(topic, 0, 47)
    assert.deepEqual(await next(consumer), { partition: 0, values: ['94', '96', '98'] })
    assert.deepEqual(consumer.positions(), [{ topic, partition: 0, offset: 50 }])
  })

  test('an offset that is gone is an error, or a new beginning, as the consumer was told', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    await using producer = new Producer(cluster, { batchBytes: 100 })
    await producer.init()
    for (let i = 0; i < 50; i++) producer.append(topic, 0, i, null, bytes(String(i)))
    await producer.flush()
    const [first] = await deleteRecords(cluster, [{ topic, partition: 0, offset: 40 }])
    assert.equal(first!.offset, 40)
    const start = [{ topic, partition: 0, offset: 3 }]

    await using strict = new Consumer(cluster)
    strict.assign(start)
    await assert.rejects(strict.poll(5_000), {
      code: 'offset-out-of-range',
      message: /offset 3 of/,
    })
    strict.seek(topic, 0, 49)
    assert.deepEqual(await next(strict), { partition: 0, values: ['49'] })

    await using early = new Consumer(cluster, { offsetReset: 'earliest' })
    early.assign(start)
    assert.equal((await next(early)).values[0], '40')

    await using late = new Consumer(cluster, { offsetReset: 'latest' })
    late.assign(start)
    const polled = late.poll(10_000)
    await new Promise((resolve) => setTimeout(resolve, 300))
    producer.append(topic, 0, 1, null, bytes('new'))
    const [fetched] = await polled
    assert.equal(fetched!.fromOffset, 50)
  })

  test('a consumer waiting for records gets them as they come', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    await using consumer = new Consumer(cluster)
    consumer.assign([{ topic, partition: 0, offset: 0 }])
    assert.deepEqual(await consumer.poll(30), [])
    await using producer = new Producer(cluster, { lingerMs: 0 })
    await producer.init()
    for (let i = 0; i < 5; i++) {
      producer.append(topic, 0, 1, null, bytes(String(i)))
      assert.deepEqual(await next(consumer), { partition: 0, values: [String(i)] })
    }
  })

  test('closing a consumer ends a poll that waits', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    const consumer = new Consumer(cluster)
    consumer.assign([{ topic, partition: 0, offset: 0 }])
    const polled = consumer.poll(60_000)
    await new Promise((resolve) => setTimeout(resolve, 50))
    await consumer.close()
    assert.deepEqual(await polled, [])
  })

  test('reading a topic that does not exist fails at the next poll', async () => {
    await using cluster = await connect(peer())
    await using consumer = new Consumer(cluster)
    consumer.assign([{ topic: freshName('missing'), partition: 0, offset: 0 }])
    await assert.rejects(consumer.poll(10_000), { code: 'not-found' })
  })
}

/** The records of one partition that come next, as text. */
async function next(consumer: Consumer): Promise<{ partition: number; values: (string | null)[] }> {
  const found: (string | null)[] = []
  let partition = -1

  for (const fetched of await consumer.poll(10_000)) {
    partition = fetched.partition
    const records = fetched.batches.flatMap(decodeRecords)
    found.push(...values(records.filter(({ offset }) => offset >= fetched.fromOffset)))
  }
  return { partition, values: found }
}
