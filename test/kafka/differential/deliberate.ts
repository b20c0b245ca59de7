/**
 * Where our broker answers otherwise than Apache Kafka, on purpose. Scenarios hold both sides to their
 * column; `docs/protocol.md` has the same rows for readers.
 */
interface Deliberate {
  readonly kafka: unknown
  readonly ours: unknown
  readonly why: string
}

export const deliberate = {
  'the time of a duplicate': {
    kafka: true,
    ours: false,
    why: 'Kafka answers a duplicate with a time of append also where producers give the times',
  },
  'a producer id without an epoch': {
    kafka: 'NONE',
    ours: 'INVALID_RECORD',
    why: 'such a producer could never be fenced, so no client means it',
  },
  'a compression nobody knows': {
    kafka: 'UNKNOWN_SERVER_ERROR',
    ours: 'UNSUPPORTED_COMPRESSION_TYPE',
    why: 'the code says what is wrong',
  },
  'records that are noise': {
    kafka: 'UNKNOWN_SERVER_ERROR',
    ours: 'INVALID_RECORD',
    why: 'the code says what is wrong',
  },
  'records that do not decompress': {
    kafka: 'UNKNOWN_SERVER_ERROR',
    ours: 'INVALID_RECORD',
    why: 'the code says what is wrong',
  },
  'two records that both say they are the first': {
    kafka: 'NONE',
    ours: 'INVALID_RECORD',
    why: 'Kafka stores what nobody can read by its offsets; no client means it',
  },
  'the same, compressed': {
    kafka: 'UNKNOWN_SERVER_ERROR',
    ours: 'INVALID_RECORD',
    why: 'the code says what is wrong',
  },
  'a producer that gives the broker’s time': {
    kafka: 'NONE',
    ours: 'INVALID_TIMESTAMP',
    why: 'no client means it; Kafka refuses it, too, where the topic has the broker’s time',
  },
  'how long records are kept': {
    kafka: '604800000',
    ours: '-1',
    why: 'an event stays unless somebody says how long it may: nothing is lost by default',
  },
  'the source of min.insync.replicas': {
    kafka: 3,
    ours: 5,
    why: 'Kafka sets it for the cluster as it elects leaders; one broker elects nobody',
  },
  'the source of a setting of the broker': {
    kafka: 5,
    ours: 4,
    why: 'what cannot change while the broker runs is told as if it stood in a file, defaults too',
  },
  'a setting of the broker nobody made': {
    kafka: null,
    ours: '-1',
    why: 'Kafka tells nothing where hours stand in for milliseconds',
  },
  'an edit that is none': {
    kafka: 'UNKNOWN_SERVER_ERROR',
    ours: 'INVALID_REQUEST',
    why: 'the code says what is wrong',
  },
  'a group nobody has joined yet': {
    kafka: 'Empty',
    ours: 'Dead',
    why: 'ids given to newcomers make no group, so that they cost nothing',
  },
  'the aborted list of the first of two aborted transactions': {
    kafka: 2,
    ours: 1,
    why: 'both name what overlaps the records returned; Kafka may name more, as its index is coarse',
  },
  'how long a transaction that is not open has run': {
    kafka: 1,
    ours: 0,
    why: 'Kafka lists it whatever age is asked for, because it counts from 1970',
  },
  'the largest time among deleted records': {
    kafka: 1,
    ours: 4,
    why: 'an offset is given that can still be read',
  },
  'the largest time when all is deleted': {
    kafka: 1,
    ours: -1,
    why: 'there is no record any more',
  },
} as const satisfies Readonly<Record<string, Deliberate>>

export type DeliberateName = keyof typeof deliberate
