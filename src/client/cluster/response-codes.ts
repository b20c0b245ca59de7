/** Error codes in responses: which ones say that a role is elsewhere, and whether a response has one. */
import type { ApiName, ResponseOf } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'

/** Codes that say a coordinator is not where we asked, or not yet. */
export const coordinatorCodes: readonly number[] = [
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR,
]

/** Codes that say a partition's leader is not where we asked, or not yet. */
export const leaderCodes: readonly number[] = [
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.REPLICA_NOT_AVAILABLE,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.UNKNOWN_LEADER_EPOCH,
  ErrorCode.OFFSET_NOT_AVAILABLE,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.INCONSISTENT_TOPIC_ID,
]

const ofAll = (response: { readonly errorCode: number }): number[] => [response.errorCode]
const codes = (items: readonly { readonly errorCode: number }[]): number[] =>
  items.map(({ errorCode }) => errorCode)

/** Where the responses to requests that may be repeated keep their error codes. */
const codesOf = {
  AddOffsetsToTxn: ofAll,
  AddPartitionsToTxn: (response) =>
    response.resultsByTopicV3AndBelow.flatMap(({ resultsByPartition }) =>
      resultsByPartition.map(({ partitionErrorCode }) => partitionErrorCode),
    ),
  CreatePartitions: ({ results }) => codes(results),
  CreateTopics: ({ topics }) => codes(topics),
  DeleteGroups: ({ results }) => codes(results),
  DeleteTopics: ({ responses }) => codes(responses),
  DescribeConfigs: ({ results }) => codes(results),
  DescribeGroups: ({ groups }) => codes(groups),
  EndTxn: ofAll,
  FindCoordinator: ({ errorCode, coordinators }) => [errorCode, ...codes(coordinators)],
  Heartbeat: ofAll,
  IncrementalAlterConfigs: ({ responses }) => codes(responses),
  InitProducerId: ofAll,
  JoinGroup: ofAll,
  LeaveGroup: ({ errorCode, members }) => [errorCode, ...codes(members)],
  ListGroups: ofAll,
  ListTransactions: ofAll,
  Metadata: ({ topics }) => codes(topics),
  OffsetCommit: ({ topics }) => topics.flatMap(({ partitions }) => codes(partitions)),
  OffsetFetch: ({ errorCode, topics, groups }) => [
    errorCode,
    ...topics.flatMap(({ partitions }) => codes(partitions)),
    ...groups.flatMap((group) => [
      group.errorCode,
      ...group.topics.flatMap(({ partitions }) => codes(partitions)),
    ]),
  ],
  SyncGroup: ofAll,
  TxnOffsetCommit: ({ topics }) => topics.flatMap(({ partitions }) => codes(partitions)),
} satisfies { [N in ApiName]?: (response: ResponseOf<N>) => readonly number[] }

/** The APIs that a cluster repeats by itself. */
export type RepeatableApi = keyof typeof codesOf

/** Whether one of a response's error codes is among `wanted`. */
export function hasCode<N extends RepeatableApi>(
  api: N,
  response: ResponseOf<N>,
  wanted: readonly number[],
): boolean {
  if (wanted.length === 0) return false
  const find = codesOf[api] as (response: ResponseOf<N>) => readonly number[]
  return find(response).some((code) => wanted.includes(code))
}
