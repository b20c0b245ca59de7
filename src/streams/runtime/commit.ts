/**
 * Makes what has been processed count, all of it or nothing, and starts over when that fails.
 *
 * Exactly once, the order is: changed state to its changelogs and streams; positions of inputs; then all
 * records acknowledged, and offsets, with the group's generation so that a replaced member is refused;
 * then the transaction. There is always one open, so records may leave at any time. A commit that fails leaves
 * nothing behind that anyone reads; the state that went with it must be dropped.
 *
 * At least once, offsets are committed after the records are acknowledged: a crash in between repeats.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import type { GroupMember } from '../../client/group/group-member.ts'
import { Producer } from '../../client/producer/producer.ts'
import type { Emit } from '../stores/emit.ts'
import type { TaskOffset } from '../task/task.ts'
import type { TaskSet } from './task-set.ts'

export type Guarantee = 'exactly-once' | 'at-least-once'

/** Rows written before the producer is asked whether it has room. */
const flushRows = 4096

/** The writing side of a running service: one producer at a time. */
export class Committer {
  /** Where records of the service go: into the open transaction. */
  readonly emit: Emit = {
    append: (topic, partition, timestamp, key, value) =>
      this.#producer.append(topic, partition, timestamp, key, value),
  }
  readonly #cluster: Cluster
  readonly #guarantee: Guarantee
  readonly #transactionalId: string
  #producer: Producer

  constructor(cluster: Cluster, guarantee: Guarantee, transactionalId: string) {
    this.#cluster = cluster
    this.#guarantee = guarantee
    this.#transactionalId = transactionalId
    this.#producer = this.#newProducer()
  }

  #newProducer(): Producer {
    const isTransactional = this.#guarantee === 'exactly-once'
    return new Producer(
      this.#cluster,
      isTransactional ? { transactionalId: this.#transactionalId } : {},
    )
  }

  /** Settles what a predecessor of the same instance left open. To be awaited before anything is read. */
  async start(): Promise<void> {
    await this.#producer.init()
    this.#begin()
  }

  #begin(): void {
    if (this.#guarantee === 'exactly-once') this.#producer.begin()
  }

  /** Undefined while records may be emitted; else resolves when they may again. */
  ready(): Promise<void> | undefined {
    return this.#producer.ready()
  }

  /** Commits everything `set` has processed. Rejects when that failed or its outcome is unknown. */
  async commit(set: TaskSet, member: GroupMember, now: number): Promise<void> {
    const done: (() => void)[] = []
    const offsets: TaskOffset[] = []
    for (const task of set.tasks) {
      while (!task.flush(flushRows)) await this.ready()
      const ofTask = task.offsets()
      offsets.push(...ofTask)
      done.push(() => task.committed(ofTask))
    }
    for (const input of set.inputs) {
      offsets.push(...input.save(this.emit, now))
      done.push(() => input.committed())
    }
    const producer = this.#producer
    if (this.#guarantee === 'exactly-once') {
      // Offsets count only with the transaction, so they need not wait for the records. Both must have
      // ended before an abort, or a late one could reach into the next transaction.
      const parts = [producer.flush(), producer.sendOffsets(member.metadata, offsets)]
      for (const part of await Promise.allSettled(parts)) {
        if (part.status === 'rejected') throw part.reason
      }
      await producer.commit()
      producer.begin()
    } else {
      await producer.flush()
      await member.commit(offsets)
    }
    for (const each of done) each()
  }

  /** Aborts what is open and makes ready for more, with a new producer if this one is at its end. */
  async startOver(): Promise<void> {
    const old = this.#producer
    if (this.#guarantee === 'exactly-once' && old.failure === undefined) {
      try {
        await old.abort()
        this.#begin()
        return
      } catch (error) {
        if (!isHeadwaterError(error)) throw error
      }
    }
    await old.close().catch(() => undefined)
    this.#producer = this.#newProducer()
    await this.start()
  }

  async close(): Promise<void> {
    await this.#producer.close()
  }
}
