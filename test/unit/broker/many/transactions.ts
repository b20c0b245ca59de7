/** Requests about many transactions, and about one with many partitions. */
import { commits, eachWay, many, more, type ManyItems } from './many-items.ts'
import { batch } from './records.ts'
import { each, topicName, transactional, type SmallWorld } from './small-world.ts'

export const transactions: readonly ManyItems[] = [
  ...eachWay.flatMap(([what, index]) => [
    many('AddPartitionsToTxn', what, async (world) => {
      const producer = await begin(world)
      await world.ask('AddPartitionsToTxn', 3, {
        v3AndBelowTransactionalId: producer.transactionalId,
        v3AndBelowProducerId: producer.producerId,
        v3AndBelowProducerEpoch: producer.producerEpoch,
        v3AndBelowTopics: [{ name: 'wide', partitions: each(world.n, index) }],
      })
      await world.ask('EndTxn', 3, { ...producer, committed: true })
    }),
    more('TxnOffsetCommit', what, async (world) => {
      const producer = await begin(world)
      await world.ask('AddOffsetsToTxn', 3, { ...producer, groupId: 'g' })
      await world.ask('TxnOffsetCommit', 3, {
        ...producer,
        groupId: 'g',
        topics: [{ name: 'wide', partitions: commits(world.n, index) }],
      })
      await world.ask('EndTxn', 3, { ...producer, committed: true })
    }),
  ]),
  many('Produce', 'each partition enters a transaction', async (world) => {
    const producer = await begin(world)
    const { transactionalId, ...id } = producer
    await world.ask('Produce', 12, {
      transactionalId,
      acks: -1,
      timeoutMs: 1_000,
      topicData: [
        {
          name: 'wide',
          partitionData: each(world.n, (index) => ({
            index,
            records: batch({ ...id, baseSequence: 0, transactional: true }),
          })),
        },
      ],
    })
    await world.ask('EndTxn', 5, { ...producer, committed: true })
  }),
  many('AddPartitionsToTxn', 'many transactions', ({ n, ask }) =>
    ask('AddPartitionsToTxn', 4, {
      transactions: each(n, (i) => ({
        transactionalId: `transaction-${i}`,
        producerId: i,
        topics: [{ name: 'wide', partitions: [0] }],
      })),
    }),
  ),
  more('TxnOffsetCommit', 'all topics', async (world) => {
    const producer = await begin(world)
    await world.ask('TxnOffsetCommit', 5, {
      ...producer,
      groupId: 'g',
      topics: each(world.n, (i) => ({ name: topicName(i), partitions: commits(1, () => 0) })),
    })
    await world.ask('EndTxn', 5, { ...producer, committed: true })
  }),
  more('DescribeTransactions', 'all transactions', ({ n, ask }) =>
    ask('DescribeTransactions', 0, { transactionalIds: each(n, (i) => `transaction-${i}`) }),
  ),
  more('ListTransactions', 'states', ({ n, ask }) =>
    ask('ListTransactions', 1, { stateFilters: each(n, (i) => `state-${i}`) }),
  ),
  more('ListTransactions', 'producers', ({ n, ask }) =>
    ask('ListTransactions', 1, { producerIdFilters: each(n, (i) => -1 - i) }),
  ),
]

async function begin({ ask, round }: SmallWorld) {
  const transactionalId = `t-${round()}`
  const { producerId, producerEpoch } = await ask(
    'InitProducerId',
    4,
    transactional(transactionalId),
  )
  return { transactionalId, producerId, producerEpoch }
}
