/** Transactions whose epoch changes with each of them (TV2, KIP-890), and offsets in transactions. */
import { fetch, producer } from './batches.ts'
import { leave, settle } from './groups.ts'
import { family } from './rule.ts'
import {
  addOffsets,
  addPartitions,
  begin,
  commitOffsets,
  committed,
  end,
  ended,
  write,
  reaches,
  type Transactor,
} from './transactions.ts'

const tv1 = { version: 4 }

family('transactions-2', (rule) => {
  rule('a write adds its partition, and each end gives a new epoch', async (side) => {
    const topic = await side.topic()
    let by = await begin(side, side.called('t'))
    for (const isCommit of [true, false, true]) {
      await write(side, topic, by, 0)
      await write(side, topic, by, 1)
      by = (await end(side, by, isCommit)).next
    }
    await ended(side, topic)
    await fetch(side, topic, 0, { isolationLevel: 1 })
  })

  rule('an end is repeated with the epoch before, and then fenced', async (side) => {
    const topic = await side.topic()
    const by = await begin(side, side.called('t'))
    await write(side, topic, by, 0)
    const { next } = await end(side, by, true)
    await ended(side, topic)
    await end(side, by, true)
    await end(side, by, false)
    await end(side, next, true)
    await write(side, topic, next, 0)
    const after = await end(side, next, false)
    await ended(side, topic)
    await end(side, by, true)
    await end(side, next, false)
    await end(side, next, true)
    await end(side, { ...next, producerEpoch: 20 }, true)
    await write(side, topic, by, 1)
    await write(side, topic, next, 1)
    await write(side, topic, after.next, 0)
    await end(side, after.next, true)
  })

  rule('an abort of nothing gives a new epoch, a commit of nothing is refused', async (side) => {
    const by = await begin(side, side.called('t'))
    await end(side, by, true)
    const { next } = await end(side, by, false)
    await end(side, next, true)
    const last = await end(side, next, false)
    await end(side, last.next, true)
    await end(side, { ...by, transactionalId: side.called('nobody') }, true)
    await end(side, { ...last.next, producerId: 987_654 }, true)
    await end(side, { ...by, transactionalId: '' }, true)
  })

  rule('a producer may come down to TV1 again, and back', async (side) => {
    const topic = await side.topic()
    const by = await begin(side, side.called('t'))
    await write(side, topic, by, 0)
    const { next } = await end(side, by, true)
    await ended(side, topic)
    await addPartitions(side, next, { [topic]: [0] })
    await write(side, topic, next, 0, { version: 11 })
    await end(side, next, true, tv1)
    await ended(side, topic)
    await write(side, topic, next, 1)
    await end(side, next, true)
    await ended(side, topic)
    await fetch(side, topic, 0, { isolationLevel: 1 })
  })

  rule('a write is checked before it is in the transaction', async (side) => {
    const topic = await side.topic()
    const by = await begin(side, side.called('t'))
    await write(side, topic, { ...by, producerEpoch: 4 }, 0)
    await write(side, topic, { ...by, producerId: 987_654 }, 0)
    await write(side, topic, { ...by, transactionalId: side.called('nobody') }, 0)
    await write(side, side.called('missing'), by, 0)
    await write(side, topic, by, 3)
    await write(side, topic, by, 0)
    await write(side, topic, by, 5)
    await write(side, topic, by, 1)
    await end(side, by, true)
  })

  rule('a new instance aborts what is open, and the old one is fenced', async (side) => {
    const topic = await side.topic()
    const id = side.called('t')
    const old = await begin(side, id)
    await write(side, topic, old, 0)
    const by = await begin(side, id)
    await ended(side, topic)
    await write(side, topic, old, 1)
    await end(side, old, true)
    await write(side, topic, by, 0)
    await end(side, by, true)
    await ended(side, topic)
    await fetch(side, topic, 0, { isolationLevel: 1 })
  })

  rule(
    'a producer that names its epoch aborts its own transaction, another is fenced',
    async (side) => {
      const topic = await side.topic()
      const id = side.called('t')
      const by = await begin(side, id)
      const { producerId, producerEpoch } = by
      await write(side, topic, by, 0)
      await producer(side, id, { producerId, producerEpoch: 9 })
      await producer(side, id, { producerId: 987_654, producerEpoch })
      const next = await producer(side, id, { producerId, producerEpoch })
      await ended(side, topic)
      await producer(side, id, { producerId, producerEpoch })
      const again: Transactor = { transactionalId: id, ...next }
      await write(side, topic, again, 0)
      await end(side, again, true)
      await ended(side, topic)
      await fetch(side, topic, 0, { isolationLevel: 1 })
    },
  )

  rule('one transaction spans partitions, topics and groups', async (side) => {
    const topics = [await side.topic({ partitions: 2 }), await side.topic()]
    const groupId = side.called('g')
    let by = await begin(side, side.called('t'))
    for (const isCommit of [true, false]) {
      await write(side, topics[0]!, by, 0)
      await write(side, topics[0]!, by, 0, { partition: 1 })
      await write(side, topics[1]!, by, 0)
      await commitOffsets(side, by, groupId, topics[1]!, isCommit ? 7 : 8, { version: 5 })
      by = (await end(side, by, isCommit)).next
      for (const topic of topics) await ended(side, topic)
      await stable(side, groupId, topics[1]!)
    }
    await fetch(side, topics[0]!, 0, { isolationLevel: 1 })
    await reaches(side, topics[0]!, 4, 1)
    await fetch(side, topics[0]!, 0, { isolationLevel: 1, partition: 1 })
    await fetch(side, topics[1]!, 0, { isolationLevel: 1 })
    await committed(side, groupId, topics[1]!)
  })

  rule('a topic deleted in the middle of a transaction does not hold it up', async (side) => {
    const kept = await side.topic()
    const gone = await side.topic()
    const by = await begin(side, side.called('t'))
    await write(side, kept, by, 0)
    await write(side, gone, by, 0)
    await side.ask('DeleteTopics', 6, { topics: [{ name: gone }], timeoutMs: 5000 })
    await side.settled()
    const { next } = await end(side, by, true)
    await ended(side, kept)
    await write(side, kept, next, 0)
    await end(side, next, true)
  })

  rule('an overdue transaction is aborted and its producer fenced', async (side) => {
    const topic = await side.topic()
    const by = await begin(side, side.called('t'), { timeoutMs: 300 })
    await write(side, topic, by, 0)
    await ended(side, topic)
    await write(side, topic, by, 1)
    await end(side, by, true)
    await end(side, by, false)
    await fetch(side, topic, 0, { isolationLevel: 1 })
  })

  rule('offsets in a transaction are there when it commits', async (side) => {
    const topic = await side.topic()
    const groupId = side.called('g')
    let by = await begin(side, side.called('t'))
    for (const [version, isCommit] of [
      [3, true],
      [4, false],
      [5, true],
    ] as const) {
      if (version < 5) await addOffsets(side, by, groupId, version)
      await commitOffsets(side, by, groupId, topic, 10 + version, { version })
      await committed(side, groupId, topic)
      const groups = [{ groupId, topics: [{ name: topic, partitionIndexes: [0] }] }]
      await side.ask('OffsetFetch', 9, { groups, requireStable: true })
      by = (await end(side, by, isCommit, { version: version < 5 ? 4 : 5 })).next
      await stable(side, groupId, topic)
      await committed(side, groupId, topic)
    }
  })

  rule('an older TxnOffsetCommit names its group first', async (side) => {
    const topic = await side.topic()
    const by = await begin(side, side.called('t'))
    const groupId = side.called('g')
    for (const version of [0, 2, 3, 4]) {
      await commitOffsets(side, by, groupId, topic, 5, { version })
    }
    await addOffsets(side, by, groupId)
    await addOffsets(side, { ...by, producerEpoch: 7 }, groupId)
    await addOffsets(side, { ...by, producerId: 987_654 }, groupId)
    await addOffsets(side, { ...by, transactionalId: side.called('nobody') }, groupId)
    await addOffsets(side, by, '')
    for (const version of [0, 1, 2]) await addOffsets(side, by, groupId, version)
    await commitOffsets(side, by, groupId, topic, 6)
    await commitOffsets(side, by, groupId, topic, 6, { partition: 7 })
    await commitOffsets(side, by, groupId, side.called('missing'), 6)
    await commitOffsets(side, by, groupId, topic, 6, { metadata: 'x'.repeat(5000) })
    await end(side, by, true, tv1)
    await stable(side, groupId, topic)
    await committed(side, groupId, topic)
  })

  rule('TxnOffsetCommit checks producer, member and generation', async (side) => {
    const topic = await side.topic()
    const groupId = side.called('g')
    const member = await settle(side, groupId)
    const by = await begin(side, side.called('t'))
    const { memberId, generationId } = member
    for (const version of [3, 5]) {
      if (version < 5) await addOffsets(side, by, groupId)
      const ask = (o: object, who = by) =>
        commitOffsets(side, who, groupId, topic, 5, { version, ...o })
      await ask({})
      await ask({ memberId })
      await ask({ memberId, generationId: 7 })
      await ask({ memberId: 'x', generationId })
      await ask({ generationId })
      await ask({ memberId, generationId, groupInstanceId: 'nobody' })
      await ask({ memberId, generationId }, { ...by, producerEpoch: 9 })
      await ask({ memberId, generationId }, { ...by, producerId: 987_654 })
      await ask({ memberId, generationId })
    }
    await end(side, by, true)
    await stable(side, groupId, topic)
    await committed(side, groupId, topic)
    await leave(side, groupId, [{ memberId }])
    await commitOffsets(side, by, '', topic, 5, { version: 5 })
  })

  rule('the newest TxnOffsetCommit names topics by id', async (side) => {
    const topic = await side.topic()
    const topicId = await side.led(topic, 1)
    const groupId = side.called('g')
    const { memberId, generationId } = await settle(side, groupId)
    const by = await begin(side, side.called('t'))
    const ask = (o: object, group = groupId) =>
      commitOffsets(side, by, group, topic, 5, { version: 6, topicId, ...o })
    await ask({})
    await ask({ memberId, generationId: 7 })
    await ask({ memberId: 'x', generationId })
    await ask({ memberId, generationId })
    await ask({ memberId, generationId, partition: 7 })
    await ask({ memberId, generationId, topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' })
    await ask({ memberId, generationId, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' })
    await ask({ memberId, generationId }, side.called('nobody'))
    await ask({}, side.called('simple'))
    await ask({}, '')
    await end(side, by, true)
    await stable(side, groupId, topic)
    await committed(side, groupId, topic)
    await leave(side, groupId, [{ memberId }])
    await ask({ memberId, generationId })
  })

  rule('a group with offsets pending is deleted with them or not at all', async (side) => {
    const topic = await side.topic()
    const groupId = side.called('g')
    const by = await begin(side, side.called('t'))
    await commitOffsets(side, by, groupId, topic, 5, { version: 5 })
    await side.ask('DescribeGroups', 5, { groups: [groupId] })
    await committed(side, groupId, topic)
    await side.ask('OffsetFetch', 9, { groups: [{ groupId, topics: null }], requireStable: true })
    await side.ask('OffsetFetch', 7, { groupId, topics: null, requireStable: true })
    await end(side, by, false)
    await stable(side, groupId, topic)
    await committed(side, groupId, topic)
    for (const version of [2, 3]) {
      await side.ask('DeleteGroups', version, { groupsNames: [groupId] })
    }
  })
})

async function stable(side: Parameters<typeof ended>[0], groupId: string, topic: string) {
  for (let left = 500; left > 0; left--) {
    const { groups } = await committed(side, groupId, topic, { aside: true, requireStable: true })
    if (groups[0]?.topics[0]?.partitions[0]?.errorCode === 0) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`offsets of ${groupId} stayed pending`)
}
