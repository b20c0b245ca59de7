/**
 * The table of APIs: Kafka's number, the versions spoken, and the two messages of each.
 *
 * Versions are those of Apache Kafka 4.4. `flexibleFrom` is the first version with compact lengths and
 * tagged fields (KIP-482), in the header and in both bodies. What a broker announces is wider in one
 * place: see `announcedVersions`. APIs left out, and why, are listed in docs/protocol.md.
 */
import * as admin from './messages/admin.ts'
import * as commits from './messages/commits.ts'
import * as fetch from './messages/fetch.ts'
import * as groupAdmin from './messages/group-admin.ts'
import * as groups from './messages/groups.ts'
import * as handshake from './messages/handshake.ts'
import * as metadata from './messages/metadata.ts'
import * as offsets from './messages/offsets.ts'
import * as produce from './messages/produce.ts'
import * as sasl from './messages/sasl.ts'
import * as topics from './messages/topics.ts'
import * as transactions from './messages/transactions.ts'
import type { Infer, Input, Type } from './schema.ts'

/** One API: its name, and the types of its messages. */
interface Api<N extends string, Q, R> {
  readonly key: number
  readonly name: N
  readonly versions: readonly [min: number, max: number]
  readonly flexibleFrom: number
  readonly request: Type<Q>
  readonly response: Type<R>
}

/** SaslHandshake and OffsetDelete have no flexible version. */
const never = Infinity

export const apis = {
  Produce: api('Produce', 0, [3, 13], 9, produce.ProduceRequest, produce.ProduceResponse),
  Fetch: api('Fetch', 1, [4, 18], 12, fetch.FetchRequest, fetch.FetchResponse),
  ListOffsets: api(
    'ListOffsets',
    2,
    [1, 11],
    6,
    offsets.ListOffsetsRequest,
    offsets.ListOffsetsResponse,
  ),
  Metadata: api('Metadata', 3, [0, 13], 9, metadata.MetadataRequest, metadata.MetadataResponse),
  OffsetCommit: api(
    'OffsetCommit',
    8,
    [2, 10],
    8,
    commits.OffsetCommitRequest,
    commits.OffsetCommitResponse,
  ),
  OffsetFetch: api(
    'OffsetFetch',
    9,
    [1, 10],
    6,
    commits.OffsetFetchRequest,
    commits.OffsetFetchResponse,
  ),
  FindCoordinator: api(
    'FindCoordinator',
    10,
    [0, 6],
    3,
    metadata.FindCoordinatorRequest,
    metadata.FindCoordinatorResponse,
  ),
  JoinGroup: api('JoinGroup', 11, [0, 9], 6, groups.JoinGroupRequest, groups.JoinGroupResponse),
  Heartbeat: api('Heartbeat', 12, [0, 4], 4, groups.HeartbeatRequest, groups.HeartbeatResponse),
  LeaveGroup: api('LeaveGroup', 13, [0, 5], 4, groups.LeaveGroupRequest, groups.LeaveGroupResponse),
  SyncGroup: api('SyncGroup', 14, [0, 5], 4, groups.SyncGroupRequest, groups.SyncGroupResponse),
  DescribeGroups: api(
    'DescribeGroups',
    15,
    [0, 6],
    5,
    groupAdmin.DescribeGroupsRequest,
    groupAdmin.DescribeGroupsResponse,
  ),
  ListGroups: api(
    'ListGroups',
    16,
    [0, 5],
    3,
    groupAdmin.ListGroupsRequest,
    groupAdmin.ListGroupsResponse,
  ),
  SaslHandshake: api(
    'SaslHandshake',
    17,
    [0, 1],
    never,
    sasl.SaslHandshakeRequest,
    sasl.SaslHandshakeResponse,
  ),
  ApiVersions: api(
    'ApiVersions',
    18,
    [0, 5],
    3,
    handshake.ApiVersionsRequest,
    handshake.ApiVersionsResponse,
  ),
  CreateTopics: api(
    'CreateTopics',
    19,
    [2, 7],
    5,
    topics.CreateTopicsRequest,
    topics.CreateTopicsResponse,
  ),
  DeleteTopics: api(
    'DeleteTopics',
    20,
    [1, 6],
    4,
    topics.DeleteTopicsRequest,
    topics.DeleteTopicsResponse,
  ),
  DeleteRecords: api(
    'DeleteRecords',
    21,
    [0, 2],
    2,
    produce.DeleteRecordsRequest,
    produce.DeleteRecordsResponse,
  ),
  InitProducerId: api(
    'InitProducerId',
    22,
    [0, 5],
    2,
    produce.InitProducerIdRequest,
    produce.InitProducerIdResponse,
  ),
  OffsetForLeaderEpoch: api(
    'OffsetForLeaderEpoch',
    23,
    [2, 4],
    4,
    offsets.OffsetForLeaderEpochRequest,
    offsets.OffsetForLeaderEpochResponse,
  ),
  AddPartitionsToTxn: api(
    'AddPartitionsToTxn',
    24,
    [0, 5],
    3,
    transactions.AddPartitionsToTxnRequest,
    transactions.AddPartitionsToTxnResponse,
  ),
  AddOffsetsToTxn: api(
    'AddOffsetsToTxn',
    25,
    [0, 4],
    3,
    transactions.AddOffsetsToTxnRequest,
    transactions.AddOffsetsToTxnResponse,
  ),
  EndTxn: api('EndTxn', 26, [0, 5], 3, transactions.EndTxnRequest, transactions.EndTxnResponse),
  TxnOffsetCommit: api(
    'TxnOffsetCommit',
    28,
    [0, 6],
    3,
    transactions.TxnOffsetCommitRequest,
    transactions.TxnOffsetCommitResponse,
  ),
  DescribeConfigs: api(
    'DescribeConfigs',
    32,
    [1, 4],
    4,
    admin.DescribeConfigsRequest,
    admin.DescribeConfigsResponse,
  ),
  AlterConfigs: api(
    'AlterConfigs',
    33,
    [0, 2],
    2,
    admin.AlterConfigsRequest,
    admin.AlterConfigsResponse,
  ),
  DescribeLogDirs: api(
    'DescribeLogDirs',
    35,
    [1, 5],
    2,
    admin.DescribeLogDirsRequest,
    admin.DescribeLogDirsResponse,
  ),
  SaslAuthenticate: api(
    'SaslAuthenticate',
    36,
    [0, 2],
    2,
    sasl.SaslAuthenticateRequest,
    sasl.SaslAuthenticateResponse,
  ),
  CreatePartitions: api(
    'CreatePartitions',
    37,
    [0, 3],
    2,
    topics.CreatePartitionsRequest,
    topics.CreatePartitionsResponse,
  ),
  DeleteGroups: api(
    'DeleteGroups',
    42,
    [0, 3],
    2,
    groupAdmin.DeleteGroupsRequest,
    groupAdmin.DeleteGroupsResponse,
  ),
  IncrementalAlterConfigs: api(
    'IncrementalAlterConfigs',
    44,
    [0, 1],
    1,
    admin.IncrementalAlterConfigsRequest,
    admin.IncrementalAlterConfigsResponse,
  ),
  OffsetDelete: api(
    'OffsetDelete',
    47,
    [0, 0],
    never,
    groupAdmin.OffsetDeleteRequest,
    groupAdmin.OffsetDeleteResponse,
  ),
  DescribeCluster: api(
    'DescribeCluster',
    60,
    [0, 2],
    0,
    metadata.DescribeClusterRequest,
    metadata.DescribeClusterResponse,
  ),
  DescribeProducers: api(
    'DescribeProducers',
    61,
    [0, 0],
    0,
    produce.DescribeProducersRequest,
    produce.DescribeProducersResponse,
  ),
  DescribeTransactions: api(
    'DescribeTransactions',
    65,
    [0, 0],
    0,
    transactions.DescribeTransactionsRequest,
    transactions.DescribeTransactionsResponse,
  ),
  ListTransactions: api(
    'ListTransactions',
    66,
    [0, 2],
    0,
    transactions.ListTransactionsRequest,
    transactions.ListTransactionsResponse,
  ),
  ListConfigResources: api(
    'ListConfigResources',
    74,
    [0, 1],
    0,
    admin.ListConfigResourcesRequest,
    admin.ListConfigResourcesResponse,
  ),
  DescribeTopicPartitions: api(
    'DescribeTopicPartitions',
    75,
    [0, 0],
    0,
    metadata.DescribeTopicPartitionsRequest,
    metadata.DescribeTopicPartitionsResponse,
  ),
} as const

