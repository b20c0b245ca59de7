/**
 * What can happen to a group. Facts about members, generations and offsets are stored; who waits for
 * what, and until when, is volatile: a connection does not outlive the process, and after a restart every
 * member has a fresh session timeout to come back in.
 *
 * Members and generations are stored as they change (Kafka stores them once a rebalance is over), so a
 * restart in the middle of a rebalance forgets nobody and no generation number is given out twice.
 */
import {
  array,
  bool,
  bytes,
  int16,
  int32,
  int64,
  nullable,
  string,
  struct,
} from '../../protocol/schema.ts'
import type { Decision } from '../machine.ts'
import type { GroupTimers, Session } from './state.ts'
import { changeCodec, form, type StoredChange } from '../stored.ts'

const Offsets = array(
  struct({
    name: string,
    partitions: array(
      struct({ partition: int32, offset: int64, leaderEpoch: int32, metadata: string }),
    ),
  }),
)
const Assignments = array(struct({ memberId: string, assignment: bytes }))

const forms = {
  /** A member is new, or joined again with other timeouts or protocols. */
  'member-joined': form(
    1,
    0,
    struct({
      groupId: string,
      memberId: string,
      instanceId: nullable(string),
      clientId: string,
      clientHost: string,
      sessionTimeoutMs: int32,
      rebalanceTimeoutMs: int32,
      protocolType: string,
      protocols: array(struct({ name: string, metadata: bytes })),
    }),
  ),
  /** A static member is back under another id (KIP-345). */
  'member-replaced': form(2, 0, struct({ groupId: string, oldMemberId: string, memberId: string })),
  'member-left': form(3, 0, struct({ groupId: string, memberId: string })),
  'rebalance-started': form(4, 0, struct({ groupId: string })),
  /** The join barrier is passed. */
  'generation-formed': form(
    5,
    0,
    struct({
      groupId: string,
      generationId: int32,
      protocolName: nullable(string),
      leaderId: nullable(string),
    }),
  ),
  /** The leader has shared out the work. */
  assigned: form(6, 0, struct({ groupId: string, assignments: Assignments })),
  'offsets-committed': form(7, 0, struct({ groupId: string, topics: Offsets })),
  /** Offsets inside a transaction that is not decided yet. */
  'offsets-pending': form(
    8,
    0,
    struct({ groupId: string, producerId: int64, producerEpoch: int16, topics: Offsets }),
  ),
  'transaction-completed': form(
    9,
    0,
    struct({
      producerId: int64,
      producerEpoch: int16,
      commit: bool,
      groups: array(string),
    }),
  ),
  'offsets-deleted': form(
    10,
    0,
    struct({
      groupId: string,
      topics: array(struct({ name: string, partitions: array(int32) })),
    }),
  ),
  'group-deleted': form(11, 0, struct({ groupId: string })),
  /** All of a group but its members and offsets; written by `dump` after the members. */
  'group-restored': form(
    12,
    0,
    struct({
      groupId: string,
      state: string,
      protocolType: nullable(string),
      protocolName: nullable(string),
      leaderId: nullable(string),
      generationId: int32,
      assignments: Assignments,
    }),
  ),
}

export type StoredGroupsChange = StoredChange<typeof forms>

export type VolatileGroupsChange =
  | {
      readonly type: 'session-set'
      readonly groupId: string
      readonly memberId: string
      readonly session: Session
    }
  | { readonly type: 'timers-set'; readonly groupId: string; readonly timers: GroupTimers }
  /** A newcomer was told to come back with this id (KIP-394). */
  | {
      readonly type: 'member-id-issued'
      readonly groupId: string
      readonly memberId: string
      readonly deadlineMs: number
    }
  | { readonly type: 'member-id-dropped'; readonly groupId: string; readonly memberId: string }

export type GroupsChange = StoredGroupsChange | VolatileGroupsChange

export const groupChanges = changeCodec('groups', forms)

export type GroupsDecision = Decision<GroupsChange, never>
