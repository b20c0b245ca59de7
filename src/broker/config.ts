/**
 * Every bound and every default of the broker, by name.
 *
 * A bound that is hit refuses early with a wire code or closes one connection; none of them loses data.
 * Where a default differs from Apache Kafka's, `docs/protocol.md` says so and why.
 * Topic settings and the broker-wide ones behind them are the topics machine's (`topic-configs.ts`).
 */
import { groupsDefaults, type GroupsOptions } from '../coordinator/groups/options.ts'
import {
  transactionsDefaults,
  type TransactionsOptions,
} from '../coordinator/transactions/options.ts'
import { frameBytesMaxDefault } from '../protocol/frame.ts'

export interface BrokerConfig {
  /** This broker's id: it is the whole cluster, its controller and every coordinator. */
  readonly nodeId: number
  /** Whether Metadata creates a topic it is asked for, when the client allows it too. */
  readonly autoCreateTopics: boolean
  /** Partitions of a topic that does not say how many. */
  readonly partitionCountDefault: number
  /** Partitions all topics may have together. */
  readonly partitionsMax: number
  /** Partitions all topics may have together for Metadata to create another; the rest is for CreateTopics. */
  readonly autoCreatePartitionsMax: number
  readonly frameBytesMax: number
  /** Memory that the items of one request may take once they are decoded, beside its frame. */
  readonly requestHeapBytesMax: number
  /**
   * Memory for what comes and goes with the load: a third each for requests, for answers, and for records
   * that are not in segment files yet or were written lately.
   */
  readonly memoryBytesMax: number
  /** Memory that one answer may take while it is made, as objects and encoded: Kafka's largest frame. */
  readonly answerBytesMax: number
  /** How long the next mebibyte of a request or an answer may take while others wait for the memory. */
  readonly memoryPatienceMs: number
  /** Connections in all; beyond, one that is idle makes room for one that comes, or that is closed. */
  readonly connectionsMax: number
  /** Those of one address, in the same way (Kafka's `max.connections.per.ip`): no address has all of them. */
  readonly connectionsPerAddressMax: number
  /** How long a client of the network may ask for nothing before its connection is closed. */
  readonly connectionIdleMsMax: number
  /** How long the next 64 KiB of a request, or its end, may take once it has begun. */
  readonly requestStallMsMax: number
  /** Requests of one connection that are begun and not answered. */
  readonly requestsInFlightMax: number
  /** Bytes of those requests and of their answers; one frame more may be begun. */
  readonly requestBytesInFlightMax: number
  /** How long a client may leave its answers unread before it is given up. */
  readonly stallMsMax: number
  /** What the records of one compressed batch may unfold to. */
  readonly unfoldedBytesMax: number
  /** Look-ups by time at work at once, over all connections: each may hold a batch. */
  readonly lookUpsMax: number
  /** Records of a refused batch that are named as being at fault. */
  readonly recordErrorsMax: number
  /** What one request may filter a list by: states, types, producers. */
  readonly filtersMax: number
  /** Characters of a client's pattern: what it takes to read it (`handlers/patterns.ts`). */
  readonly patternLengthMax: number
  /** Instructions of the program that it becomes: what a character takes that it is matched with. */
  readonly patternInstructionsMax: number
  /** Items of requests worked on before everybody else has a turn (`turns.ts`). */
  readonly turnItems: number
  /** Requests sent ahead that are begun in one round of the event loop; of Produce and Fetch, four times as many. */
  readonly roundRequests: number
  /** Bytes of records in one fetch response, whatever the client asks for. */
  readonly fetchBytesMax: number
  /** How long a fetch waits at most, whatever the client asks for. */
  readonly fetchWaitMsMax: number
  /** Fetch sessions kept; the one unused longest makes room (KIP-227). */
  readonly fetchSessionsMax: number
  /** Partitions all fetch sessions may remember together. */
  readonly fetchSessionPartitionsMax: number
  readonly groups: GroupsOptions
  readonly transactions: TransactionsOptions
  /** A coordinator's log with more bytes than this, and than twice its state, is shortened. */
  readonly coordinatorLogBytesMax: number
  /** What a connection may hold unread in process before its writer waits. */
  readonly pipeBytesMax: number
}

