/** What the suite needs of a broker, ours or Kafka's, and the few steps its tests share. */
import { after, before } from 'node:test'
import { concatBytes, utf8Bytes, utf8String } from '../../src/base/bytes.ts'
import { createTopics } from '../../src/client/admin.ts'
import { Cluster } from '../../src/client/cluster/cluster.ts'
import type { ConsumerOptions } from '../../src/client/consumer/consumer.ts'
import { Consumer } from '../../src/client/consumer/consumer.ts'
import type { TopicPartition } from '../../src/client/cluster/topic-partition.ts'
import { nodeClock, nodeRandom } from '../../src/io/node-clock.ts'
import type { Dial, Duplex } from '../../src/io/ports.ts'
import { decodeResponse, encodeResponse, FrameSplitter } from '../../src/protocol/frame.ts'
import type { StoredRecord } from '../../src/records/record.ts'
import { decodeRecords } from '../../src/records/record.ts'

export interface Peer {
  readonly bootstrap: readonly { readonly host: string; readonly port: number }[]
  readonly dial: Dial
  /** Stops the broker and starts it on the same files and address; not every peer can. */
  readonly restart?: () => Promise<void>
  /** The shortest session the broker allows; Kafka's least when left out. */
  readonly sessionTimeoutMs?: number
}

export function connect(peer: Peer, dial: Dial = peer.dial): Promise<Cluster> {
  return Cluster.connect({
    bootstrap: peer.bootstrap,
    dial,
    clock: nodeClock,
    random: nodeRandom,
    clientId: 'headwater-tests',
    requestTimeoutMs: 10_000,
    retryTimeoutMs: 20_000,
    topicWaitMs: 1_000,
  })
}

/** Clock timers do not hold the process, and between two connections nothing else does. */
export function keepAwake(): void {
  let timer: NodeJS.Timeout
  before(() => {
    timer = setInterval(() => undefined, 60_000)
  })
  after(() => clearInterval(timer))
}

let nextName = 1

/** A name no other test uses, also on a broker that outlives this run. */
export function freshName(prefix: string): string {
  return `${prefix}-${process.pid}-${Date.now().toString(36)}-${nextName++}`
}

export async function freshTopic(cluster: Cluster, partitions = 1): Promise<string> {
  const name = freshName('topic')
  // Records of these tests lie in 1970, and a week is what Kafka keeps unless it is told otherwise.
  const configs = { 'retention.ms': '-1' }
  await createTopics(cluster, [{ name, partitions, replicationFactor: 1, configs }])
  await cluster.partitionCount(name)
  return name
}

export function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : utf8String(bytes)
}

export const bytes = utf8Bytes

export interface Read extends StoredRecord {
  readonly partition: number
}

/**
 * Everything in a topic from the beginning to the end it has now. Kafka answers the end of a transaction
 * before its markers are written, so the end is waited for until no transaction is open.
 */
