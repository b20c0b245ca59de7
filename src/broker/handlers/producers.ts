/** Looking at who writes into partitions (KIP-664). */
import type { Steps } from '../../base/steps.ts'
import type { RequestOf, ResponseInput } from '../../protocol/api.ts'
import { ErrorCode, errorText } from '../../protocol/errors.ts'
import type { Partition } from '../serving/partition.ts'
import { answerBytesOf } from './answer-bytes.ts'
import type { Handlers } from './context.ts'

type DescribedTopic = NonNullable<ResponseInput<'DescribeProducers'>['topics']>[number]
type DescribedPartition = NonNullable<DescribedTopic['partitions']>[number]

export const producersHandlers: Handlers = {
  *DescribeProducers(request, { catalog, room }) {
    const topics: DescribedTopic[] = []
    for (const [name, indexes] of yield* partitionsOnce(request.topics)) {
      const partitions: DescribedPartition[] = []
      topics.push({ name, partitions })
      for (const index of indexes) {
        const described = describeProducers(catalog.partition(name, index), index)
        room.grow(answerBytesOf(described))
        partitions.push(described)
        yield 1 + (described.activeProducers?.length ?? 0)
      }
    }
    return { topics }
  },
}

/** The partitions that a request names, each once. */
function* partitionsOnce(
  topics: RequestOf<'DescribeProducers'>['topics'],
): Steps<ReadonlyMap<string, ReadonlySet<number>>> {
  const found = new Map<string, Set<number>>()
  for (const { name, partitionIndexes } of topics) {
    const ofTopic = found.get(name) ?? new Set()
    found.set(name, ofTopic)
    for (const index of partitionIndexes) {
      ofTopic.add(index)
      yield 1 / 2
    }
  }
  return found
}

function describeProducers(
  partition: Partition | undefined,
  partitionIndex: number,
): DescribedPartition {
  if (partition === undefined) {
    const errorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return { partitionIndex, errorCode, errorMessage: errorText(errorCode) }
  }
  const activeProducers = partition.log.producerStates().map((producer) => ({
    producerId: producer.producerId,
    producerEpoch: producer.epoch,
    lastSequence: producer.batches.at(-1)?.lastSequence ?? -1,
    lastTimestamp: producer.usedAt,
    coordinatorEpoch: 0,
    currentTxnStartOffset: producer.transactionStart,
  }))
  return { partitionIndex, activeProducers }
}
