/**
 * What the client knows of the cluster: brokers, and who leads each partition.
 *
 * It is a cache, wrong by nature: every request checks what it was told, and a refusal makes it stale.
 * Metadata may come from a broker that lags behind, so a partition keeps a newer leader epoch it has
 * already seen (KIP-320), unless the topic was made anew and has another id.
 */
import type { Address } from '../../base/address.ts'
import { zeroUuid } from '../../base/units.ts'
import type { ResponseOf } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'

export interface PartitionPlace {
  /** The leading broker's node id; -1 while there is none. */
  readonly leaderId: number
  readonly leaderEpoch: number
}

export interface TopicPlace {
  readonly topicId: string
  /** By partition number. */
  readonly partitions: readonly PartitionPlace[]
}

export class Metadata {
  readonly #brokers = new Map<number, Address>()
  readonly #topics = new Map<string, TopicPlace>()
  readonly #namesById = new Map<string, string>()
  #controllerId = -1
  #clusterId: string | null = null

  get controllerId(): number {
    return this.#controllerId
  }

  get clusterId(): string | null {
    return this.#clusterId
  }

  brokerIds(): readonly number[] {
    return [...this.#brokers.keys()]
  }

  broker(nodeId: number): Address | undefined {
    return this.#brokers.get(nodeId)
  }

  topic(name: string): TopicPlace | undefined {
    return this.#topics.get(name)
  }

  nameOf(topicId: string): string | undefined {
    return this.#namesById.get(topicId)
  }

  /** Takes in an answer: all brokers, and the topics that were asked for. */
  update(response: ResponseOf<'Metadata'>): void {
    this.#controllerId = response.controllerId
    this.#clusterId = response.clusterId
    if (response.brokers.length > 0) this.#brokers.clear()
    for (const { nodeId, host, port } of response.brokers) this.#brokers.set(nodeId, { host, port })
    for (const topic of response.topics) this.#updateTopic(topic)
  }

  #updateTopic(topic: ResponseOf<'Metadata'>['topics'][number]): void {
    if (topic.name === null) return
    const known = this.#topics.get(topic.name)
    if (topic.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) {
      this.#topics.delete(topic.name)
      if (known !== undefined) this.#namesById.delete(known.topicId)
    }
    // Other errors pass, as while a leader is being elected: what is known still serves.
    if (topic.errorCode !== ErrorCode.NONE) return
    const isSame = known !== undefined && known.topicId === topic.topicId
    const partitions: PartitionPlace[] = []
    for (const { partitionIndex, leaderId, leaderEpoch } of topic.partitions) {
      const before = isSame ? known.partitions[partitionIndex] : undefined
      const isOlder = before !== undefined && leaderEpoch >= 0 && leaderEpoch < before.leaderEpoch
      partitions[partitionIndex] = isOlder ? before : { leaderId, leaderEpoch }
    }
    if (known !== undefined && !isSame) this.#namesById.delete(known.topicId)
    this.#topics.set(topic.name, { topicId: topic.topicId, partitions })
    if (topic.topicId !== zeroUuid) this.#namesById.set(topic.topicId, topic.name)
  }
}
