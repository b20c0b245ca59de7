/**
 * A broker without topics for one test, ours or Kafka's, and what tests do with it: write events as their
 * owners would, run a service, read a stream to its end.
 */
import { Cluster } from '../../src/client/cluster/cluster.ts'
import { Consumer } from '../../src/client/consumer/consumer.ts'
import {
  earliestTimestamp,
  latestTimestamp,
  listOffsets,
} from '../../src/client/consumer/list-offsets.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import type { BrokerAddress } from '../../src/client/security/kafka.ts'
import type { AnyEvent, InitOf, ValueOf } from '../../src/events/event.ts'
import { nodeClock, nodeRandom } from '../../src/io/node-clock.ts'
import { decodeRecords } from '../../src/records/record.ts'
import type { Service } from '../../src/service/service.ts'
import { operatorCounts } from '../../src/streams/operators/counts.ts'
import type { WriterContext } from '../../src/streams/operators/operator.ts'
import { deletionWriter, messageWriter } from '../../src/streams/operators/sink.ts'
import type { Key } from '../../src/streams/stores/serde.ts'
import { keyCodecs } from '../../src/streams/stores/serde.ts'
import { planTopology } from '../../src/streams/plan/plan.ts'
import { runTopology } from '../../src/streams/runtime/run-topology.ts'
import type { RunTopologyOptions, RunningTopology } from '../../src/streams/runtime/running.ts'
import { ensureTopics } from '../../src/streams/plan/topics.ts'

export interface Place {
  readonly broker: BrokerAddress
  close(): Promise<void>
}

/** Opens a broker that holds nothing. */
export type OpenPlace = () => Promise<Place>

/** Runs `test` on a broker of its own. */
export async function inPlace(
  open: OpenPlace,
  test: (place: Place) => Promise<void>,
): Promise<void> {
  const place = await open()
  try {
    await test(place)
  } finally {
    await place.close()
  }
}

export function connect({ broker }: Place): Promise<Cluster> {
  return Cluster.connect({ ...broker, clock: nodeClock, random: nodeRandom })
}

/** Creates every topic of a service, so that a test can write before it runs. */
export async function createTopicsOf(place: Place, service: Service): Promise<void> {
  const cluster = await connect(place)
  try {
    await ensureTopics(cluster, planTopology(service.build()).topics)
  } finally {
    await cluster.close()
  }
}

/** Writes events, all acknowledged when it resolves. */
export async function write<E extends AnyEvent>(
  place: Place,
  event: E,
  messages: readonly InitOf<E>[],
  at = 1,
): Promise<void> {
  await withProducer(place, (context) => {
    const append = messageWriter(event, context, 'the test')
    for (const message of messages) append(null, message, at)
  })
}

/** Writes a deletion to an entity stream. */
export async function deleteRow(place: Place, event: AnyEvent, key: Key): Promise<void> {
  await withProducer(place, (context) => deletionWriter(event, context)(key, 1))
}

async function withProducer(place: Place, work: (context: WriterContext) => void): Promise<void> {
  const cluster = await connect(place)
  try {
    const producer = new Producer(cluster)
    await producer.init()
    work({ partition: 0, keys: keyCodecs(), emit: producer, counts: operatorCounts() })
    await producer.flush()
    await producer.close()
  } finally {
    await cluster.close()
  }
}

/** Writes bytes that are no message. */
export async function writePoison(place: Place, event: AnyEvent): Promise<void> {
  const cluster = await connect(place)
  const producer = new Producer(cluster)
  await producer.init()
  producer.append(event.name, 0, 1, new Uint8Array([65]), new Uint8Array([0xff, 0xff]))
  await producer.flush()
  await producer.close()
  await cluster.close()
}

export interface ReadEvent<V> {
  readonly key: string | undefined
  /** Null for a deletion. */
  readonly value: V | null
  readonly timestamp: number
}

/** Every committed record of a stream, partition by partition. */
export async function read<E extends AnyEvent>(
  place: Place,
  event: E,
): Promise<ReadEvent<ValueOf<E>>[]> {
  const cluster = await connect(place)
  const consumer = new Consumer(cluster, { isolation: 'read_committed' })
  try {
    const partitions = Array.from({ length: event.partitions }, (_, partition) => {
      return { topic: event.name, partition }
    })
    const starts = await listOffsets(cluster, partitions, earliestTimestamp, 'read_committed')
    const ends = await listOffsets(cluster, partitions, latestTimestamp, 'read_uncommitted')
    const open = new Set(ends.filter(({ offset }, i) => offset > starts[i]!.offset))
    const found: { partition: number; event: ReadEvent<ValueOf<E>> }[] = []
    consumer.assign(starts.filter((_, i) => open.has(ends[i]!)))
    while (open.size > 0) {
      for (const { partition, batches, nextOffset } of await consumer.poll(100)) {
        for (const { key, value, timestamp } of batches.flatMap(decodeRecords)) {
          found.push({
            partition,
            event: {
              key: key === null ? undefined : new TextDecoder().decode(key),
              value: value === null ? null : (event.codec.decode(value) as ValueOf<E>),
              timestamp,
            },
          })
        }
        const end = ends[partition]!
        if (nextOffset >= end.offset) open.delete(end)
      }
    }
    return found.toSorted((a, b) => a.partition - b.partition).map((each) => each.event)
  } finally {
    await consumer.close()
    await cluster.close()
  }
}

/** The values of `read`, without deletions. */
export async function values<E extends AnyEvent>(place: Place, event: E): Promise<ValueOf<E>[]> {
  const events = await read(place, event)
  return events.flatMap(({ value }) => (value === null ? [] : [value]))
}

/** The last value of each key, deletions applied. */
export async function table<E extends AnyEvent>(
  place: Place,
  event: E,
): Promise<Map<string, ValueOf<E>>> {
  const rows = new Map<string, ValueOf<E>>()
  for (const { key, value } of await read(place, event)) {
    if (value === null) rows.delete(key!)
    else rows.set(key!, value)
  }
  return rows
}

export function start(
  { broker }: Place,
  service: Service,
  options: Partial<RunTopologyOptions> = {},
): Promise<RunningTopology> {
  return runTopology(service.build(), {
    broker,
    clock: nodeClock,
    random: nodeRandom,
    commitIntervalMs: 20,
    sessionTimeoutMs: 6_000,
    ...options,
  })
}

/** Runs a service until it has processed everything there is, and closes it. */
export async function runThrough(
  place: Place,
  service: Service,
  options: Partial<RunTopologyOptions> = {},
): Promise<void> {
  await using running = await start(place, service, options)
  try {
    await running.caughtUp()
  } finally {
    await running.close()
  }
}
