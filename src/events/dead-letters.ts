/**
 * The stream of what a service could not process: `<service>-dead-letters`, one partition, keyed by letter.
 *
 * Its contract is the platform's own (`headwater/v1/dead_letter.proto`) and its name the service's, so the
 * stream has no option in a `.proto` file. Other services may read it like any other stream.
 */
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt'
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { compileCodec } from '../schema/codec.ts'
import { DeadLetterSchema, Outcome } from '../schema/gen/headwater/v1/dead_letter_pb.ts'
import type { FailedRecord, SettledLetter } from '../schema/gen/headwater/v1/dead_letter_pb.ts'
import { keyspace } from './event.ts'
import type { EventType, Keyspace } from './event.ts'

export { Outcome }
export type { FailedRecord, SettledLetter }

/** The header of a record that is a replay: the service it is for. Nobody else processes it. */
export const replayForHeader = 'headwater-replay-for'
/** The header with the id of the letter that is replayed. */
export const replayOfHeader = 'headwater-replay-of'

/** Letters are few, and read from their beginning: one partition keeps them in order. */
const deadLetterId = keyspace.string('DeadLetterId', { partitions: 1 })

/** The dead letters of a service, as a stream that it owns. */
export type DeadLetters<N extends string = string> = EventType<
  'keyed',
  `${N}-dead-letters`,
  typeof DeadLetterSchema,
  Keyspace<'DeadLetterId', string>,
  N
>

/** The stream of a service's dead letters, to be read by others. */
export function deadLettersOf<const N extends string>(service: N): DeadLetters<N> {
  return Object.freeze({
    kind: 'keyed',
    name: `${service}-dead-letters`,
    schema: DeadLetterSchema,
    key: deadLetterId,
    by: 'id',
    owner: service,
    context: 'headwater',
    partitions: deadLetterId.partitions,
    codec: compileCodec(DeadLetterSchema),
    keyOf: ({ id = '' }) => id,
    eventTimeOf: () => undefined,
  })
}

/** A moment as letters have it; `ms` since 1970. */
export function letterTime(ms: number): Timestamp {
  return timestampFromMs(ms)
}

/** Milliseconds since 1970 of a moment in a letter; undefined when it has none. */
export function letterMs(at: Timestamp | undefined): number | undefined {
  return at && timestampMs(at)
}
