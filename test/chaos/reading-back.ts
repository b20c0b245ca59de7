/** Plain reads of committed records: what a stream holds, and what comes while one watches. */
import { utf8String } from '../../src/base/bytes.ts'
import { Consumer, decodeRecords } from '../../src/client/index.ts'
import type { Cluster } from '../../src/client/index.ts'
import type { AnyEvent, ValueOf } from '../../src/index.ts'
import { partitions } from './counting.ts'

export interface ReadRecord<V> {
  readonly key: string
  readonly value: V
  /** The partition and the offset, as `copies-2@17`. */
  readonly where: string
  readonly partition: number
}

const pollMs = 200
const readMsMax = 60_000

/**
 * Every committed record of a stream. Rejects when a transaction stays open, as nothing behind it can be
 * read.
 */
export async function readAll<E extends AnyEvent>(
  cluster: Cluster,
  event: E,
): Promise<ReadRecord<ValueOf<E>>[]> {
  const consumer = new Consumer(cluster, { isolation: 'read_committed' })
  const looker = new Consumer(cluster, { isolation: 'read_uncommitted' })
  const deadline = performance.now() + readMsMax
  const found: ReadRecord<ValueOf<E>>[] = []
  try {
    const places = placesOf(event)
    const ends = await looker.endOffsets(places)
    consumer.assign(await consumer.beginningOffsets(places))
    const isAtEnd = (): boolean => {
      return consumer
        .positions()
        .every(({ partition, offset }) => offset >= ends[partition]!.offset)
    }
    while (!isAtEnd()) {
      found.push(...(await poll(consumer, event)))
      if (performance.now() < deadline) continue
      const at = JSON.stringify(consumer.positions())
      throw new Error(`a transaction stays open: ${event.name} can be read up to ${at} only`)
    }
    return found
  } finally {
    await Promise.all([consumer.close(), looker.close()])
  }
}

/** Records as they come, until `close`. */
export class Watcher<E extends AnyEvent> {
  readonly #consumers: Consumer[]
  readonly #loops: Promise<void>[]
  #isClosed = false

  constructor(
    cluster: Cluster,
    events: readonly E[],
    onRecord: (stream: E['name'], record: ReadRecord<ValueOf<E>>) => void,
  ) {
    this.#consumers = events.map(() => new Consumer(cluster, { isolation: 'read_committed' }))
    this.#loops = events.map(async (event, i) => {
      const consumer = this.#consumers[i]!
      consumer.assign(placesOf(event).map((place) => ({ ...place, offset: 0 })))
      while (!this.#isClosed) {
        const records = await poll(consumer, event)
        for (const each of records) onRecord(event.name, each)
      }
    })
  }

  /** Rejects when it cannot read on. */
  get failed(): Promise<unknown> {
    return Promise.all(this.#loops)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#consumers.map((each) => each.close()))
    await Promise.all(this.#loops)
  }
}

async function poll<E extends AnyEvent>(
  consumer: Consumer,
  event: E,
): Promise<ReadRecord<ValueOf<E>>[]> {
  const fetched = await consumer.poll(pollMs)
  return fetched.flatMap(({ topic, partition, batches }) =>
    batches.flatMap(decodeRecords).map(({ key, value, offset }) => ({
      key: utf8String(key!),
      value: event.codec.decode(value!) as ValueOf<E>,
      where: `${topic}-${partition}@${offset}`,
      partition,
    })),
  )
}

function placesOf({ name }: AnyEvent) {
  return Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition }))
}
