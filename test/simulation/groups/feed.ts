/** Writes labels and facts, each once and in order, whatever becomes of the service that reads them. */
import { Writer } from '../../../src/base/bytes.ts'
import { murmur2 } from '../../../src/base/checksum.ts'
import { createTopics } from '../../../src/client/admin.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import type { AnyEvent, InitOf } from '../../../src/events/event.ts'
import {
  AccountCounts,
  Called,
  Copies,
  Deposited,
  Facts,
  Labelled,
  Labels,
  Letters,
  TeamCounts,
  TeamWindows,
  SplitTicks,
  Ticks,
} from './contracts.ts'
import { persist } from '../cluster/stage.ts'
import { accounts, factOf, labelOf } from './facts.ts'

/** The streams of the service, too, for whoever reads them before it has made them. */
const outputs = [
  Copies,
  Called,
  Labelled,
  Letters,
  AccountCounts,
  TeamCounts,
  TeamWindows,
  Ticks,
  SplitTicks,
]
const events: readonly AnyEvent[] = [Facts, Labels, ...outputs]

export class Feed {
  /** Facts written, and acknowledged. */
  written = 0
  readonly #producer: Producer

  private constructor(producer: Producer) {
    this.#producer = producer
  }

  /** Makes the streams, and a label for each account. */
  static async open(cluster: Cluster, isAsked = false): Promise<Feed> {
    const all = isAsked ? [...events, Deposited] : events
    const topics = all.map(({ name, partitions }) => ({ name, partitions }))
    await persist(cluster.clock, () => createTopics(cluster, topics))
    const producer = new Producer(cluster, { lingerMs: 1 })
    await producer.init()
    for (const account of accounts) {
      append(producer, Labels, account, { account, text: labelOf(account) }, 0)
    }
    await producer.flush()
    return new Feed(producer)
  }

  async write(count: number): Promise<void> {
    for (let number = this.written; number < this.written + count; number++) {
      const { at, ...fact } = factOf(number)
      append(this.#producer, Facts, fact.account, { ...fact, at: BigInt(at) }, at)
    }
    await this.#producer.flush()
    this.written += count
  }

  close(): Promise<void> {
    return this.#producer.close()
  }
}

function append<E extends AnyEvent>(
  producer: Producer,
  event: E,
  key: string,
  message: InitOf<E>,
  at: number,
): void {
  const writer = new Writer()
  event.codec.encode(message, writer)
  const bytes = event.key!.encode(key)
  const partition = (murmur2(bytes) & 0x7fffffff) % event.partitions
  producer.append(event.name, partition, at, bytes, writer.finish())
}
