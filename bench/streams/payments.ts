/**
 * What the benches of services read: payments, each for one of `keys` orders, about 88 bytes a record with
 * its key. The same on every machine: the order of keys comes from a fixed generator.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { ask } from '../../scripts/kafka.ts'
import { utf8Bytes, Writer } from '../../src/base/bytes.ts'
import { murmur2 } from '../../src/base/checksum.ts'
import {
  Cluster,
  Consumer,
  decodeRecords,
  nodeClock,
  nodeRandom,
  Producer,
} from '../../src/client/index.ts'
import { kafka } from '../../src/index.ts'
import { contracts, here, partitions } from './contracts.ts'
import { digest, keyName } from './digest.ts'

const { Payments } = await contracts(here)

/** Records of each key: all of them, and those a filter keeps. */
export interface Loaded {
  readonly all: Uint32Array
  readonly captured: Uint32Array
  readonly bytesPerRecord: number
}

/** Makes the topic and writes `records` payments; every second one is captured. */
export async function loadPayments(port: number, records: number, keys: number): Promise<Loaded> {
  await createTopics(port, [Payments.name])
  const all = new Uint32Array(keys)
  const captured = new Uint32Array(keys)
  const names = Array.from({ length: keys }, (_, n) => keyName(n))
  const encoded = names.map(utf8Bytes)
  const places = encoded.map((bytes) => (murmur2(bytes) & 0x7fffffff) % partitions)
  const cluster = await connect(port)
  const producer = new Producer(cluster)
  await producer.init()
  const writer = new Writer()
  let bytes = 0
  for (let i = 0; i < records; i++) {
    const n = records === keys ? i : chosen(i, keys)
    const isCaptured = i % 2 === 0
    all[n]!++
    if (isCaptured) captured[n]!++
    writer.at = 0
    const status = isCaptured ? 'CAPTURED' : 'DECLINED'
    const paymentId = `payment-${String(i).padStart(32, '0')}`
    const message = { paymentId, orderId: names[n]!, amount: i, status, paidAt: BigInt(i) }
    Payments.codec.encode(message, writer)
    bytes += encoded[n]!.length + writer.at
    producer.append(Payments.name, places[n]!, i, encoded[n]!, writer.bytes.subarray(0, writer.at))
    const room = producer.ready()
    if (room !== undefined) await room
  }
  await producer.flush()
  await producer.close()
  await cluster.close()
  return { all, captured, bytesPerRecord: bytes / records }
}

/** A key for record `i`, spread evenly and without order (Knuth's multiplicative hash). */
function chosen(i: number, keys: number): number {
  return (Math.imul(i, 2_654_435_761) >>> 0) % keys
}

/** The digest of how many committed records a topic has of each key. */
export async function digestOfTopic(port: number, topic: string): Promise<string> {
  const cluster = await connect(port)
  const consumer = new Consumer(cluster)
  const counts = new Map<string, number>()
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const ends = await consumer.endOffsets(places)
  const open = new Map(ends.map(({ partition, offset }) => [partition, offset]))
  consumer.assign(places.map((place) => ({ ...place, offset: 0 })))
  const text = new TextDecoder()
  while ([...open.values()].some((offset) => offset > 0)) {
    for (const { partition, batches, nextOffset } of await consumer.poll(100)) {
      for (const { key: bytes } of batches.flatMap(decodeRecords)) {
        const name = text.decode(bytes)
        counts.set(name, (counts.get(name) ?? 0) + 1)
      }
      if (nextOffset >= open.get(partition)!) open.set(partition, 0)
    }
  }
  await consumer.close()
  await cluster.close()
  return digest(counts)
}

export async function createTopics(port: number, names: readonly string[]): Promise<void> {
  const topics = names.map((name) => ({
    name,
    numPartitions: partitions,
    replicationFactor: 1,
    assignments: [],
    configs: [],
  }))
  const request = { topics, timeoutMs: 30_000, validateOnly: false }
  for (const { name, errorCode } of (await ask(port, 'CreateTopics', 5, request)).topics) {
    if (errorCode !== 0) throw new Error(`topic ${name} is refused: error ${errorCode}`)
  }
}

/** Resolves when the group has committed `records` records of the payments. */
export async function untilCommitted(
  port: number,
  groupId: string,
  records: number,
): Promise<void> {
  const partitionIndexes = Array.from({ length: partitions }, (_, partition) => partition)
  const topics = [{ name: Payments.name, partitionIndexes }]
  const deadline = performance.now() + 600_000
  for (;;) {
    const asked = ask(port, 'OffsetFetch', 8, { groups: [{ groupId, topics }] })
    // A broker at work may be late with an answer.
    const { groups } = await asked.catch(() => ({ groups: [] }))
    const offsets = groups[0]?.topics[0]?.partitions.map((each) => each.committedOffset) ?? []
    const done = offsets.reduce((sum, offset) => sum + Math.max(0, offset), 0)
    if (done >= records) return
    if (performance.now() > deadline) throw new Error(`${groupId} has committed ${done} records`)
    await delay(20)
  }
}

function connect(port: number): Promise<Cluster> {
  const broker = kafka(`127.0.0.1:${port}`)
  return Cluster.connect({ ...broker, clock: nodeClock, random: nodeRandom })
}
