/**
 * What the members of a consumer group tell each other, inside the opaque bytes of JoinGroup and
 * SyncGroup: two bytes of version, then the body. The coordinator never reads it.
 *
 * A reader takes a newer version for the newest it knows: later versions only add at the end.
 */
import { Reader } from '../../base/bytes.ts'
import {
  array,
  bytes,
  compile,
  ignorable,
  int16,
  int32,
  nullable,
  since,
  string,
  struct,
  type Infer,
  type Input,
  type Type,
  withDefault,
} from '../schema.ts'

const TopicPartitions = struct({ topic: string, partitions: array(int32) })

/** Subscription · v1 says what the member owns (KIP-429), v2 since when, v3 where it runs (KIP-881). */
export const ConsumerProtocolSubscription = struct({
  topics: array(string),
  userData: withDefault(nullable(bytes), null),
  ownedPartitions: ignorable(since(1, array(TopicPartitions))),
  generationId: ignorable(since(2, int32, -1)),
  rackId: ignorable(since(3, nullable(string, 3), null)),
})
export type ConsumerProtocolSubscription = Infer<typeof ConsumerProtocolSubscription>

export const ConsumerProtocolAssignment = struct({
  assignedPartitions: array(TopicPartitions),
  userData: withDefault(nullable(bytes), null),
})
export type ConsumerProtocolAssignment = Infer<typeof ConsumerProtocolAssignment>

/** The newest version of both. */
export const consumerProtocolVersion = 3

const subscription = versioned(ConsumerProtocolSubscription)
const assignment = versioned(ConsumerProtocolAssignment)

export const encodeSubscription = subscription.encode
export const decodeSubscription = subscription.decode
export const encodeAssignment = assignment.encode
export const decodeAssignment = assignment.decode

function versioned<T>(type: Type<T>): {
  readonly encode: (value: Input<T>) => Uint8Array
  /** Throws `frame-invalid` when the bytes are no such message. */
  readonly decode: (encoded: Uint8Array) => T
} {
  const codecs = Array.from({ length: consumerProtocolVersion + 1 }, (_, version) =>
    compile(struct({ version: int16, body: type }), version, false, 'consumer protocol'),
  )
  const newest = codecs[consumerProtocolVersion]!
  return {
    encode: (value) => newest.encode({ version: consumerProtocolVersion, body: value }),
    decode: (encoded) => {
      const version = Math.max(0, new Reader(encoded).int16())
      return (codecs[version] ?? newest).decode(encoded).body
    },
  }
}
