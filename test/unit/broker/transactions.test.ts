import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { utf8String } from '../../../src/base/bytes.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { isControl, readBatchHeader, splitBatches } from '../../../src/records/batch.ts'
import { decodeRecords } from '../../../src/records/record.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { openBroker, type OpenBroker } from './open-broker.ts'

let open: OpenBroker
let client: RawClient

before(async () => {
  open = await openBroker()
  client = await open.client()
  await createTopic(client, 'out', 2)
})
after(() => open.broker.close())

interface Identity {
  readonly transactionalId: string
  readonly producerId: number
  producerEpoch: number
}

async function begin(transactionalId: string, timeoutMs = 60_000): Promise<Identity> {
  const initialise = () =>
    client.ask('InitProducerId', 4, { transactionalId, transactionTimeoutMs: timeoutMs })
  let answer = await initialise()
  // An open transaction is aborted first, and the client is to ask again.
  if (answer.errorCode === ErrorCode.CONCURRENT_TRANSACTIONS) answer = await initialise()
  const { errorCode, producerId, producerEpoch } = answer
  assert.equal(errorCode, ErrorCode.NONE)
  return { transactionalId, producerId, producerEpoch }
}

/** Writes one record in the transaction; version 12 adds the partition by itself. */
function write(who: Identity, value: string, baseSequence: number, version = 12, partition = 0) {
  const { transactionalId, producerId, producerEpoch } = who
  const batch = batchOf([value], { producerId, producerEpoch, baseSequence, transactional: true })
  return produce(client, 'out', batch, { version, transactionalId, partition })
}

async function end(who: Identity, committed: boolean, version = 5): Promise<number> {
  const { errorCode, producerEpoch } = await client.ask('EndTxn', version, { ...who, committed })
  if (version >= 5 && errorCode === ErrorCode.NONE) who.producerEpoch = producerEpoch
  return errorCode
}

/** Everything a reader of this isolation level can see, in as many fetches as it takes. */
async function read(isolationLevel: number, partition = 0, topic = 'out') {
  const values: string[] = []
  const aborted: { producerId: number; firstOffset: number }[] = []
  for (let fetchOffset = 0; ;) {
    const { responses } = await client.ask('Fetch', 12, {
      maxWaitMs: 0,
      minBytes: 1,
      isolationLevel,
      topics: [{ topic, partitions: [{ partition, fetchOffset, partitionMaxBytes: 10_000_000 }] }],
    })
    const { records, abortedTransactions, lastStableOffset } = responses[0]!.partitions[0]!
    assert.equal(abortedTransactions === null, isolationLevel === 0)
    const batches = splitBatches(records!)
    if (batches.length === 0) return { values, aborted, lastStableOffset }
    aborted.push(...(abortedTransactions ?? []))
    for (const batch of batches) {
      const { attributes, baseOffset, lastOffsetDelta } = readBatchHeader(batch)
      fetchOffset = baseOffset + lastOffsetDelta + 1
      if (isControl(attributes)) continue
      values.push(...decodeRecords(batch).map(({ value }) => utf8String(value!)))
    }
  }
}

