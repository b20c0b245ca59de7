/** Looking at groups and clearing them away. */
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
} from '../schema.ts'
import { operationsUnknown } from './metadata.ts'

/** DescribeGroups · v3 has authorized operations, v4 static members, v6 an error's text. */
export const DescribeGroupsRequest = struct({
  groups: array(string),
  includeAuthorizedOperations: since(3, bool),
})

const DescribedMember = struct({
  memberId: string,
  groupInstanceId: ignorable(since(4, nullable(string, 4), null)),
  clientId: string,
  clientHost: string,
  memberMetadata: bytes,
  memberAssignment: bytes,
})

export const DescribeGroupsResponse = struct({
  throttleTimeMs: ignorable(since(1, int32)),
  groups: array(
    struct({
      errorCode: int16,
      errorMessage: since(6, nullable(string, 6), null),
      groupId: string,
      groupState: string,
      protocolType: string,
      protocolData: string,
      members: array(DescribedMember),
      authorizedOperations: since(3, int32, operationsUnknown),
    }),
  ),
})

/** ListGroups · v4 filters by state (KIP-518), v5 by type (KIP-848). */
export const ListGroupsRequest = struct({
  statesFilter: since(4, array(string)),
  typesFilter: since(5, array(string)),
})

export const ListGroupsResponse = struct({
  throttleTimeMs: ignorable(since(1, int32)),
  errorCode: int16,
  groups: array(
    struct({
      groupId: string,
      protocolType: string,
      groupState: ignorable(since(4, string)),
      groupType: ignorable(since(5, string)),
    }),
  ),
})

/** DeleteGroups · KIP-229. v3 says what went wrong in words. */
export const DeleteGroupsRequest = struct({ groupsNames: array(string) })

export const DeleteGroupsResponse = struct({
  throttleTimeMs: int32,
  results: array(
    struct({
      groupId: string,
      errorCode: int16,
      errorMessage: ignorable(since(3, nullable(string, 3), null)),
    }),
  ),
})

/** OffsetDelete · KIP-496. */
export const OffsetDeleteRequest = struct({
  groupId: string,
  topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32 })) })),
})

export const OffsetDeleteResponse = struct({
  errorCode: int16,
  throttleTimeMs: ignorable(int32),
  topics: array(
    struct({
      name: string,
      partitions: array(struct({ partitionIndex: int32, errorCode: int16 })),
    }),
  ),
})
