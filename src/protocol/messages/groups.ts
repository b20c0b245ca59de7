/** Classic consumer groups: joining, sharing out, staying alive, leaving. */
import {
  array,
  bool,
  bytes,
  ignorable,
  int16,
  int32,
  nullable,
  since,
  string,
  struct,
  until,
  withDefault,
} from '../schema.ts'

/** JoinGroup · v4 asks newcomers to come back with an id (KIP-394); v5 has static members (KIP-345). */
export const JoinGroupRequest = struct({
  groupId: string,
  sessionTimeoutMs: int32,
  rebalanceTimeoutMs: ignorable(since(1, int32, -1)),
  memberId: string,
  groupInstanceId: since(5, nullable(string, 5), null),
  protocolType: string,
  protocols: array(struct({ name: string, metadata: bytes })),
  reason: ignorable(since(8, nullable(string, 8), null)),
})

export const JoinGroupResponse = struct({
  throttleTimeMs: ignorable(since(2, int32)),
  errorCode: int16,
  generationId: withDefault(int32, -1),
  protocolType: ignorable(since(7, nullable(string, 7), null)),
  protocolName: nullable(string, 7),
  leader: string,
  skipAssignment: since(9, bool),
  memberId: string,
  members: array(
    struct({
      memberId: string,
      groupInstanceId: ignorable(since(5, nullable(string, 5), null)),
      metadata: bytes,
    }),
  ),
})

/** SyncGroup · v5 repeats the protocol, so that a member notices a mix-up (KIP-559). */
export const SyncGroupRequest = struct({
  groupId: string,
  generationId: int32,
  memberId: string,
  groupInstanceId: since(3, nullable(string, 3), null),
  protocolType: ignorable(since(5, nullable(string, 5), null)),
  protocolName: ignorable(since(5, nullable(string, 5), null)),
  assignments: array(struct({ memberId: string, assignment: bytes })),
})

export const SyncGroupResponse = struct({
  throttleTimeMs: ignorable(since(1, int32)),
  errorCode: int16,
  protocolType: ignorable(since(5, nullable(string, 5), null)),
  protocolName: ignorable(since(5, nullable(string, 5), null)),
  assignment: bytes,
})

/** Heartbeat. */
export const HeartbeatRequest = struct({
  groupId: string,
  generationId: int32,
  memberId: string,
  groupInstanceId: since(3, nullable(string, 3), null),
})

export const HeartbeatResponse = struct({
  throttleTimeMs: ignorable(since(1, int32)),
  errorCode: int16,
})

/** LeaveGroup · v3 lets several members go at once (KIP-345). */
export const LeaveGroupRequest = struct({
  groupId: string,
  memberId: until(2, string),
  members: since(
    3,
    array(
      struct({
        memberId: string,
        groupInstanceId: withDefault(nullable(string), null),
        reason: ignorable(since(5, nullable(string, 5), null)),
      }),
    ),
  ),
})

export const LeaveGroupResponse = struct({
  throttleTimeMs: ignorable(since(1, int32)),
  errorCode: int16,
  members: since(
    3,
    array(
      struct({
        memberId: string,
        groupInstanceId: nullable(string),
        errorCode: int16,
      }),
    ),
  ),
})