describe('transactions', () => {
  it('are announced as version 2, so that clients use it', async () => {
    const { finalizedFeatures } = await client.ask('ApiVersions', 4, {
      clientSoftwareName: 'raw',
      clientSoftwareVersion: '1',
    })
    assert.deepEqual(finalizedFeatures, [
      { name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 2 },
    ])
  })

  it('hide what is open, show what is committed, and name what is aborted', async () => {
    const who = await begin('visibility')
    const firstEpoch = who.producerEpoch
    assert.equal((await write(who, 'open', 0)).errorCode, ErrorCode.NONE)
    assert.deepEqual((await read(1)).values, [])
    assert.deepEqual((await read(0)).values, ['open'])
    assert.equal(await end(who, true), ErrorCode.NONE)
    assert.equal(who.producerEpoch, firstEpoch + 1)
    assert.deepEqual((await read(1)).values, ['open'])

    await write(who, 'aborted', 0)
    assert.equal(await end(who, false), ErrorCode.NONE)
    const { aborted, values } = await read(1)
    assert.deepEqual(values, ['open', 'aborted'])
    assert.deepEqual(aborted, [{ producerId: who.producerId, firstOffset: 2 }])
  })

  it('refuse a write of version 1 to a partition that was not added', async () => {
    const who = await begin('verified')
    const refused = await write(who, 'late', 0, 11, 1)
    assert.equal(refused.errorCode, ErrorCode.TRANSACTION_ABORTABLE)
    const { resultsByTopicV3AndBelow } = await client.ask('AddPartitionsToTxn', 3, {
      v3AndBelowTransactionalId: who.transactionalId,
      v3AndBelowProducerId: who.producerId,
      v3AndBelowProducerEpoch: who.producerEpoch,
      v3AndBelowTopics: [{ name: 'out', partitions: [1] }],
    })
    assert.equal(resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode, 0)
    assert.equal((await write(who, 'added', 0, 11, 1)).errorCode, ErrorCode.NONE)
    assert.equal(await end(who, true, 3), ErrorCode.NONE)
    const late = await write(who, 'after the end', 1, 11, 1)
    assert.equal(late.errorCode, ErrorCode.TRANSACTION_ABORTABLE)
    assert.deepEqual((await read(1, 1)).values, ['added'])
  })

  it('add all partitions or none', async () => {
    const who = await begin('all-or-none')
    const { resultsByTopicV3AndBelow } = await client.ask('AddPartitionsToTxn', 3, {
      v3AndBelowTransactionalId: who.transactionalId,
      v3AndBelowProducerId: who.producerId,
      v3AndBelowProducerEpoch: who.producerEpoch,
      v3AndBelowTopics: [{ name: 'out', partitions: [0, 7] }],
    })
    assert.deepEqual(
      resultsByTopicV3AndBelow[0]?.resultsByPartition.map((each) => each.partitionErrorCode),
      [ErrorCode.OPERATION_NOT_ATTEMPTED, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    )
  })

  it('fence the producer that was there before', async () => {
    const old = await begin('fenced')
    await write(old, 'of the old one', 0)
    const young = await begin('fenced')
    assert.equal(young.producerId, old.producerId)
    const refused = await write(old, 'too late', 1)
    assert.equal(refused.errorCode, ErrorCode.INVALID_PRODUCER_EPOCH)
    assert.equal(await end(old, true), ErrorCode.PRODUCER_FENCED)
    assert.equal(await end(young, true), ErrorCode.INVALID_TXN_STATE)
  })

  it('move a group only when they are committed', async () => {
    const who = await begin('moves')
    const commit = async (committedOffset: number) => {
      const { topics } = await client.ask('TxnOffsetCommit', 5, {
        ...who,
        groupId: 'movers',
        topics: [
          {
            name: 'out',
            partitions: [
              { partitionIndex: 0, committedOffset, committedMetadata: 'note' },
              { partitionIndex: 9, committedOffset },
            ],
          },
        ],
      })
      return topics[0]!.partitions.map(({ errorCode }) => errorCode)
    }
    const fetched = async () => {
      const { groups } = await client.ask('OffsetFetch', 8, {
        groups: [{ groupId: 'movers', topics: [{ name: 'out', partitionIndexes: [0] }] }],
        requireStable: true,
      })
      const { committedOffset, errorCode } = groups[0]!.topics[0]!.partitions[0]!
      return [committedOffset, errorCode]
    }
    assert.deepEqual(await commit(5), [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION])
    assert.deepEqual(await fetched(), [-1, ErrorCode.UNSTABLE_OFFSET_COMMIT])
    await end(who, true)
    assert.deepEqual(await fetched(), [5, ErrorCode.NONE])
    await commit(8)
    await end(who, false)
    assert.deepEqual(await fetched(), [5, ErrorCode.NONE])
  })

  it('are aborted by the clock when their producer is silent', async () => {
    await createTopic(client, 'silence')
    const who = await begin('silent', 100)
    const { transactionalId, producerId, producerEpoch } = who
    const batch = batchOf(['x'], {
      producerId,
      producerEpoch,
      baseSequence: 0,
      transactional: true,
    })
    await produce(client, 'silence', batch, { version: 12, transactionalId })
    assert.equal((await read(1, 0, 'silence')).lastStableOffset, 0)
    const deadline = Date.now() + 10_000
    while ((await read(1, 0, 'silence')).lastStableOffset !== 2 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.equal((await read(1, 0, 'silence')).aborted.length, 1)
    assert.notEqual(await end(who, true), ErrorCode.NONE)
  })

  it('stay what they were over a restart', async () => {
    const who = await begin('restarted')
    await write(who, 'before the restart', 0)
    open = await open.reopen()
    client = await open.client()
    const { transactionStates } = await client.ask('DescribeTransactions', 0, {
      transactionalIds: ['restarted'],
    })
    assert.equal(transactionStates[0]?.transactionState, 'Ongoing')
    assert.equal((await write(who, 'after it', 1)).errorCode, ErrorCode.NONE)
    assert.equal(await end(who, true), ErrorCode.NONE)
    const { values, lastStableOffset } = await read(1)
    assert.deepEqual(
      values.slice(-2),
      ['before the restart', 'after it'],
      `LSO ${lastStableOffset}`,
    )
  })
})
