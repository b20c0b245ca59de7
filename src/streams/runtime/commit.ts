/**
 * Makes what has been processed count, all of it or nothing, and starts over when that fails.
 *
 * Exactly once, the order is: changed state to its changelogs and streams; positions of inputs; then all
 * records acknowledged, and offsets, in the name of the ownership they were processed under so that a
 * replaced member is refused; then the transaction. There is always one open, so records may leave at any
 * time. A commit that fails leaves nothing behind that anyone reads; the state that went with it must be
 * dropped.
 *
 * At least once, offsets are committed after the records are acknowledged: a crash in between repeats.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import { planted } from '../../base/planted.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import type { GroupMember, Ownership } from '../../client/group/group-member.ts'
import type { Committer as CommitterName } from '../../client/group/ownership.ts'
import { nonMember } from '../../client/group/ownership.ts'
import { Producer } from '../../client/producer/producer.ts'
import { EmitFailure } from '../stores/emit.ts'
import type { Emit } from '../stores/emit.ts'
import type { TaskOffset } from '../task/task.ts'
import { quietly } from './failures.ts'
import { nextTransactionalId } from './orphans.ts'
import type { RecordLimits } from './record-limits.ts'
import type { Guarantee } from './running.ts'
import type { TaskSet } from './task-set.ts'

/** Rows written before the producer is asked whether it has room. */
const flushRows = 4096

export interface CommitterOptions {
  readonly guarantee: Guarantee
  /** The first one of this instance; starting over takes another. */
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
  readonly limits: Pick<RecordLimits, 'flawOf'>
}

/** The writing side of a running service: one producer at a time. */
export class Committer {
  /** Where records of the service go: into the open transaction. */
  readonly emit: Emit = {
    append: (topic, partition, timestamp, key, value, headers, delivery) => {
      try {
        this.#producer.append(topic, partition, timestamp, key, value, headers, delivery)
      } catch (cause) {
        throw new EmitFailure(cause)
      }
    },
    tooLarge: (topic, key, value, headers) => this.#o.limits.flawOf(topic, key, value, headers),
  }
  readonly #cluster: Cluster
  readonly #o: CommitterOptions
  #transactionalId: string
  #producer: Producer
  #isStarted = false

  constructor(cluster: Cluster, options: CommitterOptions) {
    this.#cluster = cluster
    this.#o = options
    this.#transactionalId = options.transactionalId
    this.#producer = this.#newProducer()
  }

  /** Undefined at least once: there are no transactions. */
  get transactionalId(): string | null {
    return this.#isExact ? this.#transactionalId : null
  }

  get #isExact(): boolean {
    return this.#o.guarantee === 'exactly-once'
  }

  #newProducer(): Producer {
    if (!this.#isExact) return new Producer(this.#cluster)
    const { transactionTimeoutMs } = this.#o
    const transactionalId = this.#transactionalId
    return new Producer(this.#cluster, { transactionalId, transactionTimeoutMs })
  }

  /**
   * Makes ready for `emit`, unless it is. To be called by who holds something: the id is of an instance,
   * and asking for it fences whoever has had it.
   */
  async start(): Promise<void> {
    if (this.#isStarted) return
    await this.#producer.init()
    this.#isStarted = true
    this.#begin()
  }

  #begin(): void {
    if (this.#isExact) this.#producer.begin()
  }

  /** Undefined while records may be emitted; else resolves when they may again. */
  ready(): Promise<void> | undefined {
    return this.#producer.ready()
  }

  /**
   * Commits everything `set` has processed under `ownership`. Rejects when that failed or its outcome is
   * unknown; with `stale-member` when the ownership is over, before anything is sent in its name.
   */
  async commit(
    set: TaskSet,
    member: GroupMember,
    ownership: Ownership,
    now: number,
  ): Promise<void> {
    // Who was never given anything has nothing to commit.
    if (!this.#isStarted) return
    const done: (() => void)[] = []
    const offsets: TaskOffset[] = []
    for (const task of set.tasks) {
      const ofTask = task.offsets()
      offsets.push(...ofTask)
      done.push(() => task.committed(ofTask))
    }
    for (const input of set.inputs) {
      offsets.push(...input.save(this.emit, now))
      done.push(() => input.committed())
    }
    if (this.#isExact) await this.#endTransaction(set, member, ownership, offsets)
    else {
      await this.#write(set)
      await member.commit(ownership, offsets)
    }
    for (const each of done) each()
  }

  /** Writes changed state, and what came of commands, and waits until the broker has everything. */
  async #write(set: TaskSet): Promise<void> {
    // Outcomes say where events are, and nobody knows before the broker has them.
    if (set.awaitsPlaces) await this.#producer.flush()
    for (const task of set.tasks) while (!task.flush(flushRows)) await this.ready()
    await this.#producer.flush()
  }

  async #endTransaction(
    set: TaskSet,
    member: GroupMember,
    ownership: Ownership,
    offsets: readonly TaskOffset[],
  ): Promise<void> {
    const producer = this.#producer
    const committer = committerFor(member, ownership)
    // Offsets count only with the transaction, so they need not wait for the records. Both must have
    // ended before an abort, or a late one could reach into the next transaction.
    const isLate = planted.has('rejoin-while-closing')
    if (isLate) await this.#write(set)
    const now = isLate ? (member.ownership ?? committer) : committer
    const parts = [
      isLate ? Promise.resolve() : this.#write(set),
      producer.sendOffsets(now, offsets),
    ]
    for (const part of await Promise.allSettled(parts)) {
      if (part.status === 'rejected') throw part.reason
    }
    await producer.commit()
    producer.begin()
  }

  /** Aborts what is open. When that cannot be known to have worked, `start` is to be called again. */
  async startOver(): Promise<void> {
    if (!this.#isStarted) return
    const old = this.#producer
    if (this.#isExact && old.failure === undefined) {
      try {
        await old.abort()
        this.#begin()
        return
      } catch (error) {
        if (!isHeadwaterError(error)) throw error
      }
    }
    await quietly(old.close())
    this.#isStarted = false
    this.#transactionalId = nextTransactionalId(this.#transactionalId, this.#cluster.random)
    this.#producer = this.#newProducer()
  }

  /** Aborts what is open. */
  async close(): Promise<void> {
    await this.#producer.close()
  }
}

function committerFor(member: GroupMember, ownership: Ownership): CommitterName {
  if (planted.has('commit-without-generation') && !member.owns(ownership)) {
    return nonMember(ownership.groupId)
  }
  member.assertOwns(ownership)
  return ownership
}
