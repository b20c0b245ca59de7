/** Error codes in responses: which ones say that a role is elsewhere, and whether a response has one. */
import { ErrorCode } from '../../protocol/errors.ts'

/** Codes that say a coordinator is not where we asked, or not yet. */
export const coordinatorCodes: readonly number[] = [
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR,
]

/** Codes that say a partition's leader is not where we asked, or not yet. */
export const leaderCodes: readonly number[] = [
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.REPLICA_NOT_AVAILABLE,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.UNKNOWN_LEADER_EPOCH,
  ErrorCode.OFFSET_NOT_AVAILABLE,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.INCONSISTENT_TOPIC_ID,
]

/** Whether an error code anywhere in a response is one of these; responses keep them at many depths. */
export function hasCode(value: unknown, codes: readonly number[]): boolean {
  if (codes.length === 0) return false
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false
  for (const [name, part] of Object.entries(value)) {
    if (typeof part === 'object') {
      if (hasCode(part, codes)) return true
    } else if (name === 'errorCode' || name === 'partitionErrorCode') {
      if (codes.includes(part as number)) return true
    }
  }
  return false
}
