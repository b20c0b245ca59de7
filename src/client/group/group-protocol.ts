/**
 * What members of a classic group of consumers tell each other through the coordinator, which passes it
 * on unread: what a member subscribes to, and what the leader assigns it.
 *
 *   subscription  int16 version | array of topic names | nullable bytes of the assignor
 *   assignment    int16 version | array of (topic name, array of int32 partitions) | nullable bytes
 *
 * Version 0 is written, which every client understands; of newer ones the fields added behind are not
 * read. Integers are big-endian, array counts int32, names int16 length and UTF-8.
 */
import { Reader, utf8Bytes, Writer } from '../../base/bytes.ts'
import type { TopicPartition } from '../cluster/topic-partition.ts'
import { byTopic } from '../cluster/topic-partition.ts'

export const consumerProtocolType = 'consumer'

export interface Subscription {
  readonly topics: readonly string[]
  /** What the assignor of the member wants the leader's to know. */
  readonly userData: Uint8Array | null
}

export function encodeSubscription({ topics, userData }: Subscription): Uint8Array {
  const writer = new Writer()
  writer.int16(0)
  writer.int32(topics.length)
  for (const topic of topics) writeName(writer, topic)
  writeNullableBytes(writer, userData)
  return writer.finish()
}

/** `frame-invalid` when the bytes are no subscription. */
export function decodeSubscription(bytes: Uint8Array): Subscription {
  const reader = new Reader(bytes)
  reader.int16()
  const topics: string[] = []
  for (let left = reader.int32(); left > 0; left--) topics.push(reader.string(reader.int16()))
  return { topics, userData: readNullableBytes(reader) }
}

export interface Assignment {
  readonly partitions: readonly TopicPartition[]
  /** What the leader's assignor wants the member to know. */
  readonly userData: Uint8Array | null
}

export function encodeAssignment({ partitions, userData }: Assignment): Uint8Array {
  const writer = new Writer()
  writer.int16(0)
  const topics = byTopic(partitions)
  writer.int32(topics.length)
  for (const [topic, ofTopic] of topics) {
    writeName(writer, topic)
    writer.int32(ofTopic.length)
    for (const { partition } of ofTopic) writer.int32(partition)
  }
  writeNullableBytes(writer, userData)
  return writer.finish()
}

/** No bytes mean nothing is assigned; `frame-invalid` when they are no assignment. */
export function decodeAssignment(bytes: Uint8Array): Assignment {
  if (bytes.length === 0) return { partitions: [], userData: null }
  const reader = new Reader(bytes)
  reader.int16()
  const partitions: TopicPartition[] = []
  for (let topics = reader.int32(); topics > 0; topics--) {
    const topic = reader.string(reader.int16())
    for (let left = reader.int32(); left > 0; left--) {
      partitions.push({ topic, partition: reader.int32() })
    }
  }
  return { partitions, userData: readNullableBytes(reader) }
}

function writeName(writer: Writer, name: string): void {
  const bytes = utf8Bytes(name)
  writer.int16(bytes.length)
  writer.append(bytes)
}

function writeNullableBytes(writer: Writer, bytes: Uint8Array | null): void {
  writer.int32(bytes === null ? -1 : bytes.length)
  if (bytes !== null) writer.append(bytes)
}

function readNullableBytes(reader: Reader): Uint8Array | null {
  if (reader.remaining === 0) return null
  const length = reader.int32()
  return length < 0 ? null : reader.slice(length)
}
