/** Writing records. */
import {
  array,
  ignorable,
  int16,
  int32,
  int64,
  nullable,
  records,
  since,
  string,
  struct,
  tagged,
  until,
  uuid,
  withDefault,
} from '../schema.ts'

/** Produce · v3 is the first with today's record format; v12 adds partitions to a transaction by itself
 * (KIP-890); v13 names topics by id (KIP-516). */
export const ProduceRequest = struct({
  transactionalId: since(3, nullable(string, 3), null),
  acks: int16,
  timeoutMs: int32,
  topicData: array(
    struct({
      name: ignorable(until(12, string)),
      topicId: ignorable(since(13, uuid)),
      partitionData: array(struct({ index: int32, records: nullable(records) })),
    }),
  ),
})

const PartitionProduceResponse = struct({
  index: int32,
  errorCode: int16,
  baseOffset: int64,
  logAppendTimeMs: ignorable(since(2, int64, -1)),
  logStartOffset: ignorable(since(5, int64, -1)),
  recordErrors: ignorable(
    since(
      8,
      array(
        struct({
          batchIndex: int32,
          batchIndexErrorMessage: withDefault(nullable(string), null),
        }),
      ),
    ),
  ),
  errorMessage: ignorable(since(8, nullable(string, 8), null)),
  currentLeader: tagged(
    0,
    10,
    struct({ leaderId: withDefault(int32, -1), leaderEpoch: withDefault(int32, -1) }),
  ),
})

export const ProduceResponse = struct({
  responses: array(
    struct({
      name: ignorable(until(12, string)),
      topicId: ignorable(since(13, uuid)),
      partitionResponses: array(PartitionProduceResponse),
    }),
  ),
  throttleTimeMs: ignorable(since(1, int32)),
  nodeEndpoints: tagged(
    0,
    10,
    array(
      struct({
        nodeId: int32,
        host: string,
        port: int32,
        rack: withDefault(nullable(string), null),
      }),
    ),
  ),
})

/** InitProducerId · KIP-98. v3 takes the producer's id and epoch back to bump it (KIP-360). */
export const InitProducerIdRequest = struct({
  transactionalId: nullable(string),
  transactionTimeoutMs: int32,
  producerId: since(3, int64, -1),
  producerEpoch: since(3, int16, -1),
})

export const InitProducerIdResponse = struct({
  throttleTimeMs: ignorable(int32),
  errorCode: int16,
  producerId: withDefault(int64, -1),
  producerEpoch: int16,
})

/** DeleteRecords · KIP-107: moves a partition's first offset forward. */
export const DeleteRecordsRequest = struct({
  topics: array(
    struct({
      name: string,
      partitions: array(struct({ partitionIndex: int32, offset: int64 })),
    }),
  ),
  timeoutMs: int32,
})

export const DeleteRecordsResponse = struct({
  throttleTimeMs: int32,
  topics: array(
    struct({
      name: string,
      partitions: array(struct({ partitionIndex: int32, lowWatermark: int64, errorCode: int16 })),
    }),
  ),
})

/** DescribeProducers · KIP-664: who is writing to a partition, and since when in a transaction. */
export const DescribeProducersRequest = struct({
  topics: array(struct({ name: string, partitionIndexes: array(int32) })),
})

const ActiveProducer = struct({
  producerId: int64,
  producerEpoch: int32,
  lastSequence: withDefault(int32, -1),
  lastTimestamp: withDefault(int64, -1),
  coordinatorEpoch: int32,
  currentTxnStartOffset: withDefault(int64, -1),
})

export const DescribeProducersResponse = struct({
  throttleTimeMs: int32,
  topics: array(
    struct({
      name: string,
      partitions: array(
        struct({
          partitionIndex: int32,
          errorCode: int16,
          errorMessage: withDefault(nullable(string), null),
          activeProducers: array(ActiveProducer),
        }),
      ),
    }),
  ),
})
