/**
 * The three ways something goes wrong.
 *
 * - A *wire error* is a code from `protocol/errors.ts` and is returned, never thrown.
 * - An *operating error* is a `HeadwaterError`: the world refused (a used port, a full disk, bad input).
 *   It is recognised by `code`, never by class, because two copies of the package may be loaded.
 * - A *broken invariant* is an `assert` that failed: a bug of ours. Nothing catches it on the way.
 */

/** Every code an operating error can carry. The text of an error names the cause and the fix. */
export type HeadwaterErrorCode =
  | 'authentication-failed'
  | 'broker-closed'
  | 'buffer-full'
  | 'config-invalid'
  | 'connection-failed'
  | 'connection-lost'
  | 'contract-invalid'
  | 'data-corrupt'
  | 'data-dir-locked'
  | 'data-dir-version'
  | 'disk-failed'
  | 'disk-full'
  | 'fenced'
  | 'frame-invalid'
  | 'frame-too-large'
  | 'input-invalid'
  | 'input-missing'
  | 'not-found'
  | 'not-ready'
  | 'offset-out-of-range'
  | 'operator-failed'
  | 'partition-elsewhere'
  | 'port-in-use'
  | 'producer-closed'
  | 'protocol-error'
  | 'query-failed'
  | 'record-invalid'
  | 'records-lost'
  | 'service-closed'
  | 'stale-member'
  | 'state-mismatch'
  | 'timeout'
  | 'tls-failed'
  | 'too-many-files'
  | 'topic-replaced'
  | 'topology-invalid'
  | 'unsupported-version'

export class HeadwaterError extends Error {
  override readonly name = 'HeadwaterError'
  readonly code: HeadwaterErrorCode
  /** Whether the same call may succeed later without anyone changing anything. */
  readonly retriable: boolean
  /**
   * Of what was to be written: whether it may be there nevertheless (`unknown`) or certainly is not.
   * Undefined where nothing was to be written.
   */
  readonly outcome: 'not-written' | 'unknown' | undefined

  constructor(
    code: HeadwaterErrorCode,
    message: string,
    options: { retriable?: boolean; cause?: unknown; outcome?: 'not-written' | 'unknown' } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retriable = options.retriable ?? false
    this.outcome = options.outcome
  }

  /** The code of the operating error that led to this one; undefined when none did. */
  get causeCode(): HeadwaterErrorCode | undefined {
    return isHeadwaterError(this.cause) ? this.cause.code : undefined
  }
}

/** True for any `HeadwaterError`, or only for one with `code` when that is given. */
export function isHeadwaterError(
  error: unknown,
  code?: HeadwaterErrorCode,
): error is HeadwaterError {
  if (!(error instanceof Error) || error.name !== 'HeadwaterError') return false
  return code === undefined || (error as HeadwaterError).code === code
}

class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Ends the process or the task when an invariant of ours does not hold; on in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}
