/** A request of each API that changes nothing, to try every version on a broker: a real one, and ours. */
import type { ApiName, RequestInput } from '../../src/protocol/api.ts'

/** A request that changes nothing, with as much in it as that allows. */
export function requestFor(name: ApiName, version: number): RequestInput<ApiName> {
  const make = requests[name] as ((version: number) => RequestInput<ApiName>) | undefined
  return make?.(version) ?? {}
}

const partition = { partitionIndex: 0 }
const nobody = { transactionalId: 'nobody', producerId: 1, producerEpoch: 0 }
const stranger = { groupId: 'nobody', memberId: 'stranger', generationId: 3 }

const requests: { readonly [N in ApiName]?: (version: number) => RequestInput<N> } = {
  Produce: () => ({ acks: -1, timeoutMs: 100 }),
  Fetch: () => ({ maxWaitMs: 1, maxBytes: 100 }),
  ListOffsets: () => ({
    replicaId: -1,
    topics: [{ name: 'missing', partitions: [{ ...partition, timestamp: -1 }] }],
  }),
  Metadata: (version) => ({ topics: [{ name: 'missing' }], allowAutoTopicCreation: version < 4 }),
  OffsetCommit: (version) => ({
    groupId: 'nobody',
    memberId: 'stranger',
    topics: version < 10 ? [{ name: 'missing', partitions: [partition] }] : [],
  }),
  OffsetFetch: (version) =>
    version < 8
      ? { groupId: 'nobody', topics: [{ name: 'missing', partitionIndexes: [0] }] }
      : { groups: [{ groupId: 'nobody', topics: null }] },
  FindCoordinator: (version) => (version < 4 ? { key: 'nobody' } : { coordinatorKeys: ['nobody'] }),
  JoinGroup: (version) => ({
    groupId: '',
    sessionTimeoutMs: 10_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: new Uint8Array(3) }],
    ...(version >= 5 ? { groupInstanceId: 'one' } : {}),
  }),
  Heartbeat: () => stranger,
  LeaveGroup: (version) =>
    version < 3
      ? { groupId: 'nobody', memberId: 'stranger' }
      : { groupId: 'nobody', members: [{ memberId: 'stranger', reason: 'test' }] },
  SyncGroup: () => ({
    ...stranger,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: [{ memberId: 'stranger', assignment: new Uint8Array(2) }],
  }),
  DescribeGroups: () => ({ groups: ['nobody'] }),
  ListGroups: (version) => ({ statesFilter: version < 4 ? [] : ['Stable'] }),
  ApiVersions: () => ({ clientSoftwareName: 'headwater', clientSoftwareVersion: '1' }),
  CreateTopics: () => ({
    topics: [
      {
        name: 'dry-run',
        numPartitions: 2,
        replicationFactor: 1,
        configs: [{ name: 'retention.ms', value: '1000' }],
      },
    ],
    validateOnly: true,
  }),
  DeleteTopics: (version) =>
    version < 6 ? { topicNames: ['missing'] } : { topics: [{ name: 'missing' }] },
  DeleteRecords: () => ({
    topics: [{ name: 'missing', partitions: [{ ...partition, offset: 0 }] }],
  }),
  InitProducerId: () => ({ transactionalId: null, transactionTimeoutMs: 1000 }),
  OffsetForLeaderEpoch: () => ({
    topics: [{ topic: 'missing', partitions: [{ partition: 0, leaderEpoch: 0 }] }],
  }),
  AddPartitionsToTxn: (version) =>
    version < 4
      ? {
          v3AndBelowTransactionalId: 'nobody',
          v3AndBelowProducerId: 1,
          v3AndBelowTopics: [{ name: 'missing', partitions: [0] }],
        }
      : { transactions: [{ ...nobody, topics: [{ name: 'missing', partitions: [0] }] }] },
  AddOffsetsToTxn: () => ({ ...nobody, groupId: 'nobody' }),
  EndTxn: () => ({ ...nobody, committed: true }),
  TxnOffsetCommit: (version) => ({
    ...nobody,
    groupId: 'nobody',
    topics: version < 6 ? [{ name: 'missing', partitions: [partition] }] : [],
  }),
  DescribeConfigs: (version) => ({
    resources: [{ resourceType: 4, resourceName: '1', configurationKeys: null }],
    includeSynonyms: true,
    includeDocumentation: version >= 3,
  }),
  AlterConfigs: () => ({
    resources: [{ resourceType: 2, resourceName: 'missing' }],
    validateOnly: true,
  }),
  DescribeLogDirs: () => ({ topics: null }),
  CreatePartitions: () => ({ topics: [{ name: 'missing', count: 3 }], validateOnly: true }),
  DeleteGroups: () => ({ groupsNames: ['nobody'] }),
  IncrementalAlterConfigs: () => ({
    resources: [{ resourceType: 2, resourceName: 'missing', configs: [{ name: 'retention.ms' }] }],
    validateOnly: true,
  }),
  OffsetDelete: () => ({
    groupId: 'nobody',
    topics: [{ name: 'missing', partitions: [partition] }],
  }),
  DescribeProducers: () => ({ topics: [{ name: 'missing', partitionIndexes: [0] }] }),
  DescribeTransactions: () => ({ transactionalIds: ['nobody'] }),
  ListTransactions: () => ({ stateFilters: ['Ongoing'] }),
  DescribeTopicPartitions: () => ({ topics: [{ name: 'missing' }] }),
}
