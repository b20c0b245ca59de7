/** What the scenarios about transactions have in common. */
import { setTimeout as delay } from 'node:timers/promises'
import { batch, produce, producer, type ProduceOptions } from './batches.ts'
import type { AskOptions, Peer, Side } from './side.ts'

export interface Transactor {
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
}

export async function begin(
  side: Peer,
  transactionalId: string,
  o: AskOptions & { version?: number; timeoutMs?: number } = {},
): Promise<Transactor> {
  const { producerId, producerEpoch } = await producer(side, transactionalId, o)
  return { transactionalId, producerId, producerEpoch }
}

/** Writes one record in the transaction. */
export async function write(
  side: Peer,
  topic: string,
  by: Transactor,
  baseSequence: number,
  o: ProduceOptions = {},
) {
  const { producerId, producerEpoch, transactionalId } = by
  const bytes = batch(['a'], { producerId, producerEpoch, baseSequence, transactional: true })
  return produce(side, topic, bytes, { version: 12, transactionalId, ...o })
}

export async function addPartitions(
  side: Peer,
  by: Transactor,
  topics: Readonly<Record<string, number[]>>,
  o: AskOptions & { version?: number } = {},
) {
  const { version = 3 } = o
  const list = Object.entries(topics).map(([name, partitions]) => ({ name, partitions }))
  return side.ask(
    'AddPartitionsToTxn',
    version,
    {
      v3AndBelowTransactionalId: by.transactionalId,
      v3AndBelowProducerId: by.producerId,
      v3AndBelowProducerEpoch: by.producerEpoch,
      v3AndBelowTopics: list,
    },
    o,
  )
}

/** Version 5 is TV2: it answers with the epoch to go on with. */
export async function end(
  side: Peer,
  by: Transactor,
  committed: boolean,
  o: AskOptions & { version?: number } = {},
) {
  const { version = 5 } = o
  const { producerId, producerEpoch, transactionalId } = by
  const request = { transactionalId, producerId, producerEpoch, committed }
  const answer = await side.ask('EndTxn', version, request, o)
  const next: Transactor =
    version < 5 || answer.errorCode !== 0
      ? by
      : { transactionalId, producerId: answer.producerId, producerEpoch: answer.producerEpoch }
  return { ...answer, next }
}

export async function addOffsets(side: Peer, by: Transactor, groupId: string, version = 3) {
  return side.ask('AddOffsetsToTxn', version, { ...by, groupId })
}

export async function commitOffsets(
  side: Peer,
  by: Transactor,
  groupId: string,
  topic: string,
  committedOffset: number,
  o: AskOptions & {
    version?: number
    memberId?: string
    generationId?: number
    groupInstanceId?: string | null
    /** Instead of the name, from version 6 on. */
    topicId?: string
    partition?: number
    metadata?: string
  } = {},
) {
  const { version = 3, memberId = '', generationId = -1, groupInstanceId = null } = o
  const { partition = 0, metadata = '' } = o
  const partitions = [{ partitionIndex: partition, committedOffset, committedMetadata: metadata }]
  const generationIdOrMemberEpoch = generationId
  const member = version < 3 ? {} : { memberId, generationIdOrMemberEpoch, groupInstanceId }
  const named = o.topicId === undefined ? { name: topic } : { topicId: o.topicId }
  const request = { ...by, groupId, ...member, topics: [{ ...named, partitions }] }
  return side.ask('TxnOffsetCommit', version, request, o)
}

export async function committed(
  side: Peer,
  groupId: string,
  topic: string,
  o: AskOptions & { requireStable?: boolean } = {},
) {
  const { requireStable = false } = o
  const topics = [{ name: topic, partitionIndexes: [0] }]
  return side.ask('OffsetFetch', 9, { groups: [{ groupId, topics }], requireStable }, o)
}

/** Waits until the markers of the last transaction stand: until nothing is pending on the partition. */
export async function ended(side: Side, topic: string): Promise<void> {
  await until(
    side,
    topic,
    ({ highWatermark, lastStableOffset }) => highWatermark === lastStableOffset,
  )
}

/** Waits until the partition has so many records and markers. */
export async function reaches(
  side: Side,
  topic: string,
  offset: number,
  partition = 0,
): Promise<void> {
  await until(side, topic, ({ highWatermark }) => highWatermark >= offset, partition)
}

interface Ends {
  readonly highWatermark: number
  readonly lastStableOffset: number
}

async function until(
  side: Side,
  topic: string,
  holds: (ends: Ends) => boolean,
  partition = 0,
): Promise<void> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline;) {
    const partitions = [{ partition, fetchOffset: 0, partitionMaxBytes: 1 }]
    const request = { maxBytes: 1, topics: [{ topic, partitions }] }
    const { responses } = await side.ask('Fetch', 12, request, { aside: true })
    if (holds(responses[0]!.partitions[0]!)) return
    await delay(10)
  }
  throw new Error(`a transaction on ${topic} did not end on the side of ${side.name}`)
}
