/**
 * Consumer groups as they are: members, generation, committed offsets; and what only this process knows
 * of them: who waits, and until when.
 *
 *                 ┌──────────── a member joins, leaves or is late ────────────┐
 *                 ▼                                                           │
 *     Empty ─▶ PreparingRebalance ─all joined─▶ CompletingRebalance ─sync─▶ Stable
 *       ▲                │
 *       └── none left ───┘
 *
 * Invariants: the generation only grows; a group without members is `Empty`; the leader is a member;
 * `sessions` has nothing that a restart needs.
 */
import type { ApiName } from '../../protocol/api.ts'
import type { Asked } from '../answer.ts'

export interface GroupsState {
  readonly groups: Map<string, Group>
  /** By group id; also for groups that so far only issued a member id. */
  readonly sessions: Map<string, GroupSessions>
  /** The epoch of each producer's latest markers: what is older came too late. Forgotten by a restart,
   * which ends every request that could still be late. */
  readonly markerEpochs: Map<number, number>
  /** About what the members of all groups hold, with the ids given out (`weight.ts`). */
  membersBytes: number
  /** About what the offsets of all groups hold, with their groups (`weight.ts`). */
  offsetsBytes: number
}

export type GroupPhase = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable'

export interface Group {
  readonly groupId: string
  state: GroupPhase
  protocolType: string | null
  protocolName: string | null
  leaderId: string | null
  generationId: number
  /** In the order they joined. */
  readonly members: Map<string, Member>
  /** The member id of each group instance id (KIP-345). */
  readonly instances: Map<string, string>
  /** How many members know each protocol. */
  readonly protocolCounts: Map<string, number>
  /** About what they hold (`weight.ts`). */
  membersBytes: number
  /** About what its offsets hold (`weight.ts`). */
  offsetsBytes: number
  /** By topic and partition. */
  readonly offsets: Map<string, Map<number, PartitionOffsets>>
}

export interface Member {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** In the member's order of preference. */
  readonly protocols: readonly { readonly name: string; readonly metadata: Uint8Array }[]
  readonly assignment: Uint8Array
}

export interface CommittedOffset {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

interface PendingOffset extends CommittedOffset {
  readonly producerId: number
  readonly producerEpoch: number
}

export interface PartitionOffsets {
  readonly committed: CommittedOffset | undefined
  /** Offsets of open transactions, oldest first; at most one a producer. */
  readonly pending: readonly PendingOffset[]
}

/** A request that is answered later. */
export interface Waiting<N extends ApiName> extends Asked<N> {
  readonly version: number
}

/** What is kept of a request that has to wait: not its body, whose bytes are views of a frame. */
export function waiting<N extends ApiName>({ type, token, version }: Waiting<N>): Waiting<N> {
  return { type, token, version }
}

export interface Session {
  /** When the member counts as gone, unless it waits for an answer of ours. */
  readonly deadlineMs: number
  /** Joining for the first time: it cannot send heartbeats while it waits, so it does not wait for ever. */
  readonly isNew: boolean
  readonly join: Waiting<'JoinGroup'> | undefined
  readonly sync: Waiting<'SyncGroup'> | undefined
  /** In a generation whose assignment it has not asked for yet. */
  readonly syncPending: boolean
}

export interface GroupTimers {
  /** When the join barrier stops waiting; `Infinity` for none, as for the others. */
  readonly joinDeadlineMs: number
  /** When members that have not asked for their assignment count as gone. */
  readonly syncDeadlineMs: number
  /** When a group without members and offsets is forgotten. */
  readonly emptyDeadlineMs: number
}

export interface GroupSessions {
  readonly members: Map<string, Session>
  /** Member ids given out and not used yet, with the time they lapse. */
  readonly issuedIds: Map<string, number>
  timers: GroupTimers
}

const noTimers: GroupTimers = {
  joinDeadlineMs: Infinity,
  syncDeadlineMs: Infinity,
  emptyDeadlineMs: Infinity,
}

export function initialGroups(): GroupsState {
  return {
    groups: new Map(),
    sessions: new Map(),
    markerEpochs: new Map(),
    membersBytes: 0,
    offsetsBytes: 0,
  }
}

export function blankGroup(groupId: string): Group {
  return {
    groupId,
    state: 'Empty',
    protocolType: null,
    protocolName: null,
    leaderId: null,
    generationId: 0,
    members: new Map(),
    instances: new Map(),
    protocolCounts: new Map(),
    membersBytes: 0,
    offsetsBytes: 0,
    offsets: new Map(),
  }
}

export function blankSessions(): GroupSessions {
  return { members: new Map(), issuedIds: new Map(), timers: noTimers }
}

export function offsetsOf(
  group: Group,
  topic: string,
  partition: number,
): PartitionOffsets | undefined {
  return group.offsets.get(topic)?.get(partition)
}

/** A member's protocols, each once, in its order. */
export function protocolNames({
  protocols,
}: {
  readonly protocols: readonly { readonly name: string }[]
}): ReadonlySet<string> {
  return new Set(protocols.map(({ name }) => name))
}
