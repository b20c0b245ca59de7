/** Where things are: brokers, topics, partitions, coordinators. */
import {
  array,
  bool,
  ignorable,
  int16,
  int32,
  int8,
  nullable,
  since,
  string,
  struct,
  until,
  uuid,
  withDefault,
} from '../schema.ts'

/** "No such set was asked for", where a set of authorized operations is wanted. */
export const operationsUnknown = -0x8000_0000

/** Metadata · v1 tells null (all) from empty (none); v10 has topic ids (KIP-516); v13 a top error. */
export const MetadataRequest = struct({
  topics: nullable(
    array(struct({ topicId: ignorable(since(10, uuid)), name: nullable(string, 10) })),
    1,
  ),
  allowAutoTopicCreation: since(4, bool, true),
  includeClusterAuthorizedOperations: since(8, until(10, bool)),
  includeTopicAuthorizedOperations: since(8, bool),
})

const MetadataPartition = struct({
  errorCode: int16,
  partitionIndex: int32,
  leaderId: int32,
  leaderEpoch: ignorable(since(7, int32, -1)),
  replicaNodes: array(int32),
  isrNodes: array(int32),
  offlineReplicas: ignorable(since(5, array(int32))),
})

export const MetadataResponse = struct({
  throttleTimeMs: ignorable(since(3, int32)),
  brokers: array(
    struct({
      nodeId: int32,
      host: string,
      port: int32,
      rack: ignorable(since(1, nullable(string, 1), null)),
    }),
  ),
  clusterId: ignorable(since(2, nullable(string, 2), null)),
  controllerId: ignorable(since(1, int32, -1)),
  topics: array(
    struct({
      errorCode: int16,
      name: nullable(string, 12),
      topicId: ignorable(since(10, uuid)),
      isInternal: ignorable(since(1, bool)),
      partitions: array(MetadataPartition),
      topicAuthorizedOperations: since(8, int32, operationsUnknown),
    }),
  ),
  clusterAuthorizedOperations: since(8, until(10, int32), operationsUnknown),
  errorCode: ignorable(since(13, int16)),
})

/** FindCoordinator · v1 has key types, v4 takes many keys (KIP-699), v6 share groups. */
export const FindCoordinatorRequest = struct({
  key: until(3, string),
  keyType: since(1, int8),
  coordinatorKeys: since(4, array(string)),
})

export const FindCoordinatorResponse = struct({
  throttleTimeMs: ignorable(since(1, int32)),
  errorCode: until(3, int16),
  errorMessage: ignorable(since(1, until(3, nullable(string, 1, 3)))),
  nodeId: until(3, int32),
  host: until(3, string),
  port: until(3, int32),
  coordinators: since(
    4,
    array(
      struct({
        key: string,
        nodeId: int32,
        host: string,
        port: int32,
        errorCode: int16,
        errorMessage: ignorable(nullable(string)),
      }),
    ),
  ),
})

/** DescribeCluster · KIP-700. v1 tells brokers from controllers; v2 shows fenced brokers. */
export const DescribeClusterRequest = struct({
  includeClusterAuthorizedOperations: bool,
  endpointType: since(1, int8, 1),
  includeFencedBrokers: since(2, bool),
})

export const DescribeClusterResponse = struct({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: withDefault(nullable(string), null),
  endpointType: since(1, int8, 1),
  clusterId: string,
  controllerId: withDefault(int32, -1),
  brokers: array(
    struct({
      brokerId: int32,
      host: string,
      port: int32,
      rack: withDefault(nullable(string), null),
      isFenced: since(2, bool),
    }),
  ),
  clusterAuthorizedOperations: withDefault(int32, operationsUnknown),
})

/** DescribeTopicPartitions · KIP-966: a large topic in pages. */
export const DescribeTopicPartitionsRequest = struct({
  topics: array(struct({ name: string })),
  responsePartitionLimit: withDefault(int32, 2000),
  cursor: withDefault(nullable(struct({ topicName: string, partitionIndex: int32 })), null),
})

const DescribedPartition = struct({
  errorCode: int16,
  partitionIndex: int32,
  leaderId: int32,
  leaderEpoch: ignorable(withDefault(int32, -1)),
  replicaNodes: array(int32),
  isrNodes: array(int32),
  eligibleLeaderReplicas: withDefault(nullable(array(int32)), null),
  lastKnownElr: withDefault(nullable(array(int32)), null),
  offlineReplicas: ignorable(array(int32)),
})

export const DescribeTopicPartitionsResponse = struct({
  throttleTimeMs: ignorable(int32),
  topics: array(
    struct({
      errorCode: int16,
      name: nullable(string),
      topicId: ignorable(uuid),
      isInternal: ignorable(bool),
      partitions: array(DescribedPartition),
      topicAuthorizedOperations: withDefault(int32, operationsUnknown),
    }),
  ),
  nextCursor: withDefault(nullable(struct({ topicName: string, partitionIndex: int32 })), null),
})
