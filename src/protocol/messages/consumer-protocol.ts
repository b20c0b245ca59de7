/**
 * What the members of a consumer group tell each other, inside the opaque bytes of JoinGroup and
 * SyncGroup: two bytes of version, then the body.
 *
 * Version 0 is written, which every client understands. Later versions only add at the end, so of those
 * what version 0 has is read, and the rest is not.
 */
import {
  array,
  bytes,
  compile,
  int16,
  int32,
  nullable,
  string,
  struct,
  type Input,
  type Type,
  withDefault,
} from '../schema.ts'

/** What a member subscribes to; the bytes are its assignor's. */
export const ConsumerProtocolSubscription = struct({
  topics: array(string),
  userData: withDefault(nullable(bytes), null),
})

export const ConsumerProtocolAssignment = struct({
  assignedPartitions: array(struct({ topic: string, partitions: array(int32) })),
  userData: withDefault(nullable(bytes), null),
})

/** The version of both that is written and read. */
export const consumerProtocolVersion = 0

const subscription = versioned(ConsumerProtocolSubscription)
const assignment = versioned(ConsumerProtocolAssignment)

export const encodeSubscription = subscription.encode
export const decodeSubscription = subscription.decode
export const encodeAssignment = assignment.encode
export const decodeAssignment = assignment.decode

function versioned<T>(body: Type<T>): {
  readonly encode: (value: Input<T>) => Uint8Array
  /** Throws `frame-invalid` when the bytes are no such message. */
  readonly decode: (encoded: Uint8Array) => T
} {
  const message = struct({ version: int16, body })
  const codec = compile(message, consumerProtocolVersion, false, 'consumer protocol')
  return {
    encode: (value) => codec.encode({ version: consumerProtocolVersion, body: value }),
    decode: (encoded) => codec.decode(encoded).body,
  }
}
