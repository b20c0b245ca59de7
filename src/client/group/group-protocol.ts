/**
 * What members of a classic group of consumers tell each other through the coordinator, which passes it
 * on: what a member subscribes to, and what the leader assigns it, in the words of this room. How it is
 * written is `protocol/messages/consumer-protocol.ts`'s matter.
 */
import {
  decodeAssignment as decodeMessage,
  encodeAssignment as encodeMessage,
} from '../../protocol/messages/consumer-protocol.ts'
import type { TopicPartition } from '../cluster/topic-partition.ts'
import { byTopic } from '../cluster/topic-partition.ts'

export const consumerProtocolType = 'consumer'

export function encodeAssignment(partitions: readonly TopicPartition[]): Uint8Array {
  const assignedPartitions = Array.from(byTopic(partitions), ([topic, ofTopic]) => ({
    topic,
    partitions: ofTopic.map(({ partition }) => partition),
  }))
  return encodeMessage({ assignedPartitions, userData: null })
}

/** No bytes mean nothing is assigned; `frame-invalid` when they are no assignment. */
export function decodeAssignment(bytes: Uint8Array): TopicPartition[] {
  if (bytes.length === 0) return []
  return decodeMessage(bytes).assignedPartitions.flatMap(({ topic, partitions }) =>
    partitions.map((partition) => ({ topic, partition })),
  )
}
