/**
 * How large records may be, by topic: what topics say of themselves (`max.message.bytes`), and what brokers have
 * refused.
 *
 * A record that is too large is to be known before it is handed to the producer: refused by the broker it takes the
 * whole transaction with it, and nobody knows by then which record it was made of. What is not known is found out
 * by a refusal, for which the service goes back once.
 */
import type { HeadwaterError } from '../../base/errors.ts'
import { messageBytesMax } from '../../client/admin.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import { recordBytesMax } from '../../client/producer/record-size.ts'
import { RecordTooLarge } from '../../client/producer/refusal.ts'
import { batchHeaderBytes } from '../../records/batch.ts'
import { BatchBuilder } from '../../records/record.ts'
import type { EmitHeader } from '../stores/emit.ts'
import { quietly } from './failures.ts'

/** How long a topic may take more, before records that were too large for it are no more. */
const freshMs = 60_000

type Bytes = Uint8Array | null

export class RecordLimits {
  readonly #cluster: Cluster
  readonly #topics: readonly string[]
  readonly #max = new Map<string, number>()
  #readAt = -Infinity
  /** Whether something was found too large since the topics were asked. */
  #hasRefused = false
  #reading: Promise<void> | undefined

  constructor(cluster: Cluster, topics: readonly string[]) {
    this.#cluster = cluster
    this.#topics = topics
  }

  /** Asks what the topics take. Where nobody says it, it is found out. */
  read(): Promise<void> {
    this.#reading ??= quietly(this.#read()).finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #read(): Promise<void> {
    this.#readAt = this.#cluster.clock.monotonic()
    this.#hasRefused = false
    const found = await messageBytesMax(this.#cluster, this.#topics)
    for (const [topic, bytes] of found) this.#max.set(topic, bytes)
  }

  /** Asks again, beside everything else, when what was too large may be so no more. */
  consider(): void {
    const isOld = this.#cluster.clock.monotonic() - this.#readAt >= freshMs
    if (this.#hasRefused && isOld) void this.read()
  }

  /** Why a record is larger than its topic takes, alone in a batch; undefined when it is not, or nobody knows. */
  flawOf(
    topic: string,
    key: Bytes,
    value: Bytes,
    headers?: readonly EmitHeader[],
  ): HeadwaterError | undefined {
    const max = this.#max.get(topic)
    if (max === undefined) return undefined
    if (batchHeaderBytes + recordBytesMax(key, value, headers) <= max) return undefined
    const builder = new BatchBuilder()
    builder.append(0, key, value, headers)
    const { sizeBytes } = builder
    if (sizeBytes <= max) return undefined
    this.#hasRefused = true
    const what =
      `topic '${topic}' takes no record of ${sizeBytes} bytes: alone in a batch it has more than max.message.bytes, ` +
      `which is ${max}; write smaller records, or raise max.message.bytes of '${topic}'`
    return new RecordTooLarge(topic, what, sizeBytes)
  }

  /** Whether something was learned from a refusal, so that the record will be known the next time. */
  async learn(error: unknown): Promise<boolean> {
    if (!(error instanceof RecordTooLarge)) return false
    const { topic, batchBytes } = error
    const before = this.#max.get(topic) ?? Infinity
    if (batchBytes > before) return false
    await this.read()
    const now = this.#max.get(topic) ?? Infinity
    this.#max.set(topic, Math.min(now, batchBytes - 1))
    return true
  }
}
