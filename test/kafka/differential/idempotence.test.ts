/** What a producer id and its sequences promise. */
import { altered, batch, produce, producer, type BatchOptions } from './batches.ts'
import { errorName } from '../../../src/protocol/errors.ts'
import { family } from './rule.ts'
import type { Side } from './side.ts'

interface Writer {
  readonly producerId: number
  readonly producerEpoch: number
}

/** Writes what was written before. */
async function repeat(side: Side, topic: string, writer: Writer, baseSequence: number, count = 1) {
  const answer = await write(side, topic, writer, baseSequence, count, true)
  side.note(`again ${baseSequence}`, { ...answer, logAppendTimeMs: -1 })
  side.differs('the time of a duplicate', answer.logAppendTimeMs >= 0)
}

/** Writes `count` records from `sequence` on. */
async function write(
  side: Side,
  topic: string,
  writer: Writer,
  baseSequence: number,
  count = 1,
  aside = false,
) {
  const { producerId, producerEpoch } = writer
  const values = Array.from({ length: count }, (_, i) => `${baseSequence + i}`)
  return produce(side, topic, batch(values, { producerId, producerEpoch, baseSequence }), { aside })
}

family('idempotence', (rule) => {
  rule('an idempotent producer gets an id and epoch 0, whatever it claims', async (side) => {
    for (const version of [0, 1, 2, 3, 4, 5]) await producer(side, null, { version })
    await producer(side, null, { producerId: 7, producerEpoch: 3 })
    await producer(side, null, { producerId: 0, producerEpoch: 0 })
    await producer(side, null, { timeoutMs: -1 })
    await producer(side, null, { timeoutMs: 10_000_000 })
  })

  rule('a duplicate of the last five batches gets its first offset again', async (side) => {
    const topic = await side.topic()
    const writer = await producer(side)
    for (const sequence of [0, 2, 4, 6, 8, 10]) await write(side, topic, writer, sequence, 2)
    for (const sequence of [2, 4, 6, 8, 10]) await repeat(side, topic, writer, sequence, 2)
    await write(side, topic, writer, 0, 2)
    await write(side, topic, writer, 12)
  })

  rule('a batch that only overlaps an earlier one is out of order', async (side) => {
    const topic = await side.topic()
    const writer = await producer(side)
    await write(side, topic, writer, 0, 3)
    await write(side, topic, writer, 0, 2)
    await write(side, topic, writer, 1, 2)
    await write(side, topic, writer, 2, 3)
    await write(side, topic, writer, 3, 2)
  })

  rule('a gap is OUT_OF_ORDER_SEQUENCE_NUMBER and changes nothing', async (side) => {
    const topic = await side.topic()
    const writer = await producer(side)
    await write(side, topic, writer, 0)
    await write(side, topic, writer, 2)
    await write(side, topic, writer, 1)
    await write(side, topic, writer, 2)
  })

  rule('a producer nobody knows may begin anywhere', async (side) => {
    const topic = await side.topic()
    const writer = await producer(side)
    await write(side, topic, writer, 17)
    await write(side, topic, writer, 18)
    await write(side, topic, writer, 0)
    await write(side, topic, { producerId: 987_654, producerEpoch: 4 }, 5)
    await write(side, topic, { producerId: 987_654, producerEpoch: 4 }, 6)
  })

  rule('a new epoch begins at 0', async (side) => {
    const topic = await side.topic()
    const writer = await producer(side)
    await write(side, topic, writer, 0)
    await write(side, topic, writer, 1)
    await write(side, topic, { ...writer, producerEpoch: 1 }, 2)
    await write(side, topic, { ...writer, producerEpoch: 1 }, 0)
    await write(side, topic, { ...writer, producerEpoch: 1 }, 1)
    await write(side, topic, { ...writer, producerEpoch: 5 }, 0)
  })

  rule('an old epoch is INVALID_PRODUCER_EPOCH', async (side) => {
    const topic = await side.topic()
    const writer = await producer(side)
    await write(side, topic, { ...writer, producerEpoch: 3 }, 0)
    await write(side, topic, { ...writer, producerEpoch: 2 }, 0)
    await write(side, topic, { ...writer, producerEpoch: 2 }, 1)
    await write(side, topic, { ...writer, producerEpoch: 3 }, 1)
  })

  rule('sequences go on at 0 after the largest', async (side) => {
    const topic = await side.topic()
    const writer = await producer(side)
    await write(side, topic, writer, 0x7fff_fffe, 2)
    await write(side, topic, writer, 0, 2)
    await write(side, topic, writer, 2)
    const other = await producer(side)
    await write(side, topic, other, 0x7fff_ffff, 3)
    await write(side, topic, other, 2, 1)
    await repeat(side, topic, other, 0x7fff_ffff, 3)
  })

  rule('who is known after DeleteRecords may go on, and repeat itself', async (side) => {
    const topic = await side.topic()
    const writer = await producer(side)
    await write(side, topic, writer, 0)
    await write(side, topic, writer, 1)
    const partitions = [{ partitionIndex: 0, offset: -1 }]
    await side.ask('DeleteRecords', 2, { topics: [{ name: topic, partitions }], timeoutMs: 5000 })
    await repeat(side, topic, writer, 1)
    await write(side, topic, writer, 5)
    await write(side, topic, writer, 2)
  })

  rule('an id without an epoch or a sequence is refused', async (side) => {
    const topic = await side.topic()
    const { producerId } = await producer(side)
    const cases: BatchOptions[] = [
      { producerId, producerEpoch: 0, baseSequence: -1 },
      { producerId, producerEpoch: -1, baseSequence: -1 },
      { producerId: -1, producerEpoch: 0, baseSequence: 0 },
    ]
    for (const each of cases) await produce(side, topic, batch(['a'], each))
    const timeless = batch(['a'], { producerId, producerEpoch: -1, baseSequence: 0 })
    const other = await side.topic()
    const { errorCode } = await produce(side, other, timeless, { aside: true })
    side.differs('a producer id without an epoch', errorName(errorCode))
    await produce(side, topic, altered(batch(['a']), { producerId: -2 }))
  })

  rule('each partition has its own sequences', async (side) => {
    const topic = await side.topic({ partitions: 2 })
    const writer = await producer(side)
    await produce(side, topic, batch(['a'], { ...writer, baseSequence: 0 }))
    await produce(side, topic, batch(['a'], { ...writer, baseSequence: 1 }), { partition: 1 })
    await produce(side, topic, batch(['a'], { ...writer, baseSequence: 1 }))
    const described = { topics: [{ name: topic, partitionIndexes: [0, 1, 2] }] }
    await side.ask('DescribeProducers', 0, described)
  })

  rule('a transactional batch needs a transactional id in the request', async (side) => {
    const topic = await side.topic()
    const writer = await producer(side)
    const bytes = batch(['a'], { ...writer, baseSequence: 0, transactional: true })
    for (const version of [3, 9, 11, 12]) await produce(side, topic, bytes.slice(), { version })
    const unknown = side.called('nobody')
    for (const version of [3, 9, 11, 12]) {
      await produce(side, topic, bytes.slice(), { version, transactionalId: unknown })
    }
    await produce(side, topic, batch(['a']), { transactionalId: unknown })
    await produce(side, topic, batch(['a'], { ...writer, baseSequence: 0 }), {
      transactionalId: unknown,
    })
  })
})
