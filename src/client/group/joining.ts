/**
 * The requests by which a member comes into a generation: JoinGroup, SyncGroup and, for the leader, the
 * assignment in between. What an answer means is decided by `GroupMember`.
 *
 * Both requests wait at the coordinator until every member has asked, on a connection of their own.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import type { ResponseOf } from '../../protocol/api.ts'
import {
  decodeSubscription,
  encodeSubscription,
} from '../../protocol/messages/consumer-protocol.ts'
import type { Cluster, ClusterRequestOptions } from '../cluster/cluster.ts'
import type { Assignor, AssignorMember } from './assignor.ts'
import { consumerProtocolType, encodeAssignment } from './group-protocol.ts'

/** What a blocking request may take beyond the rebalance it waits for. */
const slackMs = 5_000

export interface JoiningOptions {
  readonly groupId: string
  readonly topics: readonly string[]
  readonly instanceId: string | null
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly assignor: Assignor
  readonly lane: string
  readonly isWanted: () => boolean
}

export type Joined = ResponseOf<'JoinGroup'>

export class Joining {
  readonly #cluster: Cluster
  readonly #o: JoiningOptions

  constructor(cluster: Cluster, options: JoiningOptions) {
    this.#cluster = cluster
    this.#o = options
  }

  join(memberId: string): Promise<Joined> {
    const { groupId, topics, instanceId, sessionTimeoutMs, rebalanceTimeoutMs, assignor } = this.#o
    const metadata = encodeSubscription({ topics, userData: assignor.userData?.() ?? null })
    return this.#cluster.request(
      'JoinGroup',
      {
        groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId,
        groupInstanceId: instanceId,
        protocolType: consumerProtocolType,
        protocols: [{ name: assignor.name, metadata }],
      },
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

  #blocking(): ClusterRequestOptions {
    const { lane, rebalanceTimeoutMs, isWanted } = this.#o
    return { lane, timeoutMs: rebalanceTimeoutMs + slackMs, isWanted }
  }

  /** The leader's work: everyone's partitions. Others have nothing to say. */
  async #shareOut(joined: Joined): Promise<{ memberId: string; assignment: Uint8Array }[]> {
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
    const assigned = this.#o.assignor.assign(members, partitionCounts)
    return members.map(({ memberId }) => ({
      memberId,
      assignment: encodeAssignment(assigned.get(memberId) ?? { partitions: [], userData: null }),
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
}