export const brokerDefaults: BrokerConfig = {
  nodeId: 1,
  autoCreateTopics: true,
  partitionCountDefault: 4,
  partitionsMax: 20_000,
  autoCreatePartitionsMax: 10_000,
  frameBytesMax: frameBytesMaxDefault,
  requestHeapBytesMax: 32 * 1024 * 1024,
  memoryBytesMax: 384 * 1024 * 1024,
  answerBytesMax: frameBytesMaxDefault,
  memoryPatienceMs: 5_000,
  connectionsMax: 4096,
  connectionsPerAddressMax: 3072,
  connectionIdleMsMax: 600_000,
  requestStallMsMax: 30_000,
  requestsInFlightMax: 32,
  requestBytesInFlightMax: 32 * 1024 * 1024,
  stallMsMax: 600_000,
  unfoldedBytesMax: 128 * 1024 * 1024,
  lookUpsMax: 2,
  recordErrorsMax: 1000,
  filtersMax: 20_000,
  patternLengthMax: 256,
  patternInstructionsMax: 256,
  turnItems: 500,
  roundRequests: 32,
  fetchBytesMax: 55 * 1024 * 1024,
  fetchWaitMsMax: 60_000,
  fetchSessionsMax: 1000,
  fetchSessionPartitionsMax: 100_000,
  groups: groupsDefaults,
  transactions: transactionsDefaults,
  coordinatorLogBytesMax: 4 * 1024 * 1024,
  pipeBytesMax: 4 * 1024 * 1024,
}

/** Descriptors for what is neither a segment nor a connection: the journal, directories, Node's own. */
const otherDescriptors = 64

/**
 * What of the descriptors of a process its broker's segments and connections may hold, so that neither
 * keeps the other from working; a quarter is for segments where there are few. One address may have the
 * same share of the connections as it has without that bound.
 * @param limit all that the process may have open (`ulimit -n`)
 */
export function shareDescriptors(
  limit: number,
  config: Pick<BrokerConfig, 'connectionsMax' | 'connectionsPerAddressMax'>,
): {
  readonly segmentDescriptorsMax: number
  readonly connectionsMax: number
  readonly connectionsPerAddressMax: number
} {
  const segmentDescriptorsMax = Math.max(16, Math.min(256, Math.floor(limit / 4)))
  const left = Math.max(16, limit - segmentDescriptorsMax - otherDescriptors)
  const connectionsMax = Math.min(config.connectionsMax, left)
  const perAddress = Math.min(config.connectionsPerAddressMax, config.connectionsMax)
  const share = Math.floor((connectionsMax * perAddress) / config.connectionsMax)
  const connectionsPerAddressMax = Math.max(1, share)
  return { segmentDescriptorsMax, connectionsMax, connectionsPerAddressMax }
}

/** The version Kafka's tools take this broker for. */
const metadataVersion = '4.4-IV0'

/** Broker settings as DescribeConfigs shows them: fixed while the broker runs, under Kafka's names. */
export function fixedConfigs(config: BrokerConfig, directory: string): ReadonlyMap<string, string> {
  return new Map([
    ['auto.create.topics.enable', `${config.autoCreateTopics}`],
    ['broker.id', `${config.nodeId}`],
    ['connections.max.idle.ms', `${config.connectionIdleMsMax}`],
    ['default.replication.factor', '1'],
    ['delete.topic.enable', 'true'],
    ['fetch.max.bytes', `${config.fetchBytesMax}`],
    ['group.initial.rebalance.delay.ms', '0'],
    ['inter.broker.protocol.version', metadataVersion],
    ['log.dir', directory],
    ['log.dirs', directory],
    ['max.connections', `${config.connectionsMax}`],
    ['max.connections.per.ip', `${config.connectionsPerAddressMax}`],
    ['max.incremental.fetch.session.cache.slots', `${config.fetchSessionsMax}`],
    ['node.id', `${config.nodeId}`],
    ['num.partitions', `${config.partitionCountDefault}`],
    ['process.roles', 'broker,controller'],
    ['socket.request.max.bytes', `${config.frameBytesMax}`],
  ])
}
