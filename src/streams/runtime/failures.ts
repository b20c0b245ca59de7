/** Which failures a running service survives. */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'

/** Failures of the world around the service: what is committed is right, and it can go on from there. */
export function isRecoverable(error: unknown): boolean {
  return isHeadwaterError(error) && (error.retriable || recoverableCodes.has(error.code))
}

const recoverableCodes: ReadonlySet<string> = new Set([
  'connection-failed',
  'connection-lost',
  'fenced',
  'protocol-error',
  'stale-member',
  'timeout',
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
