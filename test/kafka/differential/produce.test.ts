/** What may be written, and how a refusal reads. */
import { altered, around, batch, compressions, noon, produce } from './batches.ts'
import { errorName } from '../../../src/protocol/errors.ts'
import { family } from './rule.ts'
import { concatBytes } from '../../../src/base/bytes.ts'

family('produce', (rule) => {
  rule('a batch gets the next offsets, in every version', async (side) => {
    const topic = await side.topic()
    for (const version of [3, 5, 7, 8, 9, 10, 11, 12]) {
      await produce(side, topic, batch(['a', 'b']), { version })
    }
    const topicId = await side.led(topic, 1)
    const partitionData = [{ index: 0, records: batch(['c']) }]
    const topicData = [{ topicId, partitionData }]
    await side.ask('Produce', 13, { acks: -1, timeoutMs: 5000, topicData })
  })

  rule('acks are 0, 1 or all', async (side) => {
    const topic = await side.topic()
    for (const acks of [1, -1, 2, -2, 100]) {
      await produce(side, topic, batch(['a']), { acks })
    }
  })

  rule('a wrong number of acks refuses every partition, unknown ones too', async (side) => {
    const topic = await side.topic()
    const partitionData = [0, 5].map((index) => ({ index, records: batch(['a']) }))
    const topicData = [
      { name: topic, partitionData },
      { name: side.called('missing'), partitionData },
    ]
    await side.ask('Produce', 9, { acks: 3, timeoutMs: 1000, topicData })
  })

  rule('acks=0 is not answered, and a failure ends the connection', async (side) => {
    const topic = await side.topic()
    const peer = await side.peer()
    const partitionData = [{ index: 0, records: batch(['a']) }]
    peer.raw.send('Produce', 9, {
      acks: 0,
      timeoutMs: 1000,
      topicData: [{ name: topic, partitionData }],
    })
    await peer.ask('Metadata', 9, { topics: [{ name: topic }] })
    const topicData = [{ name: side.called('missing'), partitionData }]
    peer.raw.send('Produce', 9, { acks: 0, timeoutMs: 1000, topicData })
    await peer.raw.ended()
  })

  rule('acks that are no acks end no connection', async (side) => {
    const topic = await side.topic()
    await produce(side, topic, batch(['a']), { acks: 7, version: 3 })
    await produce(side, topic, batch(['a']))
  })

  rule('an unknown topic or partition is refused and not created', async (side) => {
    const topic = await side.topic()
    for (const version of [3, 9, 11]) {
      await produce(side, side.called('missing'), batch(['a']), { version })
      await produce(side, topic, batch(['a']), { version, partition: 1 })
      await produce(side, topic, batch(['a']), { version, partition: -1 })
    }
    const topicId = 'Dw8PDw8PDw8PDw8PDw8PDw'
    const partitionData = [{ index: 0, records: batch(['c']) }]
    await side.ask('Produce', 13, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ topicId, partitionData }],
    })
  })

  rule('a name no topic can have is refused', async (side) => {
    await produce(side, 'bad/name', batch(['a']))
    await produce(side, '', batch(['a']))
  })

  rule('a batch whose checksum is wrong is CORRUPT_MESSAGE', async (side) => {
    const topic = await side.topic()
    const bytes = batch(['a'])
    bytes[bytes.length - 1]! ^= 1
    for (const version of [3, 8, 11]) await produce(side, topic, bytes.slice(), { version })
  })

  rule('two batches in one partition are refused', async (side) => {
    const topic = await side.topic()
    const bytes = concatBytes([batch(['a']), batch(['b'])])
    for (const version of [3, 7, 11]) await produce(side, topic, bytes.slice(), { version })
  })

  rule('older record formats are refused', async (side) => {
    const topic = await side.topic()
    for (const magic of [0, 1, 3]) {
      const bytes = batch(['a'])
      bytes[16] = magic
      await produce(side, topic, bytes, { version: 9 })
    }
  })

  rule('no records at all are refused', async (side) => {
    const topic = await side.topic()
    await produce(side, topic, new Uint8Array(0), { version: 9 })
    await produce(side, topic, batch(['a']).subarray(0, 30), { version: 9 })
    await produce(side, topic, batch(['a']).subarray(0, 65), { version: 9 })
  })

  rule('a batch says truly how many records it has', async (side) => {
    const topic = await side.topic()
    await produce(side, topic, altered(batch(['a', 'b']), { recordCount: 3 }))
    await produce(side, topic, altered(batch(['a', 'b']), { recordCount: 1 }))
    await produce(side, topic, altered(batch(['a', 'b']), { recordCount: 0 }))
    await produce(side, topic, altered(batch(['a', 'b']), { recordCount: -1 }))
    await produce(side, topic, altered(batch(['a', 'b']), { lastOffsetDelta: 5 }))
    await produce(side, topic, altered(batch(['a', 'b']), { lastOffsetDelta: 0 }))
    await produce(side, topic, altered(batch(['a', 'b']), { lastOffsetDelta: -1 }))
  })

  rule('a batch larger than max.message.bytes is MESSAGE_TOO_LARGE', async (side) => {
    const topic = await side.topic({ configs: { 'max.message.bytes': '1000' } })
    for (const size of [900, 931, 932, 933, 934, 1000]) {
      await produce(side, topic, batch(['x'.repeat(size)], { key: null }))
    }
    await produce(side, topic, batch(['x'.repeat(5000)], { compression: 'gzip' }))
  })

  rule('a client writes no control batches', async (side) => {
    const topic = await side.topic()
    await produce(side, topic, altered(batch(['a']), { attributes: 0x20 }))
    await produce(side, topic, altered(batch(['a']), { attributes: 0x30 }))
  })

  rule('every compression is kept as it came', async (side) => {
    const topic = await side.topic()
    for (const compression of compressions) {
      await produce(side, topic, batch(['a', 'a', 'a'], { compression }))
    }
    await produce(side, topic, batch(['a'], { compression: 'zstd' }), { version: 6 })
    await produce(side, topic, batch(['a'], { compression: 'zstd' }), { version: 7 })
    const strange = altered(batch(['a']), { attributes: 5 })
    const { errorCode } = await produce(side, topic, strange, { version: 9, aside: true })
    side.differs('a compression nobody knows', errorName(errorCode))
  })

  rule('a compacted topic takes no record without a key, and says which', async (side) => {
    const topic = await side.topic({ configs: { 'cleanup.policy': 'compact' } })
    for (const version of [7, 8, 11]) {
      await produce(side, topic, batch(['a', 'b'], { key: null }), { version })
      await produce(side, topic, batch(['a', 'b'], { key: null, compression: 'gzip' }), { version })
    }
    await produce(side, topic, batch(['a']))
    await produce(side, topic, batch([null]))
  })

  rule('LogAppendTime is the broker’s and is told', async (side) => {
    const topic = await side.topic({ configs: { 'message.timestamp.type': 'LogAppendTime' } })
    await produce(side, topic, batch(['a']))
    await produce(side, topic, batch(['a']), { version: 3 })
    const fetched = await side.ask('Fetch', 11, {
      maxBytes: 1000,
      topics: [{ topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
    })
    side.note('records', fetched.responses[0]?.partitions[0]?.records?.length)
  })

  rule(
    'a timestamp far from the broker’s clock is refused where the topic says so',
    async (side) => {
      const day = 86_400_000
      const topic = await side.topic({
        configs: {
          'message.timestamp.before.max.ms': `${day}`,
          'message.timestamp.after.max.ms': `${day}`,
        },
      })
      const now = Date.now()
      await produce(side, topic, batch(['a', 'b'], { timestamps: [now, now] }))
      await produce(side, topic, batch(['a', 'b'], { timestamps: [now, now - 2 * day] }))
      await produce(side, topic, batch(['a', 'b'], { timestamps: [now, now + 2 * day] }))
      await produce(
        side,
        topic,
        batch(['a', 'b', 'c'], { timestamps: [now - 2 * day, now, now + 2 * day] }),
      )
      const plain = await side.topic()
      await produce(side, plain, batch(['a'], { timestamps: [now + 2 * day] }))
      await produce(side, plain, batch(['a'], { timestamps: [-1] }))
      await produce(side, plain, batch(['a'], { timestamps: [noon - 1000 * day] }))
    },
  )

  rule('records are what their batch says, compressed or not', async (side) => {
    const topic = await side.topic()
    for (const compression of compressions) {
      const body = (values: readonly string[]): Uint8Array => batch(values).subarray(61)
      const of = (records: Uint8Array, values: readonly string[]) =>
        around(records, batch(values), compression)
      await produce(side, topic, of(body(['a', 'b', 'c']), ['a']))
      await produce(side, topic, of(body(['a']), ['a', 'b']))
      await produce(side, topic, of(body(['abc']).subarray(0, -2), ['abc']))
      await produce(side, topic, of(concatBytes([body(['a']), Uint8Array.of(0)]), ['a']))
      // Fewer headers than it counts, a negative count of them, a header without a key.
      await produce(side, topic, of(Uint8Array.of(16, 0, 0, 0, 1, 1, 4, 0, 1), ['a']))
      await produce(side, topic, of(Uint8Array.of(12, 0, 0, 0, 1, 1, 1), ['a']))
      await produce(side, topic, of(Uint8Array.of(16, 0, 0, 0, 1, 1, 2, 1, 1), ['a']))
      // The shortest record there is, and the same with a size for null that is not -1.
      await produce(side, topic, of(Uint8Array.of(12, 0, 0, 0, 1, 1, 0), ['a']))
      await produce(side, topic, of(Uint8Array.of(12, 0, 0, 0, 3, 5, 0), ['a']))
    }
  })

  rule('records that cannot be read are refused', async (side) => {
    const topic = await side.topic()
    const codeOf = async (bytes: Uint8Array) =>
      errorName((await produce(side, topic, bytes, { aside: true })).errorCode)
    const noise = batch(['abcdef'])
    noise.fill(0xff, 61)
    side.differs('records that are noise', await codeOf(altered(noise, {})))
    for (const compression of compressions.slice(1)) {
      const bytes = batch(['abcdef'], { compression })
      bytes.fill(0xee, 61)
      side.differs('records that do not decompress', await codeOf(altered(bytes, {})))
    }
    const twice = batch(['a']).subarray(61)
    for (const compression of compressions) {
      const same = around(concatBytes([twice, twice]), batch(['a', 'b']), compression)
      const isPlain = compression === 'none'
      const rule = isPlain ? 'two records that both say they are the first' : 'the same, compressed'
      side.differs(rule, await codeOf(same))
    }
    const stamped = altered(batch(['a']), { attributes: 8 })
    side.differs('a producer that gives the broker’s time', await codeOf(stamped))
  })

  rule('a largest time that is not that of the records is put right', async (side) => {
    for (const compression of compressions) {
      const topic = await side.topic()
      for (const maxTimestamp of [5, noon + 1e9, -1]) {
        const lying = altered(batch(['a', 'b'], { timestamps: [noon, noon + 7], compression }), {
          maxTimestamp,
        })
        await produce(side, topic, lying)
        const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -3 }]
        await side.ask('ListOffsets', 7, { replicaId: -1, topics: [{ name: topic, partitions }] })
      }
    }
  })

  rule(
    'a record larger than max.decompressed.message.bytes is refused, where compressed',
    async (side) => {
      const topic = await side.topic({ configs: { 'max.decompressed.message.bytes': '1000' } })
      for (const compression of compressions) {
        for (const size of [980, 985, 986, 987, 988, 989, 990, 991, 992, 1000, 5000]) {
          await produce(side, topic, batch(['x'.repeat(size)], { compression }))
        }
      }
    },
  )

  rule('partitions of one request succeed and fail each on its own', async (side) => {
    const topic = await side.topic({ partitions: 2 })
    const bad = batch(['a'])
    bad[20]! ^= 1
    const partitionData = [
      { index: 0, records: batch(['a']) },
      { index: 1, records: bad },
      { index: 2, records: batch(['a']) },
    ]
    const topicData = [{ name: topic, partitionData }]
    await side.ask('Produce', 11, { acks: -1, timeoutMs: 1000, topicData })
  })
})
