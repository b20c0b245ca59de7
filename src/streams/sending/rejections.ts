/** Why events are not sent, in words, and whether they may be stored nevertheless. */
import { HeadwaterError } from '../../base/errors.ts'
import type { HeadwaterErrorCode } from '../../base/errors.ts'

/** Failures that pass without anybody doing anything. */
const passing: ReadonlySet<HeadwaterErrorCode> = new Set([
  'buffer-full',
  'connection-failed',
  'connection-lost',
  'fenced',
  'timeout',
])

/** What the sender of one event is told. */
export function eventRejected(
  stream: string,
  cause: HeadwaterError,
  isUnknown: boolean,
): HeadwaterError {
  return rejected(`an event of stream '${stream}'`, cause, isUnknown)
}

/** What the caller of a transaction is told that failed for another reason than its own function. */
export function transactionRejected(cause: HeadwaterError, isUnknown: boolean): HeadwaterError {
  return rejected('a transaction', cause, isUnknown)
}

function rejected(what: string, cause: HeadwaterError, isUnknown: boolean): HeadwaterError {
  const became = isUnknown
    ? `${what} may or may not be stored`
    : `${what} was given up, and nothing of it is stored`
  return new HeadwaterError(cause.code, `${became}: ${cause.message}`, {
    cause,
    outcome: isUnknown ? 'unknown' : 'not-written',
    retriable: cause.retriable || passing.has(cause.code),
  })
}

export function bufferFull(stream: string, bufferBytesMax: number): HeadwaterError {
  return new HeadwaterError(
    'buffer-full',
    `an event of stream '${stream}' was refused: events that the broker has not acknowledged hold ${bufferBytesMax} bytes already; wait for some of them, send less at once, or raise bufferBytesMax`,
    { retriable: true, outcome: 'not-written' },
  )
}

export function transactionFull(stream: string, bufferBytesMax: number): HeadwaterError {
  return new HeadwaterError(
    'buffer-full',
    `an event of stream '${stream}' was refused: with it, those of its transaction take more than ${bufferBytesMax} bytes; put fewer into one transaction, or raise bufferBytesMax`,
    { outcome: 'not-written' },
  )
}

export function lineFull(transactionsWaitingMax: number): HeadwaterError {
  return new HeadwaterError(
    'buffer-full',
    `a transaction was refused: ${transactionsWaitingMax} wait for their turn already; put more into each, or raise transactionsWaitingMax`,
    { retriable: true, outcome: 'not-written' },
  )
}

export function producerClosed(service: string): HeadwaterError {
  return new HeadwaterError(
    'producer-closed',
    `service '${service}' sends no more: its producer is closed; send before closing it, or make another one`,
    { outcome: 'not-written' },
  )
}

export function tooLate(deliveryTimeoutMs: number): HeadwaterError {
  return new HeadwaterError(
    'timeout',
    `it did not end within ${deliveryTimeoutMs} ms: its function took too long, others were before it, or the broker is away; make it shorter, or raise deliveryTimeoutMs`,
  )
}
