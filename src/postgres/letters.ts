/**
 * The dead letters of a sink, in the stream `<sink>-dead-letters`, as services have them.
 *
 * Kafka and PostgreSQL share no transaction, so a letter is stored before the transaction that passes its
 * record over: after a crash between the two it may be there twice, under one id, which readers take as one.
 */
import type { Cluster } from '../client/cluster/cluster.ts'
import { Producer } from '../client/producer/producer.ts'
import { deadLettersOf } from '../events/dead-letters.ts'
import type { DeadLetters } from '../events/dead-letters.ts'
import { LetterWriter } from '../streams/operators/dead-letter.ts'
import { eventTopic } from '../streams/plan/plan.ts'
import { ensureTopics } from '../streams/plan/topics.ts'
import { RecordLimits } from '../streams/runtime/record-limits.ts'
import type { Emit } from '../streams/stores/emit.ts'
import type { TakenRecord } from './chunk.ts'

export class Letters {
  readonly #cluster: Cluster
  readonly #letters: DeadLetters
  readonly #instanceId: string
  readonly #deliveryTimeoutMs: number
  readonly #limits: RecordLimits
  #producer: Producer | undefined
  #isReady = false

  /** @param deliveryTimeoutMs how long letters are tried: a transaction waits for them */
  constructor(cluster: Cluster, sink: string, instanceId: string, deliveryTimeoutMs: number) {
    this.#cluster = cluster
    this.#deliveryTimeoutMs = deliveryTimeoutMs
    this.#letters = deadLettersOf(sink)
    this.#limits = new RecordLimits(cluster, [this.#letters.name])
    this.#instanceId = instanceId
  }

  /** Makes the topic. */
  async prepare(): Promise<void> {
    await ensureTopics(this.#cluster, [eventTopic(this.#letters)])
    await this.#limits.read()
  }

  /** Resolves when the letters of these records are stored. */
  async write(failed: readonly TakenRecord[]): Promise<void> {
    if (failed.length === 0) return
    const producer = (this.#producer ??= new Producer(this.#cluster, {
      deliveryTimeoutMs: this.#deliveryTimeoutMs,
    }))
    try {
      if (!this.#isReady) await producer.init()
      this.#isReady = true
      const { clock } = this.#cluster
      const stamp = { instanceId: this.#instanceId, now: () => clock.now() }
      const emit: Emit = {
        append: (...record) => producer.append(...record),
        tooLarge: (...record) => this.#limits.flawOf(...record),
      }
      const writer = new LetterWriter(this.#letters, emit, stamp)
      for (const { source, failure } of failed) writer.record(source, [failure!], false)
      await producer.flush()
    } catch (error) {
      await this.#limits.learn(error)
      // It ends at its first loss; the next attempt is another's.
      this.#producer = undefined
      this.#isReady = false
      await producer.close().catch(() => undefined)
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#producer?.close().catch(() => undefined)
  }
}
