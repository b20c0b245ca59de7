/**
 * A member of a classic consumer group: joins, learns its partitions, stays alive, and lets go.
 *
 * The protocol is eager: before each rebalance every partition is given up. `onRevoked` is awaited
 * before the member joins again, while its old generation may still commit, also in a transaction: the
 * place to finish what is begun. `onLost` says that the partitions may already be another's: drop what
 * was begun. `onAssigned` brings all partitions of the new generation, often the same ones, so state
 * kept since `onRevoked` may be used again. Heartbeats run on a timer of their own, hooks included.
 *
 *   join() --> joining --> assigned --revoked or lost--> joining ...      leave() --> left
 *
 * A static member (KIP-345) never says that it leaves: it comes back as the same one within the session
 * timeout and keeps its partitions without a rebalance.
 */
import { assert, isHeadwaterError } from '../../base/errors.ts'
import type { Timer } from '../../io/ports.ts'
import type { ResponseOf } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import {
  decodeSubscription,
  encodeSubscription,
} from '../../protocol/messages/consumer-protocol.ts'
import type { Assignor, AssignorMember } from './assignor.ts'
import { rangeAssignor } from './assignor.ts'
import { backoffMs, sleep } from '../cluster/backoff.ts'
import type { Cluster, ClusterRequestOptions } from '../cluster/cluster.ts'
import type { GroupMetadata } from './group-metadata.ts'
import type { CommittedOffset } from './group-offsets.ts'
import { commitOffsets, fetchOffsets } from './group-offsets.ts'
import { consumerProtocolType, decodeAssignment, encodeAssignment } from './group-protocol.ts'
import type { CommitOffset, TopicPartition } from '../cluster/topic-partition.ts'
import { wireError } from '../cluster/wire-error.ts'

export type { GroupMetadata } from './group-metadata.ts'

const sessionTimeoutMsDefault = 45_000
const rebalanceTimeoutMsDefault = 60_000
const heartbeatIntervalMsMax = 3_000
/** Heartbeats in a session, at least: two may be lost. */
const heartbeatsPerSession = 3
/** What a blocking request may take beyond the rebalance it waits for. */
const slackMs = 10_000

export interface GroupMemberOptions {
  readonly groupId: string
  readonly topics: readonly string[]
  /** A member that sends no heartbeat for so long is taken for dead. */
  readonly sessionTimeoutMs?: number
  /** How soon a rebalance is noticed; 3 s, or less in a short session, when left out. */
  readonly heartbeatIntervalMs?: number
  /** How long the others wait for a member to rejoin: the bound of `onRevoked`. */
  readonly rebalanceTimeoutMs?: number
  /** Makes the member static; unique in the group. */
  readonly instanceId?: string
  /** Range when left out. */
  readonly assignor?: Assignor
  readonly onAssigned: (partitions: readonly TopicPartition[]) => Promise<void>
  readonly onRevoked: (partitions: readonly TopicPartition[]) => Promise<void>
  readonly onLost: (partitions: readonly TopicPartition[]) => Promise<void>
  /** The member is out for good: fenced, refused, or a hook failed. */
  readonly onFailed?: (error: unknown) => void
}

type Loss = 'revoked' | 'lost'

let nextLane = 1

export class GroupMember {
  readonly #cluster: Cluster
  readonly #o: GroupMemberOptions
  readonly #assignor: Assignor
  readonly #lane = `group-${nextLane++}`
  #memberId = ''
  #generationId = -1
  #assigned: readonly TopicPartition[] | undefined
  #heartbeatTimer: Timer | undefined
  #rebalancing: Promise<void> | undefined
  /** What a heartbeat during a rebalance said: go round once more. */
  #next: Loss | undefined
  #hasBeenIn = false
  #isLeaving = false
  #failure: unknown

  constructor(cluster: Cluster, options: GroupMemberOptions) {
    this.#cluster = cluster
    this.#o = options
    this.#assignor = options.assignor ?? rangeAssignor
  }

  /** What commits must name; the generation is -1 while the member is in none. */
  get metadata(): GroupMetadata {
    return {
      groupId: this.#o.groupId,
      generationId: this.#generationId,
      memberId: this.#memberId,
      groupInstanceId: this.#o.instanceId ?? null,
    }
  }

  /** What the member has now; nothing while it rebalances. */
  get assigned(): readonly TopicPartition[] {
    return this.#assigned ?? []
  }

