/**
 * The requests by which a member comes into a generation: JoinGroup, SyncGroup and, for the leader, the
 * assignment in between. What an answer means is decided by `GroupMember`.
 *
 * Both requests wait at the coordinator until every member has asked, on a connection of their own.
 */
import type { ResponseOf } from '../../protocol/api.ts'
import { ErrorCode, isRetriable } from '../../protocol/errors.ts'
import {
  decodeSubscription,
  encodeSubscription,
} from '../../protocol/messages/consumer-protocol.ts'
import type { Cluster, ClusterRequestOptions } from '../cluster/cluster.ts'
import type { Assignor, AssignorMember } from './assignor.ts'
import { CountedTopics } from './counted-topics.ts'
import { consumerProtocolType, encodeAssignment } from './group-protocol.ts'

/** What a blocking request may take beyond the rebalance it waits for. */
const slackMs = 5_000
/** How long a broker that fails in some way of its own is asked again. */
const doubtMsMax = 60_000

export interface JoiningOptions {
  readonly groupId: string
  readonly topics: readonly string[]
  readonly instanceId: string | null
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly assignor: Assignor
  readonly lane: string
  readonly isWanted: () => boolean
  /** What this member shared out as the leader is no longer what there is. */
  readonly onOutdated: () => void
}

export type Joined = ResponseOf<'JoinGroup'>

export class Joining {
  readonly #cluster: Cluster
  readonly #o: JoiningOptions
  readonly #counted: CountedTopics
  /** Since when the broker has failed in some way of its own. */
  #doubtedSince: number | undefined

  constructor(cluster: Cluster, options: JoiningOptions) {
    this.#cluster = cluster
    this.#o = options
    this.#counted = new CountedTopics(cluster, options.onOutdated)
  }

  join(memberId: string): Promise<Joined> {
    this.#counted.stop()
    const { groupId, topics, instanceId, sessionTimeoutMs, rebalanceTimeoutMs, assignor } = this.#o
    // Made anew for each attempt: an assignor may count them, to tell who came from who is only listed.
    const protocol = () => ({
      name: assignor.name,
      metadata: encodeSubscription({ topics, userData: assignor.userData?.() ?? null }),
    })
    return this.#cluster.request(
      'JoinGroup',
      () => ({
        groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId,
        groupInstanceId: instanceId,
        protocolType: consumerProtocolType,
        protocols: [protocol()],
      }),
      { coordinator: 'group', id: groupId },
      this.#blocking(),
    )
  }

  async sync(joined: Joined): Promise<ResponseOf<'SyncGroup'>> {
    const { groupId, instanceId } = this.#o
    return this.#cluster.request(
      'SyncGroup',
      {
        groupId,
        generationId: joined.generationId,
        memberId: joined.memberId,
        groupInstanceId: instanceId,
        protocolType: consumerProtocolType,
        protocolName: joined.protocolName,
        assignments: await this.#shareOut(joined),
      },
      { coordinator: 'group', id: groupId },
      this.#blocking(),
    )
  }

  /** Whether to join again after a refusal that says nothing of this member. */
  mayTryAgain(code: number): boolean {
    if (code !== ErrorCode.UNKNOWN_SERVER_ERROR) return isRetriable(code)
    const now = this.#cluster.clock.monotonic()
    this.#doubtedSince ??= now
    return now - this.#doubtedSince <= doubtMsMax
  }

  /** The member is in. */
  done(): void {
    this.#doubtedSince = undefined
  }

  /** From now on nothing is said of what was shared out. */
  stop(): void {
    this.#counted.stop()
  }

  #blocking(): ClusterRequestOptions {
    const { lane, rebalanceTimeoutMs, isWanted } = this.#o
    return { lane, timeoutMs: rebalanceTimeoutMs + slackMs, isWanted }
  }

  /** The leader's work: everyone's partitions. Others have nothing to say. */
  async #shareOut(joined: Joined): Promise<{ memberId: string; assignment: Uint8Array }[]> {
    if (joined.leader !== joined.memberId) return []
    const members = joined.members.map(
      ({ memberId, groupInstanceId, metadata }): AssignorMember => ({
        memberId,
        groupInstanceId,
        ...decodeSubscription(metadata),
      }),
    )
    const topics = new Set(members.flatMap((member) => member.topics))
    const partitionCounts = await this.#counted.count([...topics])
    // A static leader that came back keeps what it shared out before (KIP-814), and looks after it.
    if (joined.skipAssignment) return []
    const assigned = this.#o.assignor.assign(members, partitionCounts)
    return members.map(({ memberId }) => ({
      memberId,
      assignment: encodeAssignment(assigned.get(memberId) ?? { partitions: [], userData: null }),
    }))
  }
}
