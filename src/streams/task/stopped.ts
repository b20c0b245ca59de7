/** What stops a service at a record, with the record's place. */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { HeadwaterErrorCode } from '../../base/errors.ts'

export interface StoppedPlace {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** An error whose text begins with the service and the record that it stopped at. */
export class StoppedError extends HeadwaterError {
  readonly place: StoppedPlace

  /** @param why what the text goes on with */
  constructor(
    code: HeadwaterErrorCode,
    { service, place, why }: { service: string; place: StoppedPlace; why: string },
    cause?: unknown,
  ) {
    const { topic, partition, offset } = place
    const at = `record ${offset} of partition ${partition} of topic '${topic}'`
    super(code, `service '${service}' stopped at ${at}: ${why}`, { cause })
    this.place = { topic, partition, offset }
  }
}

/** A function's failure with the place and the ways on; anything else as it is. */
export function stoppedAt(service: string, place: StoppedPlace, error: unknown): unknown {
  if (!isHeadwaterError(error, 'operator-failed')) return error
  const fix =
    'the service stays at this record: repair the function and start it again, or let such records ' +
    "pass (onError: 'skip' or 'deadLetter')"
  const { message, cause } = error
  return new StoppedError('operator-failed', { service, place, why: `${message}; ${fix}` }, cause)
}

/** Why the bytes of a record are no message of its stream, or its key none of its keyspace. */
export function undecodable(what: 'key' | 'value', cause: unknown): HeadwaterError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new HeadwaterError('record-invalid', `the ${what} does not decode: ${reason}`, { cause })
}
