/** Transactions whose epoch changes only when a producer is initialised (TV1), and what both kinds share. */
import { batch, fetch, produce, producer } from './batches.ts'
import { nextOffsetOf, readBatchHeader, splitBatches } from '../../../src/records/batch.ts'
import { family } from './rule.ts'
import {
  addPartitions,
  begin,
  end,
  ended,
  reaches,
  write,
  type Transactor,
} from './transactions.ts'

const v11 = { version: 11 }
const tv1 = { version: 4 }

family('transactions', (rule) => {
  rule('a transactional id keeps its producer id and gets a new epoch each time', async (side) => {
    for (const version of [0, 1, 2, 3, 4, 5]) await begin(side, side.called('t'), { version })
    await begin(side, side.called('u'))
  })

  rule('a transactional id and a timeout are checked', async (side) => {
    await begin(side, '')
    const id = side.called('t')
    for (const timeoutMs of [0, -1, 900_001, 900_000, 1]) await begin(side, id, { timeoutMs })
  })

  rule('a producer that names its id and epoch is bumped, repeated or fenced', async (side) => {
    const id = side.called('t')
    const { producerId } = await producer(side, id)
    await producer(side, id, { producerId, producerEpoch: 0 })
    await producer(side, id, { producerId, producerEpoch: 0 })
    await producer(side, id, { producerId, producerEpoch: 1 })
    await producer(side, id, { producerId, producerEpoch: 0 })
    await producer(side, id, { producerId, producerEpoch: 9 })
    await producer(side, id, { producerId: producerId + 1_000_000, producerEpoch: 1 })
    await producer(side, id, { producerId, producerEpoch: -1 })
    await producer(side, id, { producerId: -1, producerEpoch: 3 })
    await producer(side, side.called('new'), { producerId: 5, producerEpoch: 3 })
  })

  rule('a partition is added before it is written to', async (side) => {
    const topic = await side.topic({ partitions: 2 })
    const by = await begin(side, side.called('t'))
    await write(side, topic, by, 0, v11)
    await addPartitions(side, by, { [topic]: [0] })
    await write(side, topic, by, 0, v11)
    await write(side, topic, by, 0, { ...v11, partition: 1 })
    await addPartitions(side, by, { [topic]: [0, 1] })
    await write(side, topic, by, 0, { ...v11, partition: 1 })
    await end(side, by, true, tv1)
    await ended(side, topic)
    await write(side, topic, by, 1, v11)
    await fetch(side, topic, 0, { isolationLevel: 1 })
    await fetch(side, topic, 0)
  })

  rule('partitions are added in every version, whole or not at all', async (side) => {
    const topic = await side.topic()
    const missing = side.called('missing')
    for (const version of [0, 1, 2, 3]) {
      const by = await begin(side, side.called(`t${version}`))
      await addPartitions(side, by, { [topic]: [0, 7], [missing]: [0] }, { version })
      await addPartitions(side, by, { [topic]: [0] }, { version })
      await addPartitions(side, { ...by, producerEpoch: 9 }, { [topic]: [0] }, { version })
      await addPartitions(side, { ...by, producerId: 987_654 }, { [topic]: [0] }, { version })
      const nobody = { ...by, transactionalId: side.called('nobody') }
      await addPartitions(side, nobody, { [topic]: [0] }, { version })
      await end(side, by, false, { version: 3 })
      await ended(side, topic)
    }
  })

  rule('brokers add partitions of several transactions at once, or only look', async (side) => {
    const topic = await side.topic({ partitions: 2 })
    const a = await begin(side, side.called('a'))
    const b = await begin(side, side.called('b'))
    const add = async (
      version: number,
      who: Transactor,
      partitions: number[],
      verifyOnly: boolean,
    ) => {
      const topics = [{ name: topic, partitions }]
      await side.ask('AddPartitionsToTxn', version, {
        transactions: [{ ...who, verifyOnly, topics }],
      })
    }
    for (const version of [4, 5]) {
      await add(version, a, [0], true)
      await add(version, a, [0], false)
      await add(version, a, [0], true)
      await add(version, a, [0, 1], true)
      await add(version, { ...b, producerEpoch: 7 }, [0], false)
      await add(version, { ...b, producerId: 987_654 }, [0], true)
      await add(version, { ...b, transactionalId: side.called('nobody') }, [0], false)
      await end(side, a, false, tv1)
      await ended(side, topic)
    }
  })

  rule('an end is repeated without harm, and not turned round', async (side) => {
    const topic = await side.topic()
    const by = await begin(side, side.called('t'))
    for (const version of [0, 1, 2, 3, 4]) {
      await addPartitions(side, by, { [topic]: [0] })
      await write(side, topic, by, version, v11)
      await end(side, by, version % 2 === 0, { version })
      await ended(side, topic)
      await end(side, by, version % 2 === 0, { version })
      await end(side, by, version % 2 !== 0, { version })
    }
    await fetch(side, topic, 0, { isolationLevel: 1 })
  })

  rule('an end without a transaction is INVALID_TXN_STATE', async (side) => {
    const by = await begin(side, side.called('t'))
    await end(side, by, true, tv1)
    await end(side, by, false, tv1)
    await end(side, { ...by, producerEpoch: 5 }, true, tv1)
    await end(side, { ...by, producerId: 987_654 }, true, tv1)
    await end(side, { ...by, transactionalId: side.called('nobody') }, true, tv1)
    await end(side, { ...by, transactionalId: '' }, true, tv1)
  })

  rule('a new instance fences the old one', async (side) => {
    const topic = await side.topic()
    const id = side.called('t')
    const old = await begin(side, id)
    const by = await begin(side, id)
    await addPartitions(side, old, { [topic]: [0] })
    await write(side, topic, old, 0, v11)
    await addPartitions(side, by, { [topic]: [0] })
    await write(side, topic, by, 0, v11)
    await write(side, topic, old, 0, v11)
    await end(side, old, true, tv1)
    await addPartitions(side, old, { [topic]: [0] }, { version: 1 })
    await end(side, old, true, { version: 1 })
    await end(side, by, true, tv1)
    await ended(side, topic)
    await fetch(side, topic, 0, { isolationLevel: 1 })
  })

  rule('a new instance aborts what the old one left open', async (side) => {
    const topic = await side.topic()
    const id = side.called('t')
    const old = await begin(side, id)
    await addPartitions(side, old, { [topic]: [0] })
    await write(side, topic, old, 0, v11)
    await begin(side, id, { impatient: true })
    const by = await begin(side, id)
    await ended(side, topic)
    await write(side, topic, old, 1, v11)
    await end(side, old, true, tv1)
    await addPartitions(side, by, { [topic]: [0] })
    await write(side, topic, by, 0, v11)
    await end(side, by, true, tv1)
    await ended(side, topic)
    await fetch(side, topic, 0, { isolationLevel: 1 })
  })

  rule('read_committed stops at the first open transaction', async (side) => {
    const topic = await side.topic()
    const a = await begin(side, side.called('a'))
    const b = await begin(side, side.called('b'))
    await produce(side, topic, batch(['plain']))
    await write(side, topic, a, 0)
    await write(side, topic, b, 0)
    await produce(side, topic, batch(['plain']))
    const both = async () => {
      for (const isolationLevel of [0, 1]) {
        await fetch(side, topic, 0, { isolationLevel })
        const partitions = [{ partitionIndex: 0, timestamp: -1 }]
        const topics = [{ name: topic, partitions }]
        await side.ask('ListOffsets', 6, { replicaId: -1, isolationLevel, topics })
      }
    }
    await both()
    await end(side, b, true)
    await reaches(side, topic, 5)
    await both()
    await end(side, a, false)
    await ended(side, topic)
    for (const offset of [0, 1, 2, 3, 4, 5, 6])
      await fetch(side, topic, offset, { isolationLevel: 1 })
    await both()
  })

  rule('the aborted list covers what is returned, and no more', async (side) => {
    const topic = await side.topic()
    let by = await begin(side, side.called('t'))
    for (let i = 0; i < 4; i++) {
      await write(side, topic, by, 0, { aside: true })
      by = (await end(side, by, i % 2 === 1, { aside: true })).next
      await ended(side, topic)
    }
    for (const fetchOffset of [0, 1, 2, 3, 4, 5, 6, 7, 8]) {
      for (const maxBytes of [1, 200, 1_000_000]) {
        const o = { isolationLevel: 1, maxBytes, aside: true }
        const { responses } = await fetch(side, topic, fetchOffset, o)
        const { records, abortedTransactions } = responses[0]!.partitions[0]!
        const last = splitBatches(records ?? new Uint8Array(0)).at(-1)
        const next = last === undefined ? fetchOffset : nextOffsetOf(readBatchHeader(last))
        const returned = abortedTransactions?.filter(({ firstOffset }) => firstOffset < next)
        side.note(`${fetchOffset} up to ${maxBytes} bytes`, { records, returned })
      }
    }
    const first = { isolationLevel: 1, maxBytes: 1, aside: true }
    const { responses } = await fetch(side, topic, 0, first)
    const count = responses[0]?.partitions[0]?.abortedTransactions?.length
    side.differs('the aborted list of the first of two aborted transactions', count)
    await side.ask('DescribeProducers', 0, { topics: [{ name: topic, partitionIndexes: [0] }] })
  })

  rule('a plain batch of a producer in a transaction is refused', async (side) => {
    const topic = await side.topic()
    const by = await begin(side, side.called('t'))
    await write(side, topic, by, 0)
    const { producerId, producerEpoch, transactionalId } = by
    const plain = batch(['a'], { producerId, producerEpoch, baseSequence: 1 })
    await produce(side, topic, plain, { version: 12, transactionalId })
    await end(side, by, true)
  })

  rule('transactions are described and listed', async (side) => {
    const topic = await side.topic({ partitions: 2 })
    const id = side.called('t')
    const by = await begin(side, id)
    const look = async (isOpen: boolean) => {
      const transactionalIds = [id, side.called('nobody')]
      await side.ask('DescribeTransactions', 0, { transactionalIds })
      for (const filter of [
        {},
        { stateFilters: ['Ongoing'] },
        { stateFilters: ['Empty', 'nonsense'] },
        { producerIdFilters: [by.producerId] },
      ]) {
        const listed = await side.ask('ListTransactions', 1, filter, { aside: true })
        const mine = listed.transactionStates.filter((each) => each.transactionalId === id)
        side.note('ListTransactions', { ...listed, transactionStates: mine })
      }
      await side.ask('ListTransactions', 2, { transactionalIdPattern: `${id}.*` })
      await side.ask('ListTransactions', 2, { transactionalIdPattern: '(' })
      const aged = { durationFilter: 100_000, producerIdFilters: [by.producerId] }
      const { transactionStates } = await side.ask('ListTransactions', 1, aged, { aside: true })
      if (isOpen) return
      const what = 'how long a transaction that is not open has run'
      side.differs(what, transactionStates.length)
    }
    await look(false)
    await addPartitions(side, by, { [topic]: [1, 0] })
    await look(true)
    await end(side, by, true, tv1)
    await side.ask('DescribeTransactions', 0, { transactionalIds: [''] })
  })
})