  /** Joins and awaits the first `onAssigned`; later rebalances happen by themselves. */
  async join(): Promise<void> {
    assert(this.#rebalancing === undefined && this.#generationId < 0, 'a member joins once')
    await this.#rebalance('revoked')
    if (this.#failure !== undefined) throw this.#failure
  }

  /** The committed offsets of partitions; offset -1 where there is none. */
  committed(
    partitions: readonly TopicPartition[],
    o: { readonly requireStable: boolean },
  ): Promise<readonly CommittedOffset[]> {
    return fetchOffsets(this.#cluster, this.#o.groupId, partitions, o.requireStable)
  }

  /** Commits offsets outside a transaction; `stale-member` once the generation is over. */
  commit(offsets: readonly CommitOffset[]): Promise<void> {
    return commitOffsets(this.#cluster, this.metadata, offsets)
  }

  /** Gives up the partitions (`onRevoked`) and leaves; a static member goes without a word. */
  async leave(): Promise<void> {
    if (this.#isLeaving) return
    this.#isLeaving = true
    this.#heartbeatTimer?.cancel()
    try {
      // Cuts short a join that waits for others; a hook that runs is awaited.
      if (this.#assigned === undefined) this.#cluster.closeLane(this.#lane)
      await this.#rebalancing
      if (this.#failure === undefined) await this.#giveUp('revoked')
      if (this.#failure === undefined) await this.#sayGoodbye()
    } finally {
      this.#generationId = -1
      this.#cluster.closeLane(this.#lane)
    }
  }

  /** Starts a round, or has the one that runs go round once more; resolves when it is over. */
  async #rebalance(loss: Loss): Promise<void> {
    if (this.#isLeaving || this.#failure !== undefined) return
    // Lost outweighs revoked: what may be another's must not be finished.
    if (this.#rebalancing !== undefined) this.#next = this.#next === 'lost' ? 'lost' : loss
    this.#rebalancing ??= this.#goRound(loss)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#rebalancing = undefined
        const next = this.#next
        this.#next = undefined
        if (next !== undefined) void this.#rebalance(next)
      })
    await this.#rebalancing
  }

  async #goRound(loss: Loss): Promise<void> {
    for (let why: Loss | undefined = loss; why !== undefined; why = this.#next) {
      await this.#giveUp(why)
      this.#next = undefined
      const assigned = await this.#joinAndSync()
      if (assigned === undefined) return
      this.#assigned = assigned
      this.#hasBeenIn = true
      this.#beatLater()
      await this.#o.onAssigned(assigned)
      if (this.#isLeaving) return
    }
  }

  async #giveUp(loss: Loss): Promise<void> {
    const had = this.#assigned
    if (had === undefined) return
    await (loss === 'lost' ? this.#o.onLost(had) : this.#o.onRevoked(had))
    this.#assigned = undefined
  }

  /** One generation: undefined when the member leaves meanwhile. */
  async #joinAndSync(): Promise<readonly TopicPartition[] | undefined> {
    for (let attempt = 1; !this.#isLeaving; attempt++) {
      const joined = await this.#ask(() => this.#join())
      if (joined === undefined) return undefined
      if (joined.errorCode === ErrorCode.NONE) {
        this.#memberId = joined.memberId
        this.#generationId = joined.generationId
        const synced = await this.#ask(async () => this.#sync(joined, await this.#shareOut(joined)))
        if (synced === undefined) return undefined
        if (synced.errorCode === ErrorCode.NONE) return decodeAssignment(synced.assignment)
        this.#startOver(synced.errorCode)
      } else if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
        this.#memberId = joined.memberId
        continue
      } else {
        this.#startOver(joined.errorCode)
      }
      await sleep(this.#cluster.clock, backoffMs(attempt, this.#cluster.random))
    }
    return undefined
  }

  /**
   * A failure while the member leaves is how the leaving looks from inside. Brokers that are away are
   * waited for as long as it takes by a member that has been in the group: it has nothing else to do.
   */
  async #ask<T>(request: () => Promise<T>): Promise<T | undefined> {
    for (;;) {
      try {
        return await request()
      } catch (error) {
        if (!isHeadwaterError(error)) throw error
        if (this.#isLeaving) return undefined
        if (!error.retriable || !this.#hasBeenIn) throw error
      }
    }
  }

  #join(): Promise<ResponseOf<'JoinGroup'>> {
    const rebalanceTimeoutMs = this.#o.rebalanceTimeoutMs ?? rebalanceTimeoutMsDefault
    const metadata = encodeSubscription({
      topics: this.#o.topics,
      userData: this.#assignor.userData?.() ?? null,
    })
    return this.#cluster.request(
      'JoinGroup',
      {
        groupId: this.#o.groupId,
        sessionTimeoutMs: this.#o.sessionTimeoutMs ?? sessionTimeoutMsDefault,
        rebalanceTimeoutMs,
        memberId: this.#memberId,
        groupInstanceId: this.#o.instanceId ?? null,
        protocolType: consumerProtocolType,
        protocols: [{ name: this.#assignor.name, metadata }],
      },
      { coordinator: 'group', id: this.#o.groupId },
      this.#blocking(rebalanceTimeoutMs),
    )
  }

  #sync(
    joined: ResponseOf<'JoinGroup'>,
    assignments: readonly { memberId: string; assignment: Uint8Array }[],
  ): Promise<ResponseOf<'SyncGroup'>> {
    const rebalanceTimeoutMs = this.#o.rebalanceTimeoutMs ?? rebalanceTimeoutMsDefault
    return this.#cluster.request(
      'SyncGroup',
      {
        groupId: this.#o.groupId,
        generationId: joined.generationId,
        memberId: joined.memberId,
        groupInstanceId: this.#o.instanceId ?? null,
        protocolType: consumerProtocolType,
        protocolName: joined.protocolName,
        assignments,
      },
      { coordinator: 'group', id: this.#o.groupId },
      this.#blocking(rebalanceTimeoutMs),
    )
  }

  /** How to ask what the coordinator answers only when all members have asked. */
  #blocking(rebalanceTimeoutMs: number): ClusterRequestOptions {
    const isWanted = (): boolean => !this.#isLeaving
    return { lane: this.#lane, timeoutMs: rebalanceTimeoutMs + slackMs, isWanted }
  }

  /** The leader's work: everyone's partitions. Others have nothing to say. */
  async #shareOut(
    joined: ResponseOf<'JoinGroup'>,
  ): Promise<{ memberId: string; assignment: Uint8Array }[]> {
    if (joined.leader !== joined.memberId || joined.skipAssignment) return []
    const members = joined.members.map(
      ({ memberId, groupInstanceId, metadata }): AssignorMember => ({
        memberId,
        groupInstanceId,
        ...decodeSubscription(metadata),
      }),
    )
    const topics = new Set(members.flatMap((member) => member.topics))
    const partitionCounts = new Map<string, number>()
    this.#cluster.markStale()
    for (const topic of topics) {
      const count = await this.#partitionCount(topic)
      if (count !== undefined) partitionCounts.set(topic, count)
    }
    const assigned = this.#assignor.assign(members, partitionCounts)
    return members.map(({ memberId }) => ({
      memberId,
      assignment: encodeAssignment(assigned.get(memberId) ?? []),
    }))
  }

  /** A topic that does not exist is nobody's: its members read the others. */
  async #partitionCount(topic: string): Promise<number | undefined> {
    try {
      return await this.#cluster.partitionCount(topic)
    } catch (error) {
      if (isHeadwaterError(error, 'not-found')) return undefined
      throw error
    }
  }

  /** What a refusal changes about the member before it tries again; throws when trying is in vain. */
  #startOver(code: number): void {
    if (code === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = ''
    else if (code !== ErrorCode.REBALANCE_IN_PROGRESS && code !== ErrorCode.ILLEGAL_GENERATION) {
      throw wireError(code, `join group '${this.#o.groupId}'`)
    }
    this.#generationId = -1
  }

  #beatLater(): void {
    this.#heartbeatTimer?.cancel()
    const sessionTimeoutMs = this.#o.sessionTimeoutMs ?? sessionTimeoutMsDefault
    const delayMs =
      this.#o.heartbeatIntervalMs ??
      Math.min(heartbeatIntervalMsMax, sessionTimeoutMs / heartbeatsPerSession)
    this.#heartbeatTimer = this.#cluster.clock.after(delayMs, () => {
      void this.#beat(this.#generationId, sessionTimeoutMs)
    })
  }

  async #beat(generationId: number, sessionTimeoutMs: number): Promise<void> {
    if (this.#assigned === undefined) return
    const { groupId, instanceId } = this.#o
    let code: number
    try {
      const response = await this.#cluster.request(
        'Heartbeat',
        { groupId, generationId, memberId: this.#memberId, groupInstanceId: instanceId ?? null },
        { coordinator: 'group', id: groupId },
        {
          lane: this.#lane,
          retryTimeoutMs: sessionTimeoutMs,
          isWanted: () => !this.#isLeaving,
        },
      )
      code = response.errorCode
    } catch (error) {
      if (this.#isLeaving) return
      if (!isHeadwaterError(error) || !error.retriable) return this.#fail(error)
      code = ErrorCode.NONE
    }
    if (this.#isLeaving || generationId !== this.#generationId) return
    if (code === ErrorCode.UNKNOWN_MEMBER_ID || code === ErrorCode.ILLEGAL_GENERATION) {
      if (code === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = ''
      this.#generationId = -1
      void this.#rebalance('lost')
      return
    }
    if (code === ErrorCode.REBALANCE_IN_PROGRESS) void this.#rebalance('revoked')
    else if (code !== ErrorCode.NONE) return this.#fail(wireError(code, `stay in '${groupId}'`))
    this.#beatLater()
  }

  async #sayGoodbye(): Promise<void> {
    if (this.#o.instanceId !== undefined || this.#memberId === '') return
    const member = { memberId: this.#memberId }
    try {
      await this.#cluster.request(
        'LeaveGroup',
        (version) => ({
          groupId: this.#o.groupId,
          ...(version >= 3 ? { members: [member] } : member),
        }),
        { coordinator: 'group', id: this.#o.groupId },
        { retryTimeoutMs: slackMs },
      )
    } catch (error) {
      // The session times out instead: the others wait longer, nothing is lost.
      if (!isHeadwaterError(error)) throw error
    }
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#heartbeatTimer?.cancel()
    const had = this.#assigned
    this.#assigned = undefined
    const told = had === undefined ? Promise.resolve() : this.#o.onLost(had)
    told.then(
      () => this.#o.onFailed?.(error),
      () => this.#o.onFailed?.(error),
    )
  }
}
