import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import type { ProducerOptions } from '../../../src/client/producer/producer.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import type { Duplex } from '../../../src/io/ports.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { encodeResponse } from '../../../src/protocol/frame.ts'
import { readBatchHeader } from '../../../src/records/batch.ts'
import { generator, keepAwake } from '../../client-suite/peer.ts'
import type { Asked } from './scripted-broker.ts'
import { scriptedBroker } from './scripted-broker.ts'

keepAwake()

interface Produced {
  readonly partition: number
  readonly baseSequence: number
  readonly recordCount: number
  readonly sizeBytes: number
}

/** A producer at a broker that answers each batch with what `answer` says; -1 for no answer at all. */
async function producerAt(
  answer: (batch: Produced, turn: number) => number,
  options: ProducerOptions = {},
) {
  const produced: Produced[] = []
  const broker = scriptedBroker({
    Produce: (asked) => {
      const { topicData } = (asked as Asked<'Produce'>).body
      const codes = topicData.flatMap(({ partitionData }) =>
        partitionData.map(({ index, records }) => {
          const { baseSequence, recordCount, sizeBytes } = readBatchHeader(records!)
          const batch = { partition: index, baseSequence, recordCount, sizeBytes }
          produced.push(batch)
          return { index, errorCode: answer(batch, produced.length) }
        }),
      )
      if (codes.some(({ errorCode }) => errorCode === -1)) return asked.duplex.destroy()
      return { responses: [{ name: 't', partitionResponses: codes }] }
    },
  })
  const cluster = await Cluster.connect({
    bootstrap: [{ host: 'one', port: 1 }],
    dial: broker.dial,
    clock: nodeClock,
    random: nodeRandom,
  })
  const producer = new Producer(cluster, { lingerMs: 0, ...options })
  await producer.init()
  return { producer, produced, cluster }
}

const value = new Uint8Array(50)

test('sequences count records for each partition on its own', async () => {
  const { producer, produced, cluster } = await producerAt(() => 0)
  for (const count of [3, 2]) {
    for (let i = 0; i < count; i++) producer.append('t', 0, 1, null, value)
    producer.append('t', 1, 1, null, value)
    await producer.flush()
  }
  assert.deepEqual(
    produced.map(({ partition, baseSequence }) => [partition, baseSequence]),
    [
      [0, 0],
      [1, 0],
      [0, 3],
      [1, 1],
    ],
  )
  await producer.close()
  await cluster.close()
})

test('a batch that comes back goes again with its sequence, before those behind it', async () => {
  let expected = 0
  const { producer, produced, cluster } = await producerAt(
    ({ baseSequence, recordCount }, turn) => {
      if (turn === 4) return ErrorCode.NOT_LEADER_OR_FOLLOWER
      if (baseSequence !== expected) return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
      expected += recordCount
      return 0
    },
    { batchBytes: 200 },
  )
  for (let i = 0; i < 40; i++) producer.append('t', 0, i, null, value)
  await producer.flush()
  assert.equal(expected, 40)
  assert.ok(produced.length > 20, 'some went twice')
  await producer.close()
  await cluster.close()
})

test('a lost answer is repeated and a duplicate is success', async () => {
  let isFirst = true
  const { producer, produced, cluster } = await producerAt(() => {
    if (!isFirst) return ErrorCode.DUPLICATE_SEQUENCE_NUMBER
    isFirst = false
    return -1
  })
  producer.append('t', 0, 1, null, value)
  await producer.flush()
  assert.deepEqual(
    produced.map(({ baseSequence }) => baseSequence),
    [0, 0],
  )
  await producer.close()
  await cluster.close()
})

test('a real gap is a loss: the producer ends and sends nothing behind it', async () => {
  const { producer, produced, cluster } = await producerAt(({ baseSequence }) =>
    baseSequence === 0 ? 0 : ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  )
  producer.append('t', 0, 1, null, value)
  await producer.flush()
  producer.append('t', 0, 1, null, value)
  await assert.rejects(producer.flush(), { message: /OUT_OF_ORDER_SEQUENCE_NUMBER/ })
  assert.throws(() => producer.append('t', 0, 1, null, value), /OUT_OF_ORDER/)
  assert.equal(produced.length, 2)
  await producer.close()
  await cluster.close()
})

