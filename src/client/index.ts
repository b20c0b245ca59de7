/** The door to the client: batches in, batches out, on any Kafka. */
export { nodeClock, nodeRandom } from '../io/node-clock.ts'
export { nodeNetwork } from '../io/node-network.ts'
export type { Clock, Dial, Duplex, Random, TlsOptions } from '../io/ports.ts'
export { ErrorCode, errorName, errorText } from '../protocol/errors.ts'
export { decodeRecords, forEachRecord } from '../records/record.ts'
export type { RecordHeader, StoredRecord } from '../records/record.ts'
export * from './admin.ts'
export { rangeAssignor } from './group/assignor.ts'
export type { Assignor, AssignorMember } from './group/assignor.ts'
export { Cluster } from './cluster/cluster.ts'
export type { ClusterOptions, Target } from './cluster/cluster.ts'
export { Consumer } from './consumer/consumer.ts'
export type { ConsumerOptions, FetchedBatches } from './consumer/consumer.ts'
export { GroupMember } from './group/group-member.ts'
export type { GroupMemberOptions } from './group/group-member.ts'
export { followsDirectly, nonMember } from './group/ownership.ts'
export type { Committer, Ownership } from './group/ownership.ts'
export { Producer } from './producer/producer.ts'
export type { ProducerOptions } from './producer/producer.ts'
export { kafka } from './security/kafka.ts'
export type { BrokerAddress, KafkaOptions, SaslOptions } from './security/kafka.ts'
export type {
  OAuthToken,
  Sasl,
  SaslExchange,
  SaslMechanism,
  TokenProvider,
} from './security/sasl.ts'
export type { CommitOffset, PartitionOffset, TopicPartition } from './cluster/topic-partition.ts'
