import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes } from '../../../src/base/bytes.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import type { ConsumerOptions } from '../../../src/client/consumer/consumer.ts'
import { Consumer } from '../../../src/client/consumer/consumer.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import type { ApiName } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { encodeResponse } from '../../../src/protocol/frame.ts'
import { stampBatch } from '../../../src/records/batch.ts'
import { BatchBuilder } from '../../../src/records/record.ts'
import { keepAwake } from '../../client-suite/peer.ts'
import type { Answer, Asked } from './scripted-broker.ts'
import { metadataOf, scriptedBroker } from './scripted-broker.ts'

keepAwake()

function batch(baseOffset: number, count: number, leaderEpoch = 0): Uint8Array {
  const builder = new BatchBuilder()
  for (let i = 0; i < count; i++) builder.append(1, null, Uint8Array.of(i))
  const bytes = builder.finish()
  stampBatch(bytes, baseOffset, leaderEpoch)
  return bytes
}

interface Stored {
  readonly errorCode?: number
  readonly records?: Uint8Array
}

/** Answers each partition by function; an answer without news comes only after a moment. */
function fetching(answer: (partition: number, offset: number, asked: Asked) => Stored): Answer {
  return (asked) => {
    const { topics } = (asked as Asked<'Fetch'>).body
    let hasNews = false
    const responses = topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, fetchOffset }) => {
        const stored = answer(partition, fetchOffset, asked)
        hasNews ||= Object.keys(stored).length > 0
        const [highWatermark, lastStableOffset] = [100, 100]
        return {
          partitionIndex: partition,
          highWatermark,
          lastStableOffset,
          records: null,
          ...stored,
        }
      }),
    }))
    if (hasNews) return { responses }
    const { duplex, version, correlationId } = asked
    const late = encodeResponse('Fetch', version, correlationId, { responses })
    setTimeout(() => duplex.write(late), 5)
    return undefined
  }
}

async function consumerAt(script: Partial<Record<ApiName, Answer>>, options: ConsumerOptions = {}) {
  const broker = scriptedBroker(script)
  const cluster = await Cluster.connect({
    bootstrap: [{ host: 'one', port: 1 }],
    dial: broker.dial,
    clock: nodeClock,
    random: nodeRandom,
  })
  const consumer = new Consumer(cluster, options)
  const close = async (): Promise<void> => {
    await consumer.close()
    await cluster.close()
  }
  return { consumer, cluster, asked: broker.asked, close }
}

test('a batch that holds the offset is given whole, and says from where it counts', async () => {
  const { consumer, close } = await consumerAt({
    Fetch: fetching((_, offset) =>
      offset < 15 ? { records: concatBytes([batch(0, 10), batch(10, 5)]) } : {},
    ),
  })
  consumer.assign([{ topic: 't', partition: 0, offset: 7 }])
  const [fetched] = await consumer.poll(1_000)
  assert.equal(fetched!.batches.length, 2)
  assert.equal(fetched!.fromOffset, 7)
  assert.equal(fetched!.nextOffset, 15)
  assert.equal(fetched!.highWatermark, 100)
  await close()
})

test('a batch cut off at the end of an answer is asked for again', async () => {
  const { consumer, close } = await consumerAt({
    Fetch: fetching((_, offset) => {
      if (offset === 0) return { records: concatBytes([batch(0, 2), batch(2, 2).subarray(0, 64)]) }
      return offset === 2 ? { records: batch(2, 2) } : {}
    }),
  })
  consumer.assign([{ topic: 't', partition: 0, offset: 0 }])
  let next = 0
  while (next < 4) {
    for (const { fromOffset, nextOffset } of await consumer.poll(1_000)) {
      assert.equal(fromOffset, next)
      next = nextOffset
    }
  }
  await close()
})

test('a damaged batch is an error that names it, and other partitions go on', async () => {
  const damaged = batch(4, 2)
  damaged[70]! ^= 1
  const { consumer, close } = await consumerAt({
    Fetch: fetching((partition, offset) => {
      if (partition === 1) return offset === 0 ? { records: batch(0, 1) } : {}
      return offset < 6 ? { records: offset < 4 ? damaged : batch(4, 2) } : {}
    }),
  })
  consumer.assign([
    { topic: 't', partition: 0, offset: 3 },
    { topic: 't', partition: 1, offset: 0 },
  ])
  await assert.rejects(consumer.poll(1_000), {
    code: 'data-corrupt',
    message: /offset 4 of t-0.*bad-crc/,
  })
  const [other] = await consumer.poll(1_000)
  assert.equal(other!.partition, 1)
  assert.deepEqual(await consumer.poll(30), [], 'the damaged one is not tried again by itself')
  consumer.seek('t', 0, 4)
  const [after] = await consumer.poll(1_000)
  assert.equal(after!.nextOffset, 6)
  await close()
})