test('batches that cannot be delivered are lost after the time given', async () => {
  const { producer, cluster } = await producerAt(() => ErrorCode.NOT_LEADER_OR_FOLLOWER, {
    deliveryTimeoutMs: 150,
  })
  producer.append('t', 0, 1, null, value)
  await assert.rejects(producer.flush(), { code: 'timeout', message: /NOT_LEADER_OR_FOLLOWER/ })
  await producer.close()
  await cluster.close()
})

test('no partition has more than five batches on their way', async () => {
  let waiting = 0
  let most = 0
  const broker = scriptedBroker({
    Produce: ({ duplex, version, correlationId }) => {
      most = Math.max(most, ++waiting)
      const answer = { responses: [{ name: 't', partitionResponses: [{ index: 0 }] }] }
      setTimeout(() => {
        waiting--
        duplex.write(encodeResponse('Produce', version, correlationId, answer))
      }, 5)
    },
  })
  await using cluster = await Cluster.connect({
    bootstrap: [{ host: 'one', port: 1 }],
    dial: broker.dial,
    clock: nodeClock,
    random: nodeRandom,
  })
  await using producer = new Producer(cluster, { lingerMs: 0, batchBytes: 200 })
  await producer.init()
  for (let i = 0; i < 100; i++) producer.append('t', 0, i, null, value)
  await producer.flush()
  assert.equal(most, 5)
})

test('appending out of turn says what to do first', async () => {
  const { producer, cluster } = await producerAt(() => 0, { transactionalId: 'tx' })
  assert.throws(() => producer.append('t', 0, 1, null, null), { message: /call begin first/ })
  const fresh = new Producer(cluster)
  assert.throws(() => fresh.append('t', 0, 1, null, null), { message: /call init first/ })
  await producer.close()
  assert.throws(() => producer.append('t', 0, 1, null, null), { message: /is closed/ })
  await cluster.close()
})

test('an abort waits for offsets that are on their way', async () => {
  const order: string[] = []
  const broker = scriptedBroker({
    AddOffsetsToTxn: () => ({}),
    TxnOffsetCommit: ({ duplex, version, correlationId }) => {
      order.push('offsets asked')
      setTimeout(() => {
        order.push('offsets answered')
        duplex.write(encodeResponse('TxnOffsetCommit', version, correlationId, {}))
      }, 20)
    },
    EndTxn: () => {
      order.push('end asked')
      return {}
    },
  })
  await using cluster = await Cluster.connect({
    bootstrap: [{ host: 'one', port: 1 }],
    dial: broker.dial,
    clock: nodeClock,
    random: nodeRandom,
  })
  await using producer = new Producer(cluster, { transactionalId: 'tx' })
  await producer.init()
  producer.begin()
  const group = { groupId: 'g', generation: 1, memberId: 'm', instanceId: null }
  const sent = producer.sendOffsets(group, [{ topic: 't', partition: 0, offset: 1 }])
  await new Promise((resolve) => setTimeout(resolve, 10))
  await producer.abort()
  await sent
  assert.deepEqual(order, ['offsets asked', 'offsets answered', 'end asked'])
})

/** What a broker keeps of a producer in one partition: the first sequences of its last five batches. */
class RememberedBatches {
  readonly #firsts: number[] = []
  /** What the topic takes. */
  readonly #bytesMax: number
  next = 0

  constructor(bytesMax = Infinity) {
    this.#bytesMax = bytesMax
  }

