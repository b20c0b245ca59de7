/** Transactions: what belongs to one, and how it ends. */
import {
  array,
  bool,
  ignorable,
  int16,
  int32,
  int64,
  nullable,
  since,
  string,
  struct,
  until,
  uuid,
} from '../schema.ts'

const TransactionTopic = struct({ name: string, partitions: array(int32) })

/** AddPartitionsToTxn · KIP-98. v4 is for brokers: many transactions at once (KIP-890). */
export const AddPartitionsToTxnRequest = struct({
  transactions: since(
    4,
    array(
      struct({
        transactionalId: string,
        producerId: int64,
        producerEpoch: int16,
        verifyOnly: bool,
        topics: array(TransactionTopic),
      }),
    ),
  ),
  v3AndBelowTransactionalId: until(3, string),
  v3AndBelowProducerId: until(3, int64),
  v3AndBelowProducerEpoch: until(3, int16),
  v3AndBelowTopics: until(3, array(TransactionTopic)),
})

const TransactionTopicResult = struct({
  name: string,
  resultsByPartition: array(struct({ partitionIndex: int32, partitionErrorCode: int16 })),
})

export const AddPartitionsToTxnResponse = struct({
  throttleTimeMs: int32,
  errorCode: ignorable(since(4, int16)),
  resultsByTransaction: since(
    4,
    array(
      struct({
        transactionalId: string,
        topicResults: array(TransactionTopicResult),
      }),
    ),
  ),
  resultsByTopicV3AndBelow: until(3, array(TransactionTopicResult)),
})

/** AddOffsetsToTxn · KIP-98. */
export const AddOffsetsToTxnRequest = struct({
  transactionalId: string,
  producerId: int64,
  producerEpoch: int16,
  groupId: string,
})

export const AddOffsetsToTxnResponse = struct({ throttleTimeMs: int32, errorCode: int16 })

/** EndTxn · KIP-98. v5 answers with the epoch of the next transaction (KIP-890). */
export const EndTxnRequest = struct({
  transactionalId: string,
  producerId: int64,
  producerEpoch: int16,
  committed: bool,
})

export const EndTxnResponse = struct({
  throttleTimeMs: int32,
  errorCode: int16,
  producerId: ignorable(since(5, int64, -1)),
  producerEpoch: ignorable(since(5, int16, -1)),
})

/**
 * TxnOffsetCommit · v3 checks the group member (KIP-447); v5 adds the group by itself (KIP-890); v6 names
 * topics by id (KIP-1319).
 */
export const TxnOffsetCommitRequest = struct({
  transactionalId: string,
  groupId: string,
  producerId: int64,
  producerEpoch: int16,
  generationIdOrMemberEpoch: since(3, int32, -1),
  memberId: since(3, string),
  groupInstanceId: since(3, nullable(string, 3), null),
  topics: array(
    struct({
      name: ignorable(until(5, string)),
      topicId: ignorable(since(6, uuid)),
      partitions: array(
        struct({
          partitionIndex: int32,
          committedOffset: int64,
          committedLeaderEpoch: ignorable(since(2, int32, -1)),
          committedMetadata: nullable(string),
        }),
      ),
    }),
  ),
})

export const TxnOffsetCommitResponse = struct({
  throttleTimeMs: int32,
  topics: array(
    struct({
      name: ignorable(until(5, string)),
      topicId: ignorable(since(6, uuid)),
      partitions: array(struct({ partitionIndex: int32, errorCode: int16 })),
    }),
  ),
})

/** DescribeTransactions · KIP-664. */
export const DescribeTransactionsRequest = struct({ transactionalIds: array(string) })

export const DescribeTransactionsResponse = struct({
  throttleTimeMs: int32,
  transactionStates: array(
    struct({
      errorCode: int16,
      transactionalId: string,
      transactionState: string,
      transactionTimeoutMs: int32,
      transactionStartTimeMs: int64,
      producerId: int64,
      producerEpoch: int16,
      topics: array(struct({ topic: string, partitions: array(int32) })),
    }),
  ),
})

/** ListTransactions · KIP-664. v1 filters by age (KIP-994), v2 by pattern (KIP-1152). */
export const ListTransactionsRequest = struct({
  stateFilters: array(string),
  producerIdFilters: array(int64),
  durationFilter: since(1, int64, -1),
  transactionalIdPattern: since(2, nullable(string, 2), null),
})

export const ListTransactionsResponse = struct({
  throttleTimeMs: int32,
  errorCode: int16,
  unknownStateFilters: array(string),
  transactionStates: array(
    struct({ transactionalId: string, producerId: int64, transactionState: string }),
  ),
})
