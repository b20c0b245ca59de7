/**
 * Why a connection could not be had, or was lost, as far as this end can tell: a port that speaks TLS, one that
 * asks who is there, and one that does neither hang up in ways of their own.
 */
import type { Address } from '../../base/address.ts'
import { addressText } from '../../base/address.ts'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'

/** @param o.isLearnt the cluster named this address; nobody gave it */
export function unreachable(
  o: Address & { readonly isLearnt?: boolean },
  cause: unknown,
): HeadwaterError {
  // A broker inside this process does not come back at the same `dial`.
  if (isHeadwaterError(cause, 'broker-closed')) return cause
  const source = o.isLearnt
    ? '; this is the address the broker advertises (advertised.listeners): behind a mapped port or a tunnel, ' +
      'have it advertise the one that is dialled (headwater broker --advertise HOST:PORT)'
    : ''
  // Whoever dialled has named the address and the fix already.
  if (isHeadwaterError(cause, 'tls-failed') || isHeadwaterError(cause, 'connection-failed')) {
    const retriable = cause.code === 'connection-failed'
    return new HeadwaterError(cause.code, `${cause.message}${source}`, { retriable, cause })
  }
  const why = cause instanceof Error ? `: ${cause.message}` : ' in time'
  return new HeadwaterError(
    'connection-failed',
    `could not connect to the broker at ${addressText(o)}${why}; check the address and that the broker is running${source}`,
    { retriable: true, cause },
  )
}

/** What is told to whoever waits for a connection that this end closes. */
export function closed(address: string): HeadwaterError {
  return new HeadwaterError('connection-lost', `the connection to ${address} is closed`)
}

export interface LostOptions {
  readonly address: string
  readonly cause: Error | undefined
  /** How many requests had been answered. */
  readonly answers: number
  readonly isEncrypted: boolean
  readonly isSignedIn: boolean
}

/** The error of a connection that was closed. One that TLS refused is for good. */
export function lost(o: LostOptions): HeadwaterError {
  if (isHeadwaterError(o.cause)) return o.cause
  const why = o.cause === undefined ? '' : `: ${o.cause.message}`
  return new HeadwaterError(
    'connection-lost',
    `the broker at ${o.address} closed the connection${why}${guess(o)}`,
    { retriable: true, cause: o.cause },
  )
}

/** A broker that stops hangs up just so, which is why this is a guess. */
function guess({ answers, isEncrypted, isSignedIn }: LostOptions): string {
  if (answers === 0) {
    return isEncrypted
      ? '; it may ask for a certificate of the client: give one with cert= and key='
      : '; if this port speaks TLS, write kafka+ssl://'
  }
  // The handshake alone is answered before anybody has signed in.
  return answers === 1 && !isSignedIn
    ? '; if this port asks who its clients are, write kafka://USER@HOST:PORT?sasl=MECHANISM'
    : ''
}

/** Whether bytes begin an alert of TLS; as a length of a frame they would be too large. */
export function speaksTls(chunk: Uint8Array): boolean {
  return chunk[0] === 0x15 && chunk[1] === 0x03
}

export function tlsPort(address: string): HeadwaterError {
  return new HeadwaterError(
    'tls-failed',
    `the broker at ${address} speaks TLS on this port, and was addressed in plain text: write kafka+ssl:// before the address`,
  )
}

/** What was in flight when nobody could sign in again is tried on a new connection, which says why not. */
export function notSignedInAgain(address: string, cause: unknown): HeadwaterError {
  // Of an error that is not ours nobody knows what it tells.
  const why = isHeadwaterError(cause) ? cause.message : 'its mechanism failed'
  return new HeadwaterError(
    'connection-lost',
    `the time of this sign-in to the broker at ${address} is almost over, and it could not be renewed: ${why}`,
    { retriable: true, cause },
  )
}