test('a leader that moved is found, and the position kept', async () => {
  const brokers = [
    { nodeId: 1, host: 'one', port: 1 },
    { nodeId: 2, host: 'two', port: 2 },
  ]
  let leader = 1
  const { consumer, close } = await consumerAt({
    Metadata: (asked) => metadataOf(asked, brokers, leader),
    Fetch: fetching((_, offset, { port }) => {
      if (port !== leader) return { errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER }
      if (offset === 0) leader = 2
      return offset < 4 ? { records: batch(offset, 2) } : {}
    }),
  })
  consumer.assign([{ topic: 't', partition: 0, offset: 0 }])
  const seen: number[] = []
  while (seen.at(-1) !== 4) {
    for (const { nextOffset } of await consumer.poll(1_000)) seen.push(nextOffset)
  }
  assert.deepEqual(seen, [2, 4])
  await close()
})

test('a log cut back under a new leader epoch is noticed before anything is read from it', async () => {
  const script = (): Partial<Record<ApiName, Answer>> => ({
    Metadata: (asked) => {
      const answer = metadataOf(asked, [{ nodeId: 1, host: 'one', port: 1 }], 1)
      const topics = answer.topics!.map((topic) => ({
        ...topic,
        partitions: topic.partitions!.map((partition) => ({ ...partition, leaderEpoch: 7 })),
      }))
      return { ...answer, topics }
    },
    OffsetForLeaderEpoch: (asked) => {
      const { topics } = (asked as Asked<'OffsetForLeaderEpoch'>).body
      const { leaderEpoch } = topics[0]!.partitions[0]!
      return { topics: [{ topic: 't', partitions: [{ partition: 0, leaderEpoch, endOffset: 5 }] }] }
    },
    Fetch: fetching((_, offset) => (offset === 5 ? { records: batch(5, 3, 7) } : {})),
  })
  const start = [{ topic: 't', partition: 0, offset: 8, leaderEpoch: 6 }]

  const strict = await consumerAt(script())
  strict.consumer.assign(start)
  await assert.rejects(strict.consumer.poll(1_000), {
    code: 'data-corrupt',
    message: /cut back to offset 5/,
  })
  assert.ok(!strict.asked.some(({ api }) => api === 'Fetch'))
  await strict.close()

  const lenient = await consumerAt(script(), { offsetReset: 'earliest' })
  lenient.consumer.assign(start)
  const [fetched] = await lenient.consumer.poll(1_000)
  assert.deepEqual([fetched!.fromOffset, fetched!.nextOffset], [5, 8])
  await lenient.close()
})

test('a leader is asked once about all partitions, for epochs and for places to reset to', async () => {
  const { consumer, asked, close } = await consumerAt(
    {
      OffsetForLeaderEpoch: (question) => ({
        topics: (question as Asked<'OffsetForLeaderEpoch'>).body.topics.map((topic) => ({
          topic: topic.topic,
          partitions: topic.partitions.map(({ partition, leaderEpoch }) => ({
            partition,
            leaderEpoch,
            endOffset: 100,
          })),
        })),
      }),
      ListOffsets: (question) => ({
        topics: (question as Asked<'ListOffsets'>).body.topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, offset: 40 })),
        })),
      }),
      Fetch: fetching((_, offset) => {
        if (offset < 40) return { errorCode: ErrorCode.OFFSET_OUT_OF_RANGE }
        return offset === 40 ? { records: batch(40, 2) } : {}
      }),
    },
    { offsetReset: 'earliest' },
  )
  const starts = ['t', 'u'].flatMap((topic) =>
    [0, 1].map((partition) => ({ topic, partition, offset: 9, leaderEpoch: 3 })),
  )
  consumer.assign(starts)
  const read = new Set<string>()
  while (read.size < 4) {
    for (const { topic, partition, nextOffset } of await consumer.poll(1_000)) {
      assert.equal(nextOffset, 42)
      read.add(`${topic}-${partition}`)
    }
  }
  const count = (api: ApiName) => asked.filter((question) => question.api === api).length
  assert.deepEqual([count('OffsetForLeaderEpoch'), count('ListOffsets')], [1, 1])
  await close()
})

