/**
 * A member of a classic consumer group: joins, learns its partitions, stays alive, and lets go.
 *
 * The protocol is eager: before each rebalance every partition is given up. What a member holds in one
 * generation is an `Ownership`, a value that hooks are handed and commits must name. `onRevoked` is
 * awaited before the member joins again, while the old ownership still commits, also in a transaction:
 * the place to finish what is begun. `onLost` says that the partitions may already be another's: drop
 * what was begun. It may come after `onRevoked`, when the group let the member go while it was on its way
 * back. `onAssigned` brings the next ownership; whether state kept from the one before may be used again
 * is what `followsDirectly` tells. Heartbeats run on a timer of their own, hooks included.
 *
 *   join() --> joining --> assigned --revoked or lost--> joining ...      retire() --> leave() --> left
 *
 * The leader goes round once more when partitions were added to a topic of the group, or a topic came or
 * went (`metadataMaxAgeMs` of the cluster says how soon that is seen).
 *
 * After `retire` a member never joins again, whatever the group says; what it holds it may still commit.
 * A static member (KIP-345) that leaves without `isFinal` says nothing: it comes back as the same one
 * within the session timeout and keeps its partitions without a rebalance.
 */
import { planted } from '../../base/planted.ts'
import { assert, isHeadwaterError } from '../../base/errors.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { backoffMs, sleep } from '../cluster/backoff.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { CommitOffset, TopicPartition } from '../cluster/topic-partition.ts'
import { wireError } from '../cluster/wire-error.ts'
import type { Assignor } from './assignor.ts'
import { rangeAssignor } from './assignor.ts'
import type { CommittedOffset } from './group-offsets.ts'
import { commitOffsets, fetchOffsets } from './group-offsets.ts'
import { decodeAssignment } from './group-protocol.ts'
import { Heartbeat } from './heartbeat.ts'
import type { HeartbeatNews } from './heartbeat.ts'
import { Joining } from './joining.ts'
import { ownershipOver, unconfirmed } from './ownership.ts'
import type { Ownership } from './ownership.ts'
import { isPlaceOurs, type Place } from './place.ts'

export type { Ownership } from './ownership.ts'

const sessionTimeoutMsDefault = 45_000
const rebalanceTimeoutMsDefault = 60_000
const goodbyeTimeoutMs = 10_000

export interface GroupMemberOptions {
  readonly groupId: string
  readonly topics: readonly string[]
  /** A member that sends no heartbeat for so long is taken for dead; 45,000 when left out. */
  readonly sessionTimeoutMs?: number
  /** How soon a rebalance is noticed; a twelfth of the session, at most 3,000, when left out. */
  readonly heartbeatIntervalMs?: number
  /** How long the others wait for a member to rejoin: the bound of `onRevoked`. */
  readonly rebalanceTimeoutMs?: number
  /** Makes the member static; unique in the group. */
  readonly instanceId?: string
  /** Range when left out. */
  readonly assignor?: Assignor
  readonly onAssigned: (ownership: Ownership) => Promise<void>
  readonly onRevoked: (ownership: Ownership) => Promise<void>
  readonly onLost: (ownership: Ownership) => Promise<void>
  /** The member is out for good: fenced, refused, or a hook failed. */
  readonly onFailed?: (error: unknown) => void
}

type Loss = 'revoked' | 'lost'

let nextLane = 1

export class GroupMember {
  readonly #cluster: Cluster
  readonly #o: GroupMemberOptions
  readonly #lane = `group-${nextLane++}`
  readonly #joining: Joining
  readonly #heartbeat: Heartbeat
  #memberId = ''
  /** What the hooks were told last. */
  #ownership: Ownership | undefined
  /** The coordinator has said that `#ownership` is over. */
  #isLost = false
  /** Given up by `onRevoked`; whoever keeps state of it is told when it is lost after all. */
  #revoked: Ownership | undefined
  #rebalancing: Promise<void> | undefined
  /** What a heartbeat during a rebalance said: go round once more. */
  #next: Loss | undefined
  #hasBeenIn = false
  #isRetired = false
  #leaving: Promise<void> | undefined
  #failure: unknown

