/**
 * A producer's side of the transaction coordinator: its id and epoch, what is in the transaction, and
 * how it ends.
 *
 * Two protocols exist. Version 1 (KIP-98): partitions and groups are added by requests of their own
 * before anything is written. Version 2 (KIP-890): the first write adds them, and every end of a
 * transaction raises the epoch, so that a straggler of the last one cannot reach into the next. Version 2
 * is used when the cluster has finalised it.
 *
 * Errors: `fenced` means that another producer has taken over or the coordinator gave up on us: fatal.
 * Everything else can be aborted. Whether to abort or to give up is the producer's.
 */
import { ErrorCode } from '../../protocol/errors.ts'
import type { Cluster, Target } from '../cluster/cluster.ts'
import { offsetsToCommit } from '../group/group-offsets.ts'
import type { Committer } from '../group/ownership.ts'
import type { CommitOffset, TopicPartition } from '../cluster/topic-partition.ts'
import { coordinatorCodes } from '../cluster/response-codes.ts'
import { byTopic } from '../cluster/topic-partition.ts'
import { staleMemberError, throwOnError, wireError } from '../cluster/wire-error.ts'

const concurrent = [ErrorCode.CONCURRENT_TRANSACTIONS]

export class Transactions {
  readonly transactionalId: string | null
  readonly #cluster: Cluster
  readonly #timeoutMs: number
  #producerId = -1
  #producerEpoch = -1
  #isVersion2 = false
  readonly #partitions = new Set<string>()
  readonly #groups = new Set<string>()
  /** Something was to be added, and whether it was is not known. */
  #isAddingUnknown = false

  constructor(cluster: Cluster, transactionalId: string | null, timeoutMs: number) {
    this.#cluster = cluster
    this.transactionalId = transactionalId
    this.#timeoutMs = timeoutMs
  }

  get producerId(): number {
    return this.#producerId
  }

  get producerEpoch(): number {
    return this.#producerEpoch
  }

  /** The newest version of Produce that may be used: version 12 would add partitions by itself. */
  get produceVersionMax(): number {
    return this.transactionalId === null || this.#isVersion2 ? Infinity : 11
  }

  /** Whether the coordinator may know of anything in this transaction; else there is nothing to end. */
  get isTouched(): boolean {
    return this.#partitions.size > 0 || this.#groups.size > 0 || this.#isAddingUnknown
  }

