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