  constructor(cluster: Cluster, options: GroupMemberOptions) {
    this.#cluster = cluster
    this.#o = options
    const sessionTimeoutMs = options.sessionTimeoutMs ?? sessionTimeoutMsDefault
    const lane = this.#lane
    this.#joining = new Joining(cluster, {
      groupId: options.groupId,
      topics: options.topics,
      instanceId: options.instanceId ?? null,
      sessionTimeoutMs,
      rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? rebalanceTimeoutMsDefault,
      assignor: options.assignor ?? rangeAssignor,
      lane,
      isWanted: () => !this.#isOver,
      onOutdated: () => void this.#rebalance('revoked'),
    })
    this.#heartbeat = new Heartbeat(cluster, {
      sessionTimeoutMs,
      intervalMs: options.heartbeatIntervalMs,
      lane,
      onNews: (news) => this.#hear(news),
    })
  }

  /** What the member holds now; undefined while it rebalances. For showing, never for committing. */
  get ownership(): Ownership | undefined {
    return this.#isLost ? undefined : this.#ownership
  }

  /** Whether this ownership still stands, as far as is known here. */
  owns(ownership: Ownership): boolean {
    return this.#ownership === ownership && !this.#isLost
  }

  /** The same, and that the coordinator would not have let it go yet, had it not heard from it since. */
  isHeard(ownership: Ownership): boolean {
    const { sessionTimeoutMs = sessionTimeoutMsDefault } = this.#o
    const { rebalanceTimeoutMs = rebalanceTimeoutMsDefault } = this.#o
    return (
      this.owns(ownership) && this.#heartbeat.isWithin({ sessionTimeoutMs, rebalanceTimeoutMs })
    )
  }

  /** Has the group form anew, so that it hears what this member says now. */
  rejoin(): void {
    void this.#rebalance('revoked')
  }

  /** Joins and awaits the first `onAssigned`; later rebalances happen by themselves. */
  async join(): Promise<void> {
    assert(this.#rebalancing === undefined && this.#ownership === undefined, 'a member joins once')
    await this.#rebalance('revoked')
    if (this.#failure !== undefined) throw this.#failure
  }

  /**
   * Asks the coordinator now whether the ownership stands; a loss is heard before this resolves. `timeout`
   * when it does not say.
   */
  async confirm(ownership: Ownership): Promise<void> {
    if (!this.owns(ownership) || (await this.#heartbeat.ask(ownership))) return
    if (this.owns(ownership)) throw unconfirmed(ownership)
  }

  /** The committed offsets of partitions; offset -1 where there is none. */
  committed(
    partitions: readonly TopicPartition[],
    o: { readonly requireStable: boolean; readonly isWanted?: () => boolean },
  ): Promise<readonly CommittedOffset[]> {
    const { requireStable, isWanted } = o
    return fetchOffsets(this.#cluster, this.#o.groupId, partitions, requireStable, isWanted)
  }

  /** Commits offsets outside a transaction; `stale-member` once the ownership is over. */
  async commit(ownership: Ownership, offsets: readonly CommitOffset[]): Promise<void> {
    this.assertOwns(ownership)
    await commitOffsets(this.#cluster, ownership, offsets)
  }

  /** Throws `stale-member` when this ownership is over: nothing may be sent in its name. */
  assertOwns(ownership: Ownership): void {
    if (!this.owns(ownership)) throw ownershipOver(ownership)
  }

  /** From now on the member never joins again. What it holds stays its own until it leaves. */
  retire(): void {
    if (this.#isRetired) return
    this.#isRetired = true
    // Cuts short a join that waits for others.
    if (this.#ownership === undefined) this.#cluster.closeLane(this.#lane)
  }

  /**
   * Retires, gives up the partitions (`onRevoked`) and leaves. A static member goes without a word unless
   * `isFinal`: then its partitions are free at once.
   */
  leave(o: { readonly isFinal?: boolean } = {}): Promise<void> {
    this.#leaving ??= this.#leave(o.isFinal ?? false)
    return this.#leaving
  }

  async #leave(isFinal: boolean): Promise<void> {
    this.retire()
    try {
      await this.#rebalancing
      if (this.#failure === undefined) await this.#giveUp('revoked')
      this.#heartbeat.stop()
      const isSilent = this.#o.instanceId !== undefined && !isFinal
      if (this.#failure === undefined && !isSilent) await this.#sayGoodbye()
    } finally {
      this.#heartbeat.stop()
      this.#joining.stop()
      this.#cluster.closeLane(this.#lane)
    }
  }

  get #isOver(): boolean {
    return this.#isRetired || this.#failure !== undefined
  }

  /** Starts a round, or has the one that runs go round once more; resolves when it is over. */
  async #rebalance(loss: Loss): Promise<void> {
    if (this.#isOver) return
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
      const ownership = await this.#joinAndSync()
      if (ownership === undefined) return
      this.#revoked = undefined
      this.#isLost = false
      this.#ownership = ownership
      this.#hasBeenIn = true
      this.#heartbeat.start(ownership)
      await this.#o.onAssigned(ownership)
    }
  }

  async #giveUp(loss: Loss): Promise<void> {
    const had = this.#ownership
    if (had === undefined) return
    if (loss === 'revoked' && !this.#isLost) await this.#o.onRevoked(had)
    if (this.#failure !== undefined) return
    // Also when the coordinator said so while the hook above ran.
    if (loss === 'lost' || this.#isLost) await this.#o.onLost(had)
    else this.#revoked = had
    this.#ownership = undefined
    // A retired member says goodbye in its own time, and is not to be taken for dead until then.
    if (!this.#isRetired) this.#heartbeat.stop()
  }

  /** The next ownership; undefined when the member retires meanwhile. */
  async #joinAndSync(): Promise<Ownership | undefined> {
    for (let attempt = 1; !this.#isOver; attempt++) {
      const joined = await this.#ask(() => this.#joining.join(this.#memberId))
      if (joined === undefined) return undefined
      if (joined.errorCode === ErrorCode.NONE) {
        this.#memberId = joined.memberId
        const synced = await this.#ask(() => this.#joining.sync(joined))
        if (synced === undefined) return undefined
        if (synced.errorCode === ErrorCode.NONE) {
          return this.#owned(joined.generationId, synced.assignment)
        }
        await this.#startOver(synced.errorCode)
      } else if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
        this.#memberId = joined.memberId
        continue
      } else {
        await this.#startOver(joined.errorCode)
      }
      await sleep(this.#cluster.clock, backoffMs(attempt, this.#cluster.random))
    }
    return undefined
  }

  #owned(generation: number, assignment: Uint8Array): Ownership {
    this.#joining.done()
    assert(generation >= 0, `the coordinator assigned partitions in generation ${generation}`)
    const { groupId, instanceId = null } = this.#o
    const memberId = this.#memberId
    return Object.freeze({
      groupId,
      memberId,
      generation,
      instanceId,
      ...decodeAssignment(assignment),
    })
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
        if (this.#isRetired) return undefined
        if (!error.retriable || !this.#hasBeenIn) throw error
      }
    }
  }

  /** What a refusal changes about the member before it tries again; throws when trying is in vain. */
  async #startOver(code: number): Promise<void> {
    if (code === ErrorCode.REBALANCE_IN_PROGRESS || code === ErrorCode.ILLEGAL_GENERATION) return
    if (code === ErrorCode.UNKNOWN_MEMBER_ID) {
      this.#memberId = ''
      const had = this.#revoked
      this.#revoked = undefined
      if (planted.has('keep-state-of-another')) return
      if (had !== undefined) await this.#o.onLost(had)
      return
    }
    if (code === ErrorCode.FENCED_INSTANCE_ID && (await this.#mayTakePlaceAgain())) {
      this.#memberId = ''
      return
    }
    if (this.#isRetired) return
    if (!this.#joining.mayTryAgain(code)) throw wireError(code, `join group '${this.#o.groupId}'`)
  }

  #hear(news: HeartbeatNews): void {
    if (this.#failure !== undefined || this.#ownership !== news.ownership) return
    if (news.kind === 'refused') this.#refused(news.error)
    else if (news.kind === 'rebalance') void this.#rebalance('revoked')
    else if (news.kind === 'lost') {
      this.#isLost = true
      this.#heartbeat.stop()
      if (news.isUnknown) this.#memberId = ''
      void this.#rebalance('lost')
    }
  }

  /** Out for good; but who was fenced drops what it has first, and hears when it joins whether it may. */
  #refused(error: unknown): void {
    this.#isLost = true
    this.#heartbeat.stop()
    if (isHeadwaterError(error, 'fenced') && this.#place !== undefined) void this.#rebalance('lost')
    else this.#fail(error)
  }

  /** Its place in the group, when it can tell whether it is held by a late request of its own. */
  get #place(): Place | undefined {
    const { groupId, instanceId, assignor } = this.#o
    if (instanceId === undefined || assignor?.isOwn === undefined) return undefined
    const sessionTimeoutMs = this.#o.sessionTimeoutMs ?? sessionTimeoutMsDefault
    const isWanted = (): boolean => !this.#isOver
    return { groupId, instanceId, sessionTimeoutMs, isOwn: assignor.isOwn, isWanted }
  }

  async #mayTakePlaceAgain(): Promise<boolean> {
    const place = this.#place
    if (place === undefined) return false
    return (await this.#ask(() => isPlaceOurs(this.#cluster, place))) ?? false
  }

  async #sayGoodbye(): Promise<void> {
    const { groupId, instanceId = null } = this.#o
    // Without the id given to it, a static member could show its successor the door.
    if (this.#memberId === '') return
    const member = { memberId: this.#memberId, groupInstanceId: instanceId }
    try {
      await this.#cluster.request(
        'LeaveGroup',
        (version) => ({
          groupId,
          ...(version >= 3 ? { members: [member] } : { memberId: member.memberId }),
        }),
        { coordinator: 'group', id: groupId },
        { retryTimeoutMs: goodbyeTimeoutMs },
      )
    } catch (error) {
      // The session times out instead: the others wait longer, nothing is lost.
      if (!isHeadwaterError(error)) throw error
    }
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#heartbeat.stop()
    this.#joining.stop()
    this.#isLost = true
    const had = this.#ownership ?? this.#revoked
    this.#ownership = undefined
    this.#revoked = undefined
    const told = had === undefined ? Promise.resolve() : this.#o.onLost(had)
    told.then(
      () => this.#o.onFailed?.(error),
      () => this.#o.onFailed?.(error),
    )
  }
}
