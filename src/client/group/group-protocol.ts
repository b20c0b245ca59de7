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

export interface Assignment {
  readonly partitions: readonly TopicPartition[]
  /** What the leader's assignor wants the member to know. */
  readonly userData: Uint8Array | null
}

export function encodeAssignment({ partitions, userData }: Assignment): Uint8Array {
  const assignedPartitions = Array.from(byTopic(partitions), ([topic, ofTopic]) => ({
    topic,
    partitions: ofTopic.map(({ partition }) => partition),
  }))
  return encodeMessage({ assignedPartitions, userData })
}

/** No bytes mean nothing is assigned; `frame-invalid` when they are no assignment. */
export function decodeAssignment(bytes: Uint8Array): Assignment {
  if (bytes.length === 0) return { partitions: [], userData: null }
  const { assignedPartitions, userData } = decodeMessage(bytes)
  const partitions = assignedPartitions.flatMap(({ topic, partitions: ofTopic }) =>
    ofTopic.map((partition) => ({ topic, partition })),
  )
  return { partitions, userData }
}
