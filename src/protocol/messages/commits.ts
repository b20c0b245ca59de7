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
  topics: until(
    7,
    nullable(
      array(struct({ name: until(7, string), partitionIndexes: until(7, array(int32)) })),
      2,
      7,
    ),
  ),
  groups: since(
    8,
    array(
      struct({
        groupId: since(8, string),
        memberId: ignorable(since(9, nullable(string, 9), null)),
        memberEpoch: ignorable(since(9, int32, -1)),
        topics: since(
          8,
          nullable(
            array(
              struct({
                name: ignorable(since(8, until(9, string))),
                topicId: ignorable(since(10, uuid)),
                partitionIndexes: since(8, array(int32)),
              }),
            ),
            8,
          ),
        ),
      }),
    ),
  ),
  requireStable: since(7, bool),
})

const FetchedOffset = struct({
  partitionIndex: until(7, int32),
  committedOffset: until(7, int64),
  committedLeaderEpoch: ignorable(since(5, until(7, int32), -1)),
  metadata: until(7, nullable(string, 0, 7)),
  errorCode: until(7, int16),
})

const FetchedGroupOffset = struct({
  partitionIndex: since(8, int32),
  committedOffset: since(8, int64),
  committedLeaderEpoch: ignorable(since(8, int32, -1)),
  metadata: since(8, nullable(string, 8)),
  errorCode: since(8, int16),
})

export const OffsetFetchResponse = struct({
  throttleTimeMs: ignorable(since(3, int32)),
  topics: until(
    7,
    array(struct({ name: until(7, string), partitions: until(7, array(FetchedOffset)) })),
  ),
  errorCode: ignorable(since(2, until(7, int16))),
  groups: since(
    8,
    array(
      struct({
        groupId: since(8, string),
        topics: since(
          8,
          array(
            struct({
              name: ignorable(since(8, until(9, string))),
              topicId: ignorable(since(10, uuid)),
              partitions: since(8, array(FetchedGroupOffset)),
            }),
          ),
        ),
        errorCode: since(8, int16),
      }),
    ),
  ),
})
