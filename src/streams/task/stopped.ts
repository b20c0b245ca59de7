/** What stops a service at a record, with the record's place. */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'

export interface StoppedPlace {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** The text that begins every such error. */
export function stoppedText(service: string, { topic, partition, offset }: StoppedPlace): string {
  return `service '${service}' stopped at record ${offset} of partition ${partition} of topic '${topic}'`
}

/** A function's failure with the place and the ways on; anything else as it is. */
export function stoppedAt(service: string, place: StoppedPlace, error: unknown): unknown {
  if (!isHeadwaterError(error, 'operator-failed')) return error
  const fix =
    'the service stays at this record: repair the function and start it again, or let such records ' +
    "pass (onError: 'skip' or 'deadLetter')"
  const { message, cause } = error
  const text = `${stoppedText(service, place)}: ${message}; ${fix}`
  return new HeadwaterError('operator-failed', text, { cause })
}
