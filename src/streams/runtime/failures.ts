/**
 * What a failure means for a running service. It arises in one of four places, and that decides:
 *
 *   user       a function of the service threw                                    stop, by name
 *   record     a record does not decode, or what was made of it cannot be stored  stop, by name
 *   producer   what was written did not get through                               go back, try again
 *   ownership  the partitions are another's, or may be                            give up, join again
 *
 * Only the first two concern the user. Where something cannot be told apart from outside (a topic that is
 * gone, an answer nobody expects, bytes damaged in the log or on their way) trying again is bounded in time.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { HeadwaterErrorCode } from '../../base/errors.ts'

/**
 * - `stop`: it will be the same next time, or a bug of ours
 * - `retry`: what is committed is right, and the service goes on from there
 * - `doubt`: as `retry`, but given up when nothing else happens for a while
 */
export type Verdict = 'stop' | 'retry' | 'doubt'

export function verdictOf(error: unknown): Verdict {
  if (!isHeadwaterError(error)) return 'stop'
  if (error.retriable || passingCodes.has(error.code)) return 'retry'
  return doubtfulCodes.has(error.code) ? 'doubt' : 'stop'
}

const passingCodes: ReadonlySet<HeadwaterErrorCode> = new Set([
  'connection-failed',
  'connection-lost',
  'fenced',
  'stale-member',
  'timeout',
])

const doubtfulCodes: ReadonlySet<HeadwaterErrorCode> = new Set([
  'data-corrupt',
  'not-found',
  'offset-out-of-range',
  'protocol-error',
])

/** Waits for the end of something that is given up: how it fails changes nothing any more. */
export async function quietly(ending: Promise<unknown>): Promise<void> {
  await ending.catch(() => undefined)
}

/** What those get who waited for a service when it was closed. */
export function closedError(service: string): HeadwaterError {
  return new HeadwaterError(
    'service-closed',
    `service '${service}' was closed while it was waited for`,
  )
}
