/** The town whose meters are read: writes readings as they fall due, each once, past all proxies. */
import { create, toBinary } from '@bufbuild/protobuf'
import { murmur2 } from '../../src/base/checksum.ts'
import { Cluster, nodeClock, nodeNetwork, nodeRandom, Producer } from '../../src/client/index.ts'
import { utf8Bytes } from '../../src/base/bytes.ts'
import type { Address } from './addresses.ts'
import { ReadingSchema } from '../gen/chaos/v1/meters_pb.ts'
import { partitions } from './counting.ts'
import type { Reading } from './readings.ts'
import { pause } from './waiting.ts'

const lookMs = 50

export function connect(address: Address): Promise<Cluster> {
  return Cluster.connect({
    bootstrap: [address],
    dial: (host, port) => nodeNetwork.connect(host, port),
    clock: nodeClock,
    random: nodeRandom,
    clientId: 'chaos',
    retryTimeoutMs: 60_000,
  })
}

/** The partition of a key, as every Kafka client has it. */
export function partitionOf(key: string): number {
  return (murmur2(utf8Bytes(key)) & 0x7fff_ffff) % partitions
}

export class Town {
  readonly #producer: Producer
  readonly #onWritten: (reading: Reading) => void

  private constructor(producer: Producer, onWritten: (reading: Reading) => void) {
    this.#producer = producer
    this.#onWritten = onWritten
  }

  /** @param onWritten told of each reading when the broker has it */
  static async open(cluster: Cluster, onWritten: (reading: Reading) => void): Promise<Town> {
    const producer = new Producer(cluster)
    await producer.init()
    return new Town(producer, onWritten)
  }

  /** Writes these; resolves when the broker has them. */
  async write(readings: readonly Reading[]): Promise<void> {
    for (const reading of readings) {
      const { meter, readAt } = reading
      const value = toBinary(
        ReadingSchema,
        create(ReadingSchema, { ...reading, readAt: BigInt(readAt) }),
      )
      this.#producer.append('readings', partitionOf(meter), readAt, utf8Bytes(meter), value)
    }
    await this.#producer.flush()
    for (const each of readings) this.#onWritten(each)
  }

  /** Writes them one by one as they fall due. */
  async writeAtPace(readings: readonly Reading[], perSecond: number): Promise<void> {
    const startedAt = performance.now()
    for (let written = 0; written < readings.length; await pause(lookMs)) {
      const dueByNow = Math.floor(((performance.now() - startedAt) * perSecond) / 1_000)
      const due = readings.slice(written, dueByNow)
      await this.write(due)
      written += due.length
    }
  }

  close(): Promise<void> {
    return this.#producer.close()
  }
}