test('the next answer is asked for while the caller works, and no more than fits', async () => {
  const { consumer, asked, close } = await consumerAt(
    { Fetch: fetching((_, offset) => ({ records: batch(offset, 100) })) },
    { fetchBytesMax: 3_000 },
  )
  consumer.assign([{ topic: 't', partition: 0, offset: 0 }])
  await consumer.poll(1_000)
  await new Promise((resolve) => setTimeout(resolve, 30))
  const before = asked.filter(({ api }) => api === 'Fetch').length
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal(asked.filter(({ api }) => api === 'Fetch').length, before, 'it stops when full')
  const ahead = await consumer.poll(0)
  assert.ok(ahead.length >= 2 && ahead.length <= 6, `${ahead.length} ahead`)
  await close()
})

test('answers to what was asked before a seek or a removal are forgotten', async () => {
  const { consumer, close } = await consumerAt({
    Fetch: fetching((_, offset) => (offset < 61 ? { records: batch(offset, 10) } : {})),
  })
  consumer.assign([{ topic: 't', partition: 0, offset: 0 }])
  await new Promise((resolve) => setTimeout(resolve, 1))
  consumer.seek('t', 0, 60)
  consumer.add({ topic: 't', partition: 1, offset: 0 })
  consumer.remove('t', 1)
  const [fetched] = await consumer.poll(1_000)
  assert.equal(fetched!.fromOffset, 60)
  assert.deepEqual(
    consumer.positions().map(({ partition }) => partition),
    [0],
  )
  await close()
})

test('what a paused partition has in store does not keep the others from being fetched', async () => {
  let hasOther = false
  const { consumer, asked, close } = await consumerAt(
    {
      Fetch: fetching((partition, offset) => {
        if (partition === 0) return { records: batch(offset, 10) }
        return hasOther && offset === 0 ? { records: batch(0, 1) } : {}
      }),
    },
    { fetchBytesMax: 1 },
  )
  consumer.assign([{ topic: 't', partition: 0, offset: 0 }])
  await consumer.poll(1_000)
  const before = asked.length
  while (asked.length === before) await new Promise((resolve) => setTimeout(resolve, 5))
  await new Promise((resolve) => setTimeout(resolve, 20))
  consumer.pause('t', 0)
  hasOther = true
  consumer.add({ topic: 't', partition: 1, offset: 0 })
  const [other] = await consumer.poll(1_000)
  assert.equal(other?.partition, 1)
  consumer.resume('t', 0)
  const [first] = await consumer.poll(1_000)
  assert.equal(first?.fromOffset, 10, 'what was in store is still there')
  await close()
})

test('what stopped a partition is not told once others are read', async () => {
  const { consumer, asked, close } = await consumerAt({
    Fetch: fetching((partition) =>
      partition === 0 ? { errorCode: ErrorCode.OFFSET_OUT_OF_RANGE } : { records: batch(0, 1) },
    ),
  })
  consumer.assign([{ topic: 't', partition: 0, offset: 7 }])
  while (!asked.some(({ api }) => api === 'Fetch')) await new Promise((done) => setTimeout(done, 5))
  await new Promise((done) => setTimeout(done, 20))
  consumer.assign([{ topic: 't', partition: 1, offset: 0 }])
  const [fetched] = await consumer.poll(1_000)
  assert.equal(fetched?.partition, 1)
  await close()
})

test('a partition that cannot be read is tried again, and says so until it can', async () => {
  let isDamaged = true
  const { consumer, close } = await consumerAt({
    Fetch: fetching((partition, offset) => {
      if (offset > 0) return {}
      if (partition === 0 && isDamaged) return { errorCode: ErrorCode.CORRUPT_MESSAGE }
      return { records: batch(0, 3) }
    }),
  })
  consumer.assign([0, 1].map((partition) => ({ topic: 'pair', partition, offset: 0 })))
  const hindrance = () => consumer.hindrance
  assert.equal(hindrance(), undefined)
  const [sound] = await consumer.poll(2_000)
  assert.equal(sound?.partition, 1)
  while ((hindrance()?.ms ?? 0) < 50) await consumer.poll(10)
  const { topic, partition, error } = hindrance()!
  assert.deepEqual(
    [topic, partition, error.code, error.retriable],
    ['pair', 0, 'data-corrupt', true],
  )
  consumer.pause('pair', 0)
  assert.equal(hindrance(), undefined, 'nobody asks for it')
  consumer.resume('pair', 0)
  isDamaged = false
  let mended = await consumer.poll(2_000)
  while (mended.length === 0) mended = await consumer.poll(2_000)
  assert.equal(mended[0]!.partition, 0)
  assert.equal(hindrance(), undefined)
  assert.deepEqual(
    [consumer.lastStableOffset('pair', 0), consumer.lastStableOffset('pair', 2)],
    [100, undefined],
  )
  await close()
})
