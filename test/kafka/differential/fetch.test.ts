/** Reading: bounds, sizes, epochs, ids. */
import { setTimeout as delay } from 'node:timers/promises'
import { batch, fetch, produce } from './batches.ts'
import { family } from './rule.ts'
import type { Side } from './side.ts'

async function deleteBefore(side: Side, topic: string, offset: number): Promise<void> {
  const partitions = [{ partitionIndex: 0, offset }]
  await side.ask('DeleteRecords', 2, { topics: [{ name: topic, partitions }], timeoutMs: 5000 })
}

async function filled(side: Side, count = 3, size = 1): Promise<string> {
  const topic = await side.topic()
  for (let i = 0; i < count; i++) {
    await produce(side, topic, batch(['x'.repeat(size), 'y']), { aside: true })
  }
  return topic
}

family('fetch', (rule) => {
  rule('every version reads the same', async (side) => {
    const topic = await filled(side)
    for (const version of [4, 5, 6, 7, 8, 9, 10, 11, 12]) await fetch(side, topic, 0, { version })
    const topicId = await side.led(topic, 1)
    for (const version of [13, 14, 15, 16, 17, 18]) {
      const partitions = [{ partition: 0, fetchOffset: 2, partitionMaxBytes: 10_000 }]
      await side.ask('Fetch', version, { maxBytes: 10_000, topics: [{ topicId, partitions }] })
    }
  })

  rule('the whole batch that holds the offset is returned', async (side) => {
    const topic = await filled(side)
    for (const offset of [0, 1, 2, 3, 5]) await fetch(side, topic, offset)
  })

  rule('the end is empty and beyond it is OFFSET_OUT_OF_RANGE', async (side) => {
    const topic = await filled(side)
    for (const version of [4, 5, 11, 12]) {
      for (const offset of [6, 7, -1, 1000]) await fetch(side, topic, offset, { version })
    }
    const empty = await side.topic()
    await fetch(side, empty, 0)
    await fetch(side, empty, 1)
  })

  rule('what was deleted is OFFSET_OUT_OF_RANGE', async (side) => {
    const topic = await filled(side)
    await deleteBefore(side, topic, 3)
    for (const offset of [0, 2, 3, 4, 6]) await fetch(side, topic, offset)
    await deleteBefore(side, topic, -1)
    for (const offset of [5, 6]) await fetch(side, topic, offset)
  })

  rule('the first batch is returned however large, the next only if it fits', async (side) => {
    const topic = await filled(side, 3, 500)
    for (const maxBytes of [1, 600, 1200, 1300, 10_000]) {
      await fetch(side, topic, 0, { maxBytes })
      await fetch(side, topic, 0, { partitionMaxBytes: maxBytes })
    }
    await fetch(side, topic, 0, { maxBytes: 0 })
    await fetch(side, topic, 0, { partitionMaxBytes: 0 })
  })

  rule('only one oversized batch is returned in a response', async (side) => {
    const topic = await side.topic({ partitions: 3 })
    for (const partition of [0, 1, 2]) {
      await produce(side, topic, batch(['x'.repeat(500)]), { partition, aside: true })
    }
    for (const maxBytes of [1, 700, 1200, 5000]) {
      const partitions = [1, 0, 2].map((partition) => ({
        partition,
        fetchOffset: 0,
        partitionMaxBytes: 100,
      }))
      await side.ask('Fetch', 12, { maxBytes, topics: [{ topic, partitions }] })
    }
  })

  rule('a fetch waits for minBytes, or for its time to be over', async (side) => {
    const topic = await filled(side)
    await fetch(side, topic, 6, { minBytes: 1, maxWaitMs: 50 })
    await fetch(side, topic, 0, { minBytes: 100_000, maxWaitMs: 50 })
    const waiting = fetch(side, topic, 6, { minBytes: 1, maxWaitMs: 5000 })
    const other = await side.peer()
    await produce(other, topic, batch(['z']))
    await waiting
  })

  rule('a fetch that waits ends when its topic is deleted', async (side) => {
    const topic = await filled(side)
    const other = await side.peer()
    const started = performance.now()
    const waiting = fetch(side, topic, 6, { minBytes: 1, maxWaitMs: 5000 })
    // So that it waits before the topic goes.
    await delay(100)
    await other.ask('DeleteTopics', 5, { topicNames: [topic], timeoutMs: 5000 }, { aside: true })
    await waiting
    side.note('waited', performance.now() - started > 4000)
  })

  rule('an error is not waited with', async (side) => {
    const topic = await filled(side)
    const started = performance.now()
    await fetch(side, topic, 100, { minBytes: 1, maxWaitMs: 4000 })
    await fetch(side, side.called('missing'), 0, { minBytes: 1, maxWaitMs: 4000 })
    side.note('waited', performance.now() - started > 4000)
  })

  rule('an unknown partition or topic is told so', async (side) => {
    const topic = await filled(side)
    for (const version of [4, 11, 12]) {
      await fetch(side, topic, 0, { version, partition: 1 })
      await fetch(side, side.called('missing'), 0, { version })
    }
  })

  rule('an unknown topic id is UNKNOWN_TOPIC_ID', async (side) => {
    const topicId = 'Dw8PDw8PDw8PDw8PDw8PDw'
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }]
    for (const version of [13, 15, 17]) {
      await side.ask('Fetch', version, { maxBytes: 10_000, topics: [{ topicId, partitions }] })
    }
  })

  rule('older leader epochs are fenced and newer ones unknown', async (side) => {
    const topic = await filled(side)
    for (const version of [9, 11, 12]) {
      for (const currentLeaderEpoch of [-1, 0, 1, 5]) {
        await fetch(side, topic, 0, { version, currentLeaderEpoch })
      }
    }
    for (const currentLeaderEpoch of [-2, 1]) await fetch(side, topic, 99, { currentLeaderEpoch })
  })

  rule('a reader says which epoch it read last, and hears where that diverges', async (side) => {
    const topic = await filled(side)
    for (const lastFetchedEpoch of [-1, 0, 1, 4]) {
      await fetch(side, topic, 2, { lastFetchedEpoch })
      await fetch(side, topic, 2, { lastFetchedEpoch, currentLeaderEpoch: 0 })
      await fetch(side, topic, 9, { lastFetchedEpoch, currentLeaderEpoch: 0 })
    }
  })

  rule('one that takes itself for a replica is answered as a consumer or not', async (side) => {
    const topic = await filled(side)
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }]
    for (const replicaId of [-1, -2]) {
      await side.ask('Fetch', 11, { replicaId, maxBytes: 1000, topics: [{ topic, partitions }] })
    }
  })

  rule('nothing asked is nothing answered', async (side) => {
    for (const version of [4, 7, 12]) await side.ask('Fetch', version, { maxBytes: 1000 })
  })
})
