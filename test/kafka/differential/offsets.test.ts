/** Where a log begins and ends: ListOffsets, OffsetForLeaderEpoch, DeleteRecords. */
import { batch, noon, produce } from './batches.ts'
import { family } from './rule.ts'
import type { Side } from './side.ts'

async function list(
  side: Side,
  name: string,
  timestamp: number,
  o: {
    version?: number
    currentLeaderEpoch?: number
    isolationLevel?: number
    partition?: number
    aside?: boolean
  } = {},
) {
  const { version = 10, currentLeaderEpoch = -1, isolationLevel = 0, partition = 0 } = o
  const partitions = [{ partitionIndex: partition, timestamp, currentLeaderEpoch }]
  const request = { replicaId: -1, topics: [{ name, partitions }] }
  const isolated = version < 2 ? {} : { isolationLevel }
  const answer = await side.ask('ListOffsets', version, { ...request, ...isolated }, o)
  return answer.topics[0]?.partitions[0]?.offset
}

async function deleteRecords(side: Side, name: string, offset: number, partitionIndex = 0) {
  const topics = [{ name, partitions: [{ partitionIndex, offset }] }]
  return side.ask('DeleteRecords', 2, { topics, timeoutMs: 5000 })
}

async function endOf(
  side: Side,
  topic: string,
  leaderEpoch: number,
  currentLeaderEpoch = -1,
  version = 4,
) {
  const partitions = [{ partition: 0, leaderEpoch, currentLeaderEpoch }]
  return side.ask('OffsetForLeaderEpoch', version, { topics: [{ topic, partitions }] })
}

/** Times that do not rise, in two batches. */
async function filled(side: Side): Promise<string> {
  const topic = await side.topic()
  const times = [noon, noon + 50, noon + 20]
  await produce(side, topic, batch(['a', 'b', 'c'], { timestamps: times }), { aside: true })
  const later = [noon + 10, noon + 50, noon + 40]
  await produce(side, topic, batch(['d', 'e', 'f'], { timestamps: later, compression: 'gzip' }))
  return topic
}

family('offsets', (rule) => {
  rule('ListOffsets knows first, last and the offset of a time, in every version', async (side) => {
    const topic = await filled(side)
    for (const version of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) {
      for (const timestamp of [-1, -2, noon + 20]) await list(side, topic, timestamp, { version })
    }
  })

  rule(
    'a time finds the first offset that is not earlier, though times do not rise',
    async (side) => {
      const topic = await filled(side)
      for (const after of [-1000, 0, 1, 20, 21, 40, 50, 51, 1000])
        await list(side, topic, noon + after)
      await list(side, topic, 0)
    },
  )

  rule('special times have their versions', async (side) => {
    const topic = await filled(side)
    for (const version of [1, 6, 7, 8, 9, 10, 11]) {
      for (const timestamp of [-3, -4, -5, -6, -7]) await list(side, topic, timestamp, { version })
    }
  })

  rule('an empty partition begins and ends at 0', async (side) => {
    const topic = await side.topic()
    for (const timestamp of [-1, -2, -3, -4, -5, 0, noon]) await list(side, topic, timestamp)
  })

  rule('deleted records are not found', async (side) => {
    const topic = await filled(side)
    await deleteRecords(side, topic, 2)
    for (const timestamp of [-1, -2, -4, 0, noon, noon + 50]) await list(side, topic, timestamp)
    const most = await list(side, topic, -3, { aside: true })
    side.differs('the largest time among deleted records', most)
    await deleteRecords(side, topic, -1)
    for (const timestamp of [-1, -2, -4, 0, noon, noon + 50]) await list(side, topic, timestamp)
    const none = await list(side, topic, -3, { aside: true })
    side.differs('the largest time when all is deleted', none)
  })

  rule('unknown partitions, and wrong leader epochs', async (side) => {
    const topic = await filled(side)
    for (const version of [1, 4, 7, 10]) {
      await list(side, side.called('missing'), -1, { version })
      await list(side, topic, -1, { version, partition: 3 })
      if (version >= 4) {
        for (const currentLeaderEpoch of [0, 1])
          await list(side, topic, -1, { version, currentLeaderEpoch })
      }
    }
  })

  rule('a partition asked for twice is refused', async (side) => {
    const topic = await filled(side)
    const partitions = [
      { partitionIndex: 0, timestamp: -1 },
      { partitionIndex: 0, timestamp: -2 },
    ]
    await side.ask('ListOffsets', 7, { replicaId: -1, topics: [{ name: topic, partitions }] })
  })

  rule('OffsetForLeaderEpoch tells where an epoch ended', async (side) => {
    const topic = await filled(side)
    for (const version of [2, 3, 4]) {
      for (const epoch of [0, 1, 5, -1]) await endOf(side, topic, epoch, -1, version)
      for (const current of [0, 1]) await endOf(side, topic, 0, current, version)
      await endOf(side, side.called('missing'), 0, -1, version)
    }
    const empty = await side.topic()
    await endOf(side, empty, 0)
    await deleteRecords(side, topic, -1)
    await endOf(side, topic, 0)
  })

  rule('DeleteRecords moves the beginning forward and never back', async (side) => {
    const topic = await filled(side)
    for (const offset of [0, 2, 1, 2, 6, 7, -1, -2]) await deleteRecords(side, topic, offset)
    await deleteRecords(side, topic, 0, 1)
    await deleteRecords(side, side.called('missing'), 0)
    await produce(side, topic, batch(['g']))
    await list(side, topic, -2)
  })
})
