/** Why a store takes nothing more. */
import { HeadwaterError } from '../../base/errors.ts'

export function closedError(): HeadwaterError {
  return new HeadwaterError('broker-closed', 'the log store is closed: open it again to append')
}

export function unexpectedError(cause: unknown): HeadwaterError {
  const text = cause instanceof Error ? cause.message : String(cause)
  return new HeadwaterError(
    'disk-failed',
    `storing failed (${text}), and the store takes nothing more: start it again; nothing acknowledged is lost`,
    { cause },
  )
}