export async function readAll(
  cluster: Cluster,
  topic: string,
  options: ConsumerOptions = {},
): Promise<Read[]> {
  await using uncommitted = new Consumer(cluster, { isolation: 'read_uncommitted' })
  await using committed = new Consumer(cluster)
  const partitions = await partitionsOf(cluster, topic)
  const deadline = Date.now() + 20_000
  for (;;) {
    const open = await uncommitted.endOffsets(partitions)
    const stable = await committed.endOffsets(partitions)
    if (stable.every(({ offset }, i) => offset === open[i]!.offset)) break
    if (Date.now() > deadline) throw new Error(`a transaction in ${topic} stays open`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return readStable(cluster, topic, options)
}

async function partitionsOf(cluster: Cluster, topic: string): Promise<TopicPartition[]> {
  const count = await cluster.partitionCount(topic)
  return Array.from({ length: count }, (_, partition) => ({ topic, partition }))
}

/** As `readAll`, whatever transactions are open. */
export async function readStable(
  cluster: Cluster,
  topic: string,
  options: ConsumerOptions = {},
): Promise<Read[]> {
  await using consumer = new Consumer(cluster, options)
  const partitions = await partitionsOf(cluster, topic)
  const begins = await consumer.beginningOffsets(partitions)
  const ends = await consumer.endOffsets(partitions)
  consumer.assign(begins)
  const read: Read[] = []
  const isThrough = (): boolean => {
    const at = consumer.positions()
    return ends.every((end) => at.find((p) => p.partition === end.partition)!.offset >= end.offset)
  }
  const deadline = Date.now() + 20_000
  while (!isThrough()) {
    if (Date.now() > deadline) throw new Error(`reading ${topic} got stuck at ${read.length}`)
    for (const { partition, batches, fromOffset } of await consumer.poll(500)) {
      for (const record of batches.flatMap(decodeRecords)) {
        if (record.offset >= fromOffset) read.push({ ...record, partition })
      }
    }
  }
  return read
}

/** Group timeouts as short as the broker allows. */
export function quick(peer: Peer) {
  const sessionTimeoutMs = peer.sessionTimeoutMs ?? 6_000
  return { sessionTimeoutMs, heartbeatIntervalMs: 100, rebalanceTimeoutMs: 10_000 }
}

/** The values of records as text, in the order read. */
export function values(records: readonly StoredRecord[]): (string | null)[] {
  return records.map(({ value }) => text(value))
}

export interface Cuts {
  /** Destroy the connection instead of, or in the middle of, passing on these bytes. */
  readonly onRequest?: (chunks: readonly Uint8Array[]) => 'pass' | 'cut' | 'half'
  readonly onResponse?: () => 'pass' | 'cut'
}

/** A way to a broker over connections that break where the test says, as a bad network's would. */
export function cutting(dial: Dial, cuts: Cuts): Dial {
  return async (host, port) => cut(await dial(host, port), cuts)
}

function cut(duplex: Duplex, { onRequest, onResponse }: Cuts): Duplex {
  return {
    remote: duplex.remote,
    local: duplex.local,
    write: (chunks) => {
      const what = onRequest?.(chunks) ?? 'pass'
      if (what === 'pass') return duplex.write(chunks)
      if (what === 'half') duplex.write([chunks[0]!.subarray(0, chunks[0]!.length / 2)])
      setImmediate(() => duplex.destroy())
      return true
    },
    drained: () => duplex.drained(),
    onBytes: (reader) =>
      duplex.onBytes((chunk) => {
        if (onResponse?.() === 'cut') duplex.destroy()
        else reader(chunk)
      }),
    onClose: (callback) => duplex.onClose(callback),
    pause: () => duplex.pause(),
    resume: () => duplex.resume(),
    close: () => duplex.close(),
    destroy: () => duplex.destroy(),
  }
}

/**
 * The same broker to a client that sees no finalised features, and so keeps to version 1 of the
 * transaction protocol: the answer to the handshake is passed on without them.
 */
export function withoutFeatures(peer: Peer): Peer {
  const dial: Dial = async (host, port) => {
    const duplex = await peer.dial(host, port)
    const splitter = new FrameSplitter()
    let version = -1
    let isThrough = false
    return {
      ...cut(duplex, {
        onRequest: (chunks) => {
          if (version < 0) version = chunks[0]![7]!
          return 'pass'
        },
      }),
      onBytes: (reader) =>
        duplex.onBytes((chunk) => {
          if (isThrough) return reader(chunk)
          for (const frame of splitter.push(chunk)) {
            isThrough = true
            const { correlationId, body } = decodeResponse('ApiVersions', version, frame)
            const without = { ...body, finalizedFeatures: [], finalizedFeaturesEpoch: -1 }
            const chunks = encodeResponse('ApiVersions', version, correlationId, without)
            reader(concatBytes(chunks))
          }
        }),
    }
  }
  return { ...peer, dial }
}

/** The API key of a request, from its frame. */
export function apiKeyOf(chunks: readonly Uint8Array[]): number {
  const first = chunks[0]!
  return (first[4]! << 8) | first[5]!
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within 20 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