  /**
   * Gets an id and epoch. With a transactional id this fences every producer that had it before, and
   * ends what it left open. @param bump keeps the id and raises the epoch (KIP-360)
   */
  async init(bump = false): Promise<void> {
    const response = await this.#cluster.request(
      'InitProducerId',
      {
        transactionalId: this.transactionalId,
        transactionTimeoutMs: this.#timeoutMs,
        ...(bump ? { producerId: this.#producerId, producerEpoch: this.#producerEpoch } : {}),
      },
      this.#coordinator(),
      // Without a transactional id any broker is asked, and says of itself that it is not ready, or full.
      { retryCodes: [...concurrent, ...coordinatorCodes] },
    )
    throwOnError(response.errorCode, `start producer ${this.#name()}`)
    this.#producerId = response.producerId
    this.#producerEpoch = response.producerEpoch
    if (this.transactionalId !== null) this.#isVersion2 = await this.#supportsVersion2()
  }

  /** Whether a partition must be added before it is written to. */
  mustAdd(topic: string, partition: number): boolean {
    if (this.transactionalId === null || this.#isVersion2) return false
    return !this.#partitions.has(`${topic}-${partition}`)
  }

  /** Notes that a partition is written to; the write itself adds it in version 2. */
  noteWrite(topic: string, partition: number): void {
    if (this.transactionalId !== null) this.#partitions.add(`${topic}-${partition}`)
  }

  /** Adds partitions to the transaction (version 1). */
  async addPartitions(partitions: readonly TopicPartition[]): Promise<void> {
    this.#isAddingUnknown = true
    const response = await this.#cluster.request(
      'AddPartitionsToTxn',
      {
        v3AndBelowTransactionalId: this.transactionalId ?? '',
        v3AndBelowProducerId: this.#producerId,
        v3AndBelowProducerEpoch: this.#producerEpoch,
        v3AndBelowTopics: byTopic(partitions).map(([name, ofTopic]) => ({
          name,
          partitions: ofTopic.map(({ partition }) => partition),
        })),
      },
      this.#coordinator(),
      { versionMax: 3, retryCodes: [...concurrent, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION] },
    )
    for (const { name, resultsByPartition } of response.resultsByTopicV3AndBelow) {
      for (const { partitionIndex, partitionErrorCode } of resultsByPartition) {
        // The others of a refused request carry this code and say nothing themselves.
        if (partitionErrorCode === ErrorCode.OPERATION_NOT_ATTEMPTED) continue
        throwOnError(
          partitionErrorCode,
          `add ${name}-${partitionIndex} to the transaction of ${this.#name()}`,
        )
      }
    }
    for (const { topic, partition } of partitions) this.noteWrite(topic, partition)
  }

  /** Makes a group's offsets part of the transaction. `stale-member` when the member is no longer current. */
  async commitOffsets(committer: Committer, offsets: readonly CommitOffset[]): Promise<void> {
    const { groupId } = committer
    if (!this.#isVersion2 && !this.#groups.has(groupId)) await this.#addGroup(groupId)
    this.#groups.add(groupId)
    const response = await this.#cluster.request(
      'TxnOffsetCommit',
      {
        transactionalId: this.transactionalId ?? '',
        producerId: this.#producerId,
        producerEpoch: this.#producerEpoch,
        ...offsetsToCommit(committer, offsets),
      },
      { coordinator: 'group', id: groupId },
      { versionMax: this.#isVersion2 ? 5 : 4, retryCodes: concurrent },
    )
    for (const { name, partitions } of response.topics) {
      for (const { partitionIndex, errorCode } of partitions) {
        if (errorCode === ErrorCode.NONE) continue
        const doing = `commit ${name}-${partitionIndex} of group '${groupId}' in the transaction of ${this.#name()}`
        throw staleMemberError(errorCode, doing) ?? wireError(errorCode, doing)
      }
    }
  }

  /** Ends the transaction. True when the epoch rose, so that sequences begin anew. */
  async end(committed: boolean): Promise<boolean> {
    const response = await this.#cluster.request(
      'EndTxn',
      {
        transactionalId: this.transactionalId ?? '',
        producerId: this.#producerId,
        producerEpoch: this.#producerEpoch,
        committed,
      },
      this.#coordinator(),
      { versionMax: this.#isVersion2 ? 5 : 4, retryCodes: concurrent },
    )
    // A version 1 coordinator that was never told of this transaction has none to abort.
    const hasNothing = response.errorCode === ErrorCode.INVALID_TXN_STATE && !committed
    if (hasNothing && this.#partitions.size + this.#groups.size === 0) {
      this.#forget()
      return false
    }
    throwOnError(
      response.errorCode,
      `${committed ? 'commit' : 'abort'} the transaction of ${this.#name()}`,
    )
    this.#forget()
    if (!this.#isVersion2 || response.producerId < 0) return false
    const hasChanged =
      response.producerId !== this.#producerId || response.producerEpoch !== this.#producerEpoch
    this.#producerId = response.producerId
    this.#producerEpoch = response.producerEpoch
    return hasChanged
  }

  /** Begins to count anew what is in the transaction. */
  #forget(): void {
    this.#partitions.clear()
    this.#groups.clear()
    this.#isAddingUnknown = false
  }

  async #addGroup(groupId: string): Promise<void> {
    this.#isAddingUnknown = true
    const response = await this.#cluster.request(
      'AddOffsetsToTxn',
      {
        transactionalId: this.transactionalId ?? '',
        producerId: this.#producerId,
        producerEpoch: this.#producerEpoch,
        groupId,
      },
      this.#coordinator(),
      { retryCodes: concurrent },
    )
    throwOnError(response.errorCode, `add group '${groupId}' to the transaction of ${this.#name()}`)
  }

  async #supportsVersion2(): Promise<boolean> {
    const nodeId = this.#cluster.metadata.brokerIds()[0] ?? -1
    const connection = await this.#cluster.connection(nodeId)
    return (
      connection.featureLevel('transaction.version') >= 2 &&
      connection.versionOf('EndTxn') >= 5 &&
      connection.versionOf('Produce') >= 12 &&
      connection.versionOf('TxnOffsetCommit') >= 5
    )
  }

  #coordinator(): Target {
    if (this.transactionalId === null) return 'any'
    return { coordinator: 'transaction', id: this.transactionalId }
  }

  #name(): string {
    return this.transactionalId === null ? '(idempotent)' : `'${this.transactionalId}'`
  }
}
