/**
 * A group member with a consumer behind it, as careful programs have: it handles what it fetched between
 * rebalances only, and goes on from what is committed after every rebalance and every failure.
 */
import assert from 'node:assert/strict'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { Consumer } from '../../../src/client/consumer/consumer.ts'
import type { FetchedBatches } from '../../../src/client/consumer/consumer.ts'
import { GroupMember } from '../../../src/client/group/group-member.ts'
import type { Ownership } from '../../../src/client/group/group-member.ts'
import type { PartitionOffset } from '../../../src/client/cluster/topic-partition.ts'

const pollMs = 50
const sessionTimeoutMs = 6000

export interface GroupLoopOptions {
  readonly cluster: Cluster
  readonly groupId: string
  readonly topic: string
  readonly isOver: () => boolean
  /** Told where a partition goes on. */
  readonly onPosition: (position: PartitionOffset) => void
  /** Handles and commits; what it throws makes the loop go back to what is committed. */
  readonly handle: (
    fetched: readonly FetchedBatches[],
    ownership: Ownership,
    member: GroupMember,
  ) => Promise<void>
  /** Called after a failure, before the loop goes on. */
  readonly onFailure: () => Promise<void>
}

export async function runGroupLoop(options: GroupLoopOptions): Promise<void> {
  const loop = new GroupLoop(options)
  await loop.run()
}

class GroupLoop {
  readonly #o: GroupLoopOptions
  readonly #consumer: Consumer
  readonly #member: GroupMember
  #held: Ownership | undefined
  /** Positions are to be looked up. */
  #isFresh = false
  #turn: Promise<void> | undefined
  #failure: unknown

  constructor(options: GroupLoopOptions) {
    this.#o = options
    this.#consumer = new Consumer(options.cluster, { maxWaitMs: pollMs, partitionBytesMax: 300 })
    const letGo = async (): Promise<void> => {
      this.#held = undefined
      await this.#turn
      this.#consumer.assign([])
    }
    this.#member = new GroupMember(options.cluster, {
      groupId: options.groupId,
      topics: [options.topic],
      sessionTimeoutMs,
      rebalanceTimeoutMs: sessionTimeoutMs,
      heartbeatIntervalMs: 500,
      onAssigned: async (ownership) => {
        this.#held = ownership
        this.#isFresh = true
      },
      onRevoked: letGo,
      onLost: letGo,
      onFailed: (error) => {
        this.#failure = error
      },
    })
  }

  async run(): Promise<void> {
    await this.#member.join()
    while (!this.#o.isOver()) {
      if (this.#failure !== undefined) throw this.#failure
      this.#turn = this.#once()
      await this.#turn
    }
    await this.#member.leave()
    await this.#consumer.close()
  }

  async #once(): Promise<void> {
    try {
      if (this.#isFresh) await this.#seek()
      const held = this.#held
      const fetched = await this.#consumer.poll(pollMs)
      // What was fetched before a rebalance is another's by now.
      if (this.#isFresh || held === undefined || held !== this.#held) return
      if (fetched.length > 0) await this.#o.handle(fetched, held, this.#member)
    } catch (error) {
      assert(isHeadwaterError(error), (error as Error).stack)
      this.#isFresh = true
      await this.#o.onFailure()
    }
  }

  async #seek(): Promise<void> {
    const held = this.#held
    if (held === undefined) return
    const found = await this.#member.committed(held.partitions, { requireStable: true })
    if (held !== this.#held) return
    const starts = found.map((place) => ({ ...place, offset: Math.max(0, place.offset) }))
    for (const { topic, partition, offset } of found) {
      this.#o.onPosition({ topic, partition, offset })
    }
    this.#consumer.assign(
      starts.map(({ topic, partition, offset }) => ({ topic, partition, offset })),
    )
    this.#isFresh = false
  }
}
