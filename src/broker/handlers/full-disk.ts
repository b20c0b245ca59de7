/**
 * What a broker answers while its disk is full: it takes nothing that would fill it, by codes on which clients
 * try again, and everything that reads, ends a transaction or makes room goes on.
 *
 * Kafka takes a log directory with a full disk away, and answers KAFKA_STORAGE_ERROR likewise; but nothing can
 * be deleted through it then. Members may join and stay in their groups: that is little, and reads need it.
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { ApiName, RequestOf, ResponseInput } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'

type Refusals = {
  readonly [N in ApiName]?: (request: RequestOf<N>, message: string) => ResponseInput<N> | undefined
}

const forTopics = ErrorCode.KAFKA_STORAGE_ERROR
/** What a client looks for its coordinator on, and asks again. */
const forCoordinators = ErrorCode.COORDINATOR_NOT_AVAILABLE

const refusals: Refusals = {
  Produce: ({ acks, topicData }, errorMessage) => {
    if (acks === 0) {
      throw new HeadwaterError(
        'disk-full',
        `a produce request without acknowledgement was refused: ${errorMessage}`,
      )
    }
    return {
      responses: topicData.map(({ name, topicId, partitionData }) => ({
        name,
        topicId,
        partitionResponses: partitionData.map(({ index }) => {
          return { index, errorCode: forTopics, baseOffset: -1, errorMessage }
        }),
      })),
    }
  },
  CreateTopics: ({ topics }, errorMessage) => ({
    topics: topics.map(({ name }) => ({ name, errorCode: forTopics, errorMessage })),
  }),
  CreatePartitions: ({ topics }, errorMessage) => ({
    results: topics.map(({ name }) => ({ name, errorCode: forTopics, errorMessage })),
  }),
  OffsetCommit: ({ topics }) => ({
    topics: topics.map(({ name, topicId, partitions }) => {
      return { name, topicId, partitions: partitions.map(refusedPartition) }
    }),
  }),
  TxnOffsetCommit: ({ topics }) => ({
    topics: topics.map(({ name, partitions }) => {
      return { name, partitions: partitions.map(refusedPartition) }
    }),
  }),
  AddPartitionsToTxn: ({ transactions, v3AndBelowTopics }) => ({
    resultsByTopicV3AndBelow: v3AndBelowTopics.map(refusedTopic),
    resultsByTransaction: transactions.map(({ transactionalId, topics }) => {
      return { transactionalId, topicResults: topics.map(refusedTopic) }
    }),
  }),
  AddOffsetsToTxn: () => ({ errorCode: forCoordinators }),
  InitProducerId: () => ({ errorCode: forCoordinators, producerId: -1, producerEpoch: -1 }),
}

/** Whether a full disk refuses such requests. */
export function isRefusedWhenFull(api: ApiName): boolean {
  return api in refusals
}

/** The answer to one that is refused; throws where a client hears nothing but the end of its connection. */
export function refuseWhenFull<N extends ApiName>(
  api: N,
  request: RequestOf<N>,
  { message }: HeadwaterError,
): ResponseInput<N> | undefined {
  return refusals[api]!(request, message)
}

function refusedPartition({ partitionIndex }: { readonly partitionIndex: number }) {
  return { partitionIndex, errorCode: forCoordinators }
}

function refusedTopic(topic: { readonly name: string; readonly partitions: readonly number[] }) {
  const { name, partitions } = topic
  const resultsByPartition = partitions.map((partitionIndex) => {
    return { partitionIndex, partitionErrorCode: forCoordinators }
  })
  return { name, resultsByPartition }
}
