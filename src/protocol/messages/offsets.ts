/** Where a log begins and ends, and what lies at a time or an epoch. */
import {
  array,
  ignorable,
  int16,
  int32,
  int64,
  int8,
  since,
  string,
  struct,
  withDefault,
} from '../schema.ts'

/** ListOffsets · KIP-79. v2 has isolation, v4 leader epochs, v7 to v11 more special timestamps. */
export const ListOffsetsRequest = struct({
  replicaId: int32,
  isolationLevel: since(2, int8),
  topics: array(
    struct({
      name: string,
      partitions: array(
        struct({
          partitionIndex: int32,
          currentLeaderEpoch: ignorable(since(4, int32, -1)),
          timestamp: int64,
        }),
      ),
    }),
  ),
  timeoutMs: ignorable(since(10, int32)),
})

export const ListOffsetsResponse = struct({
  throttleTimeMs: ignorable(since(2, int32)),
  topics: array(
    struct({
      name: string,
      partitions: array(
        struct({
          partitionIndex: int32,
          errorCode: int16,
          timestamp: since(1, int64, -1),
          offset: since(1, int64, -1),
          leaderEpoch: since(4, int32, -1),
        }),
      ),
    }),
  ),
})

/** OffsetForLeaderEpoch · KIP-320: where an epoch ended, to notice a log that was cut back. */
export const OffsetForLeaderEpochRequest = struct({
  replicaId: ignorable(since(3, int32, -2)),
  topics: array(
    struct({
      topic: string,
      partitions: array(
        struct({
          partition: int32,
          currentLeaderEpoch: ignorable(since(2, int32, -1)),
          leaderEpoch: int32,
        }),
      ),
    }),
  ),
})

export const OffsetForLeaderEpochResponse = struct({
  throttleTimeMs: ignorable(since(2, int32)),
  topics: array(
    struct({
      topic: string,
      partitions: array(
        struct({
          errorCode: int16,
          partition: int32,
          leaderEpoch: ignorable(since(1, int32, -1)),
          endOffset: withDefault(int64, -1),
        }),
      ),
    }),
  ),
})