export type ApiName = keyof typeof apis

/** A decoded request: every field is there. */
export type RequestOf<N extends ApiName> = Infer<(typeof apis)[N]['request']>
/** A decoded response: every field is there. */
export type ResponseOf<N extends ApiName> = Infer<(typeof apis)[N]['response']>
/** A request to encode: fields left out take their defaults. */
export type RequestInput<N extends ApiName> = Input<RequestOf<N>>
/** A response to encode: fields left out take their defaults. */
export type ResponseInput<N extends ApiName> = Input<ResponseOf<N>>

export const apiNames = Object.keys(apis) as readonly ApiName[]

const namesByKey = new Map<number, ApiName>(apiNames.map((name) => [apis[name].key, name]))

/** The API with Kafka's number `key`, if it is spoken here. */
export function apiByKey(key: number): ApiName | undefined {
  return namesByKey.get(key)
}

/**
 * The versions a broker announces. Produce is announced from 0, though 0 to 2 are refused: librdkafka
 * before 2.0 concludes from a missing v0 that it may not compress (KAFKA-18659).
 */
export function announcedVersions(name: ApiName): readonly [min: number, max: number] {
  return name === 'Produce' ? [0, apis.Produce.versions[1]] : apis[name].versions
}

export function isFlexible(name: ApiName, version: number): boolean {
  return version >= apis[name].flexibleFrom
}

/** Version 2 of the request header has tagged fields; version 1 ends with the client id. */
export function requestHeaderVersion(name: ApiName, version: number): 1 | 2 {
  return isFlexible(name, version) ? 2 : 1
}

/** Version 1 of the response header has tagged fields. ApiVersions never has them, so that a client
 * can read the answer before it knows the broker (KIP-511). */
export function responseHeaderVersion(name: ApiName, version: number): 0 | 1 {
  return name !== 'ApiVersions' && isFlexible(name, version) ? 1 : 0
}

function api<const N extends string, Q, R>(
  name: N,
  key: number,
  versions: readonly [min: number, max: number],
  flexibleFrom: number,
  request: Type<Q>,
  response: Type<R>,
): Api<N, Q, R> {
  return { key, name, versions, flexibleFrom, request, response }
}
