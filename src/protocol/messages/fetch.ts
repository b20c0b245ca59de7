/** Reading records. */
import {
  array,
  ignorable,
  int16,
  int32,
  int64,
  int8,
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

/** The largest 64-bit integer, as near as a number comes. */
const int64Max = 2 ** 63

const FetchPartition = struct({
  partition: int32,
  currentLeaderEpoch: ignorable(since(9, int32, -1)),
  fetchOffset: int64,
  lastFetchedEpoch: since(12, int32, -1),
  logStartOffset: ignorable(since(5, int64, -1)),
  partitionMaxBytes: int32,
  replicaDirectoryId: ignorable(tagged(0, 17, uuid)),
  highWatermark: ignorable(tagged(1, 18, int64, int64Max)),
})

/** Fetch · v4 has isolation levels, v7 sessions (KIP-227), v11 racks (KIP-392), v13 topic ids. */
export const FetchRequest = struct({
  clusterId: ignorable(tagged(0, 12, nullable(string, 12), null)),
  replicaId: withDefault(until(14, int32), -1),
  replicaState: tagged(
    1,
    15,
    struct({ replicaId: since(15, int32, -1), replicaEpoch: since(15, int64, -1) }),
  ),
  maxWaitMs: int32,
  minBytes: int32,
  maxBytes: ignorable(since(3, int32, 0x7fff_ffff)),
  isolationLevel: ignorable(since(4, int8)),
  sessionId: ignorable(since(7, int32)),
  sessionEpoch: ignorable(since(7, int32, -1)),
  topics: array(
    struct({
      topic: ignorable(until(12, string)),
      topicId: ignorable(since(13, uuid)),
      partitions: array(FetchPartition),
    }),
  ),
  forgottenTopicsData: since(
    7,
    array(
      struct({
        topic: ignorable(until(12, string)),
        topicId: ignorable(since(13, uuid)),
        partitions: array(int32),
      }),
    ),
  ),
  rackId: ignorable(since(11, string)),
})

const FetchedPartition = struct({
  partitionIndex: int32,
  errorCode: int16,
  highWatermark: int64,
  lastStableOffset: ignorable(since(4, int64, -1)),
  logStartOffset: ignorable(since(5, int64, -1)),
  divergingEpoch: tagged(
    0,
    12,
    struct({ epoch: withDefault(int32, -1), endOffset: withDefault(int64, -1) }),
  ),
  currentLeader: tagged(
    1,
    12,
    struct({ leaderId: withDefault(int32, -1), leaderEpoch: withDefault(int32, -1) }),
  ),
  snapshotId: tagged(
    2,
    12,
    struct({ endOffset: withDefault(int64, -1), epoch: withDefault(int32, -1) }),
  ),
  abortedTransactions: ignorable(
    since(4, nullable(array(struct({ producerId: int64, firstOffset: int64 })))),
  ),
  preferredReadReplica: since(11, int32, -1),
  records: nullable(records),
})

export const FetchResponse = struct({
  throttleTimeMs: ignorable(since(1, int32)),
  errorCode: ignorable(since(7, int16)),
  sessionId: since(7, int32),
  responses: array(
    struct({
      topic: ignorable(until(12, string)),
      topicId: ignorable(since(13, uuid)),
      partitions: array(FetchedPartition),
    }),
  ),
  nodeEndpoints: tagged(
    0,
    16,
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