  answer({ baseSequence, recordCount, sizeBytes }: Produced): number {
    if (sizeBytes > this.#bytesMax) return ErrorCode.MESSAGE_TOO_LARGE
    if (this.#firsts.includes(baseSequence)) return 0
    if (baseSequence !== this.next) return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    this.#firsts.push(baseSequence)
    if (this.#firsts.length > 5) this.#firsts.shift()
    this.next += recordCount
    return 0
  }
}

async function loseAnswers(
  seed: number,
  { bytesMax = Infinity, batchBytes = 200 }: { bytesMax?: number; batchBytes?: number } = {},
): Promise<void> {
  const random = generator(seed)
  const silent = new Set<Duplex>()
  const partitions = [new RememberedBatches(bytesMax), new RememberedBatches(bytesMax)]
  const broker = scriptedBroker({
    Produce: (asked) => {
      const { topicData } = (asked as Asked<'Produce'>).body
      const partitionResponses = topicData.flatMap(({ partitionData }) =>
        partitionData.map(({ index, records }) => {
          const { baseSequence, recordCount, sizeBytes } = readBatchHeader(records!)
          const batch = { partition: index, baseSequence, recordCount, sizeBytes }
          return { index, errorCode: partitions[index]!.answer(batch) }
        }),
      )
      const answer = { responses: [{ name: 't', partitionResponses }] }
      const { duplex, version, correlationId } = asked
      // Done, but not heard of: nothing more is answered until the connection breaks.
      if (!silent.has(duplex) && random() < 0.1) {
        silent.add(duplex)
        setTimeout(() => duplex.destroy(), 3)
      }
      if (silent.has(duplex)) return undefined
      const chunks = encodeResponse('Produce', version, correlationId, answer)
      setTimeout(() => duplex.write(chunks), 1)
      return undefined
    },
  })
  await using cluster = await Cluster.connect({
    bootstrap: [{ host: 'one', port: 1 }],
    dial: broker.dial,
    clock: nodeClock,
    random: nodeRandom,
  })
  await using producer = new Producer(cluster, { lingerMs: 0, batchBytes })
  await producer.init()
  const counts = [0, 0]
  for (let i = 0; i < 300; i++) {
    const partition = random() < 0.5 ? 0 : 1
    producer.append('t', partition, i, null, value)
    counts[partition]!++
    if (random() < 0.2) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await producer.flush()
  assert.deepEqual(
    partitions.map(({ next }) => next),
    counts,
  )
}

test('no batch that may have to go again falls out of what the broker remembers', async () => {
  await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => loseAnswers(seed)))
})

test('nor while batches that are too large are split and answers are lost', async () => {
  const limits = { bytesMax: 300, batchBytes: 2_000 }
  await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => loseAnswers(seed, limits)))
})

test('a batch that is too large goes again in parts with its sequence numbers, and those behind follow', async () => {
  let expected = 0
  const { producer, produced, cluster } = await producerAt(
    ({ baseSequence, recordCount, sizeBytes }) => {
      if (sizeBytes > 500) return ErrorCode.MESSAGE_TOO_LARGE
      if (baseSequence !== expected) return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
      expected += recordCount
      return 0
    },
    { batchBytes: 1_000 },
  )
  producer.append('t', 0, 1, null, value)
  await producer.flush()
  for (let i = 0; i < 90; i++) producer.append('t', 0, i, null, value)
  await producer.flush()
  assert.equal(expected, 91)
  assert.ok(produced.some(({ sizeBytes }) => sizeBytes > 500))
  const before = produced.length
  for (let i = 0; i < 90; i++) producer.append('t', 0, i, null, value)
  await producer.flush()
  assert.equal(expected, 181)
  const later = produced.slice(before)
  assert.ok(
    later.every(({ sizeBytes }) => sizeBytes <= 500),
    'later batches of the topic are smaller',
  )
  for (let i = 0; i < 90; i++) producer.append('t', 1, i, null, value)
  const other = produced.length
  await assert.rejects(producer.flush(), /OUT_OF_ORDER/, 'this broker knows one partition')
  assert.ok(
    produced.slice(other).every(({ sizeBytes }) => sizeBytes <= 500),
    'of all partitions',
  )
  await producer.close()
  await cluster.close()
})

test('a flush begun before a batch is split waits for all its parts', async () => {
  let stored = 0
  const { producer, cluster } = await producerAt(({ recordCount }) => {
    if (recordCount > 1) return ErrorCode.RECORD_LIST_TOO_LARGE
    stored += recordCount
    return 0
  })
  for (let i = 0; i < 9; i++) producer.append('t', 0, i, null, value)
  await producer.flush()
  assert.equal(stored, 9)
  assert.equal(producer.ready(), undefined)
  await producer.close()
  await cluster.close()
})

test('headers and what is around records count as bytes that wait', async () => {
  const { producer, cluster } = await producerAt(() => 0, { bufferBytesMax: 10_000 })
  const header = { key: 'h', value: new Uint8Array(9_000) }
  producer.append('t', 0, 1, null, null, [header])
  assert.equal(producer.ready(), undefined)
  producer.append('t', 0, 1, null, null, [header])
  await producer.ready()
  assert.equal(producer.ready(), undefined)
  await producer.close()
  await cluster.close()
})
