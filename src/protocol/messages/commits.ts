/** The positions a group has committed. */
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
  withDefault,
} from '../schema.ts'

/** OffsetCommit · v6 has leader epochs, v7 static members, v10 topic ids. */
export const OffsetCommitRequest = struct({
  groupId: string,
  generationIdOrMemberEpoch: ignorable(since(1, int32, -1)),
  memberId: ignorable(since(1, string)),
  groupInstanceId: since(7, nullable(string, 7), null),
  retentionTimeMs: ignorable(since(2, until(4, int64), -1)),
  topics: array(
    struct({
      name: ignorable(until(9, string)),
      topicId: ignorable(since(10, uuid)),
      partitions: array(
        struct({
          partitionIndex: int32,
          committedOffset: int64,
          committedLeaderEpoch: ignorable(since(6, int32, -1)),
          committedMetadata: nullable(string),
        }),
      ),
    }),
  ),
})

export const OffsetCommitResponse = struct({
  throttleTimeMs: ignorable(since(3, int32)),
  topics: array(
    struct({
      name: ignorable(until(9, string)),
      topicId: ignorable(since(10, uuid)),
      partitions: array(struct({ partitionIndex: int32, errorCode: int16 })),
    }),
  ),
})

/** OffsetFetch · v2 takes null for all topics; v7 waits for transactions to settle (KIP-447); v8 takes
 * many groups (KIP-709); v9 members of new-style groups; v10 topic ids. */
export const OffsetFetchRequest = struct({
  groupId: until(7, string),
  topics: until(7, nullable(array(struct({ name: string, partitionIndexes: array(int32) })), 2, 7)),
  groups: since(
    8,
    array(
      struct({
        groupId: string,
        memberId: ignorable(since(9, nullable(string, 9), null)),
        memberEpoch: ignorable(since(9, int32, -1)),
        topics: nullable(
          array(
            struct({
              name: ignorable(until(9, string)),
              topicId: ignorable(since(10, uuid)),
              partitionIndexes: array(int32),
            }),
          ),
        ),
      }),
    ),
  ),
  requireStable: since(7, bool),
})

const FetchedOffset = struct({
  partitionIndex: int32,
  committedOffset: int64,
  committedLeaderEpoch: ignorable(since(5, int32, -1)),
  metadata: nullable(string),
  errorCode: int16,
})

const FetchedGroupOffset = struct({
  partitionIndex: int32,
  committedOffset: int64,
  committedLeaderEpoch: ignorable(withDefault(int32, -1)),
  metadata: nullable(string),
  errorCode: int16,
})

export const OffsetFetchResponse = struct({
  throttleTimeMs: ignorable(since(3, int32)),
  topics: until(7, array(struct({ name: string, partitions: array(FetchedOffset) }))),
  errorCode: ignorable(since(2, until(7, int16))),
  groups: since(
    8,
    array(
      struct({
        groupId: string,
        topics: array(
          struct({
            name: ignorable(until(9, string)),
            topicId: ignorable(since(10, uuid)),
            partitions: array(FetchedGroupOffset),
          }),
        ),
        errorCode: int16,
      }),
    ),
  ),
})
