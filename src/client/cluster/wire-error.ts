/**
 * From an error code of the protocol to an operating error with a cause and a way on.
 *
 * The client retries what it can by itself; what arrives here is what the caller has to know. Codes keep
 * their Kafka names in the text, because that is what people search for.
 */
import type { HeadwaterErrorCode } from '../../base/errors.ts'
import { HeadwaterError } from '../../base/errors.ts'
import { ErrorCode, errorName, errorText, isRetriable } from '../../protocol/errors.ts'

/** The operating error for `code`. @param doing what failed, as in `commit offsets of group 'board'` */
export function wireError(code: number, doing: string, detail?: string | null): HeadwaterError {
  const cause = detail ?? errorText(code)
  const fix = fixes.get(code)
  const text = `could not ${doing}: ${cause} (${errorName(code)})${fix === undefined ? '' : `; ${fix}`}`
  return new HeadwaterError(operatingCodes.get(code) ?? 'protocol-error', text, {
    retriable: isRetriable(code),
  })
}

/** Throws the operating error for any code but NONE. */
export function throwOnError(code: number, doing: string, detail?: string | null): void {
  if (code !== ErrorCode.NONE) throw wireError(code, doing, detail)
}

/** The error of a member that is not current: its partitions are someone else's by now (KIP-447). */
export function staleMemberError(code: number, doing: string): HeadwaterError | undefined {
  if (!staleCodes.includes(code)) return undefined
  return new HeadwaterError(
    'stale-member',
    `could not ${doing}: this member is not in the group's current generation (${errorName(code)}), its partitions may be another's; rejoin and go on from the committed offsets`,
  )
}

const staleCodes: readonly number[] = [
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.FENCED_INSTANCE_ID,
]

const operatingCodes = new Map<number, HeadwaterErrorCode>([
  [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'not-found'],
  [ErrorCode.UNKNOWN_TOPIC_ID, 'not-found'],
  [ErrorCode.OFFSET_OUT_OF_RANGE, 'offset-out-of-range'],
  [ErrorCode.GROUP_ID_NOT_FOUND, 'not-found'],
  [ErrorCode.REQUEST_TIMED_OUT, 'timeout'],
  [ErrorCode.CORRUPT_MESSAGE, 'data-corrupt'],
  [ErrorCode.MESSAGE_TOO_LARGE, 'record-invalid'],
  [ErrorCode.RECORD_LIST_TOO_LARGE, 'record-invalid'],
  [ErrorCode.INVALID_RECORD, 'record-invalid'],
  [ErrorCode.INVALID_TIMESTAMP, 'record-invalid'],
  [ErrorCode.INVALID_PRODUCER_EPOCH, 'fenced'],
  [ErrorCode.PRODUCER_FENCED, 'fenced'],
  [ErrorCode.INVALID_TXN_STATE, 'fenced'],
  [ErrorCode.FENCED_INSTANCE_ID, 'fenced'],
  [ErrorCode.UNSUPPORTED_VERSION, 'unsupported-version'],
  [ErrorCode.INVALID_TOPIC_EXCEPTION, 'config-invalid'],
  [ErrorCode.INVALID_PARTITIONS, 'config-invalid'],
  [ErrorCode.INVALID_REPLICATION_FACTOR, 'config-invalid'],
  [ErrorCode.INVALID_CONFIG, 'config-invalid'],
  [ErrorCode.INVALID_SESSION_TIMEOUT, 'config-invalid'],
  [ErrorCode.INVALID_TRANSACTION_TIMEOUT, 'config-invalid'],
])

const fixes = new Map<number, string>([
  [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'create the topic first, or check its name'],
  [
    ErrorCode.MESSAGE_TOO_LARGE,
    "write smaller records or a smaller batchBytes, or raise the topic's max.message.bytes",
  ],
  [
    ErrorCode.INVALID_PRODUCER_EPOCH,
    'another producer has this transactional id now, or the transaction was open longer than its timeout: start a new producer and repeat the transaction',
  ],
  [
    ErrorCode.INVALID_TXN_STATE,
    'the transaction is over, perhaps because it was open longer than its timeout: start a new producer and repeat it',
  ],
  [
    ErrorCode.PRODUCER_FENCED,
    'another producer has this transactional id now: only the newest may write',
  ],
  [
    ErrorCode.FENCED_INSTANCE_ID,
    'another member has this group instance id now: give each instance its own',
  ],
  [
    ErrorCode.INVALID_TRANSACTION_TIMEOUT,
    "choose a transactionTimeoutMs below the broker's transaction.max.timeout.ms",
  ],
  [
    ErrorCode.GROUP_MAX_SIZE_REACHED,
    'the group has as many members, or they hold as much, as the broker lets a group: use fewer members, or several groups',
  ],
  [
    ErrorCode.INVALID_SESSION_TIMEOUT,
    "choose a sessionTimeoutMs within the broker's group.min and group.max.session.timeout.ms",
  ],
])
