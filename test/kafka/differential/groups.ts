/** What the scenarios about groups have in common: joining, syncing, staying. */
import { utf8Bytes } from '../../../src/base/bytes.ts'
import type { RequestInput, ResponseOf } from '../../../src/protocol/api.ts'
import { encodeSubscription } from '../../../src/protocol/messages/consumer-protocol.ts'
import type { AskOptions, Peer } from './side.ts'

export interface JoinOptions extends AskOptions {
  readonly version?: number
  readonly memberId?: string
  readonly instanceId?: string | null
  readonly protocolType?: string
  readonly protocols?: readonly string[]
  /** What a consumer subscribes to. */
  readonly topics?: readonly string[]
  readonly sessionTimeoutMs?: number
  readonly rebalanceTimeoutMs?: number
}

export async function join(
  peer: Peer,
  groupId: string,
  o: JoinOptions = {},
): Promise<ResponseOf<'JoinGroup'>> {
  const { version = 7, memberId = '', protocolType = 'consumer', protocols = ['range'] } = o
  const { sessionTimeoutMs = 30_000, rebalanceTimeoutMs = 30_000, instanceId = null } = o
  const { topics = ['any'] } = o
  const request: RequestInput<'JoinGroup'> = {
    groupId,
    sessionTimeoutMs,
    memberId,
    protocolType,
    protocols: protocols.map((name) => ({
      name,
      metadata: encodeSubscription({ topics: [...topics] }),
    })),
    ...(version >= 1 ? { rebalanceTimeoutMs } : {}),
    ...(version >= 5 ? { groupInstanceId: instanceId } : {}),
  }
  return peer.ask('JoinGroup', version, request, o)
}

/** Joins as a newcomer does from version 4 on: once to get an id, once with it. */
export async function enter(peer: Peer, groupId: string, o: JoinOptions = {}): Promise<Membership> {
  const first = await join(peer, groupId, o)
  const joined =
    first.errorCode === 0 ? first : await join(peer, groupId, { ...o, memberId: first.memberId })
  return { groupId, memberId: joined.memberId, generationId: joined.generationId }
}

export interface Membership {
  readonly groupId: string
  readonly memberId: string
  readonly generationId: number
}

export interface SyncOptions extends AskOptions {
  readonly version?: number
  readonly assignments?: Readonly<Record<string, string>>
  readonly protocolType?: string | null
  readonly protocolName?: string | null
  readonly instanceId?: string | null
}

export async function sync(peer: Peer, member: Membership, o: SyncOptions = {}) {
  const { version = 5, assignments = {}, protocolType = 'consumer', protocolName = 'range' } = o
  return peer.ask(
    'SyncGroup',
    version,
    {
      ...member,
      ...(version >= 3 ? { groupInstanceId: o.instanceId ?? null } : {}),
      ...(version >= 5 ? { protocolType, protocolName } : {}),
      assignments: Object.entries(assignments).map(([memberId, text]) => ({
        memberId,
        assignment: utf8Bytes(text),
      })),
    },
    o,
  )
}

/** A group of one that is stable. */
export async function settle(
  peer: Peer,
  groupId: string,
  o: JoinOptions = {},
): Promise<Membership> {
  const member = await enter(peer, groupId, o)
  const assignments = { [member.memberId]: 'all' }
  const protocolName = o.protocols?.[0] ?? 'range'
  await sync(peer, member, { assignments, protocolName, instanceId: o.instanceId ?? null })
  return member
}

export async function beat(peer: Peer, member: Membership, groupInstanceId: string | null = null) {
  return peer.ask('Heartbeat', 4, { ...member, groupInstanceId })
}

export async function leave(
  peer: Peer,
  groupId: string,
  members: readonly { memberId: string; groupInstanceId?: string | null }[],
  version = 5,
) {
  return peer.ask('LeaveGroup', version, { groupId, members: [...members] })
}

export async function describe(peer: Peer, groupId: string, version = 5) {
  return peer.ask('DescribeGroups', version, { groups: [groupId] })
}

export async function untilState(peer: Peer, groupId: string, state: string): Promise<void> {
  for (let left = 300; left > 0; left--) {
    const request = { groups: [groupId] }
    const { groups } = await peer.ask('DescribeGroups', 5, request, { aside: true })
    if (groups[0]?.groupState === state) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`${groupId} did not become ${state}`)
}
