/** A marker that cannot be written is said, and holds nobody up. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { BrokerEvent } from '../../../src/broker/broker-event.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { batchOf, createTopic, produce } from '../../conformance/raw-client.ts'
import { openBroker } from './open-broker.ts'

async function play() {
  const events: BrokerEvent[] = []
  const open = await openBroker({ report: (event) => events.push(event) })
  const client = await open.client()
  await createTopic(client, 't', 1)
  const begun = await client.ask('InitProducerId', 4, {
    transactionalId: 'x',
    transactionTimeoutMs: 60_000,
  })
  const { producerId, producerEpoch } = begun
  const who = { transactionalId: 'x', producerId, producerEpoch }
  const added = await client.ask('AddPartitionsToTxn', 3, {
    v3AndBelowTransactionalId: 'x',
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [{ name: 't', partitions: [0] }],
  })
  assert.equal(added.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode, 0)
  const end = async () => (await client.ask('EndTxn', 3, { ...who, committed: true })).errorCode
  const skipped = () => events.filter((event) => event.type === 'marker-skipped')
  return { open, client, who, end, skipped }
}

it('a transaction ends although a topic of it is gone', async () => {
  const { open, client, end, skipped } = await play()
  await client.ask('DeleteTopics', 5, { topicNames: ['t'], timeoutMs: 1_000 })
  assert.equal(await end(), ErrorCode.NONE)
  assert.deepEqual(skipped(), [
    {
      type: 'marker-skipped',
      transactionalId: 'x',
      topic: 't',
      partition: 0,
      reason: 'the partition is gone',
    },
  ])
  const { transactionStates } = await client.ask('DescribeTransactions', 0, {
    transactionalIds: ['x'],
  })
  assert.equal(transactionStates[0]!.transactionState, 'CompleteCommit')
  await open.broker.close()
})

it('a marker is refused by a log in which a later epoch wrote, and nothing stays open there', async () => {
  const { open, client, who, end, skipped } = await play()
  // A batch outside the transaction, under an epoch that nobody was given.
  const { producerId } = who
  const strange = batchOf(['v'], { producerId, producerEpoch: 900, baseSequence: 0 })
  assert.equal((await produce(client, 't', strange)).errorCode, ErrorCode.NONE)
  assert.equal(await end(), ErrorCode.NONE)
  assert.deepEqual(
    skipped().map(({ reason }) => reason),
    ['invalid-producer-epoch'],
  )
  await open.broker.close()
})
