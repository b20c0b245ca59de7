/**
 * Every topic config by name: its type, its default, the values it takes, and the broker-wide setting
 * that stands behind it. Names, types and defaults are Kafka's (4.x), with one exception: records are
 * kept for ever (`retention.ms` −1, where Kafka has a week) unless a topic or the broker says otherwise.
 *
 * Values are the strings clients send; 64-bit ones may exceed what a JavaScript number holds, so ranges
 * are compared as bigints.
 */
import { utf8Bytes } from '../../base/bytes.ts'
import { configBytesMax } from './options.ts'

/** `DescribeConfigs` numbers for types. */
export const configTypes = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
} as const
type ConfigType = keyof typeof configTypes

export interface ConfigSpec {
  readonly name: string
  readonly type: ConfigType
  readonly byDefault: string
  /** The broker-wide setting that gives the default of every topic that does not set its own. */
  readonly synonym: string | undefined
  /** Least value of a number, or the values a string or each item of a list may be. */
  readonly valid: number | readonly string[] | undefined
}

const longMax = '9223372036854775807'
/** Digits of the largest number a config can be, and a sign. */
const integerCharactersMax = longMax.length + 1
const day = '86400000'
const codecs = ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'] as const

type Row = readonly [
  name: string,
  type: ConfigType,
  byDefault: string,
  synonym?: string | undefined,
  valid?: number | readonly string[],
]

const rows: readonly Row[] = [
  ['cleanup.policy', 'list', 'delete', 'log.cleanup.policy', ['compact', 'delete']],
  ['compression.gzip.level', 'int', '-1', 'compression.gzip.level', -1],
  ['compression.lz4.level', 'int', '9', 'compression.lz4.level', 1],
  ['compression.type', 'string', 'producer', 'compression.type', codecs],
  ['compression.zstd.level', 'int', '3', 'compression.zstd.level', -131072],
  ['delete.retention.ms', 'long', day, 'log.cleaner.delete.retention.ms', 0],
  ['errors.deadletterqueue.group.enable', 'boolean', 'false'],
  ['file.delete.delay.ms', 'long', '60000', 'log.segment.delete.delay.ms', 0],
  ['flush.messages', 'long', longMax, 'log.flush.interval.messages', 1],
  ['flush.ms', 'long', longMax, 'log.flush.interval.ms', 0],
  ['follower.replication.throttled.replicas', 'list', ''],
  ['index.interval.bytes', 'int', '4096', 'log.index.interval.bytes', 0],
  ['leader.replication.throttled.replicas', 'list', ''],
  ['local.retention.bytes', 'long', '-2', 'log.local.retention.bytes', -2],
  ['local.retention.ms', 'long', '-2', 'log.local.retention.ms', -2],
  ['max.compaction.lag.ms', 'long', longMax, 'log.cleaner.max.compaction.lag.ms', 1],
  ['max.decompressed.message.bytes', 'int', '2147483639', 'max.decompressed.message.bytes', 1],
  ['max.message.bytes', 'int', '1048588', 'message.max.bytes', 0],
  ['message.timestamp.after.max.ms', 'long', '3600000', 'log.message.timestamp.after.max.ms', 0],
  ['message.timestamp.before.max.ms', 'long', longMax, 'log.message.timestamp.before.max.ms', 0],
  [
    'message.timestamp.type',
    'string',
    'CreateTime',
    'log.message.timestamp.type',
    ['CreateTime', 'LogAppendTime'],
  ],
  ['min.cleanable.dirty.ratio', 'double', '0.5', 'log.cleaner.min.cleanable.ratio', 0],
  ['min.compaction.lag.ms', 'long', '0', 'log.cleaner.min.compaction.lag.ms', 0],
  ['min.insync.replicas', 'int', '1', 'min.insync.replicas', 1],
  ['preallocate', 'boolean', 'false', 'log.preallocate'],
  ['remote.copy.lag.bytes', 'long', '-1', undefined, -1],
  ['remote.copy.lag.ms', 'long', '0', undefined, -1],
  ['remote.log.copy.disable', 'boolean', 'false'],
  ['remote.log.delete.on.disable', 'boolean', 'false'],
  // Nothing can be tiered.
  ['remote.storage.enable', 'boolean', 'false', undefined, ['false']],
  ['retention.bytes', 'long', '-1', 'log.retention.bytes', -1],
  ['retention.ms', 'long', '-1', 'log.retention.ms', -1],
  ['segment.bytes', 'int', '1073741824', 'log.segment.bytes', 1_048_576],
  ['segment.index.bytes', 'int', '10485760', 'log.index.size.max.bytes', 4],
  ['segment.jitter.ms', 'long', '0', 'log.roll.jitter.ms', 0],
  ['segment.ms', 'long', '604800000', 'log.roll.ms', 1],
  ['unclean.leader.election.enable', 'boolean', 'false', 'unclean.leader.election.enable'],
]

/** All topic configs, by name, in alphabetical order. */
export const topicConfigs: ReadonlyMap<string, ConfigSpec> = new Map(
  rows.map(([name, type, byDefault, synonym, valid]) => [
    name,
    { name, type, byDefault, synonym, valid },
  ]),
)

/** Broker-wide settings that may change while the broker runs: those behind a topic config. */
export const brokerConfigs: ReadonlyMap<string, ConfigSpec> = new Map(
  rows.flatMap(([, type, byDefault, synonym, valid]) =>
    synonym === undefined
      ? []
      : [[synonym, { name: synonym, type, byDefault, synonym: undefined, valid }]],
  ),
)

/** What is wrong with `value` for this config, as a sentence; nothing when it is fine. */
export function configFault(spec: ConfigSpec, value: string): string | undefined {
  if (!isShort(value)) {
    return `The value of ${spec.name} would have more than ${configBytesMax} bytes, the longest there is`
  }
  const fault = faultOfType(spec, value.trim())
  return fault === undefined
    ? undefined
    : `Invalid value ${value} for configuration ${spec.name}: ${fault}`
}

function isShort(value: string): boolean {
  return value.length <= configBytesMax && utf8Bytes(value).length <= configBytesMax
}

/** The items of a list config. */
export function listItems(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function faultOfType(spec: ConfigSpec, value: string): string | undefined {
  switch (spec.type) {
    case 'boolean':
      if (!/^(true|false)$/i.test(value)) return 'it must be true or false'
      return choiceFault(spec, [value.toLowerCase()])
    case 'short':
      return integerFault(spec, value, -(2n ** 15n), 2n ** 15n - 1n)
    case 'int':
      return integerFault(spec, value, -(2n ** 31n), 2n ** 31n - 1n)
    case 'long':
      return integerFault(spec, value, -(2n ** 63n), 2n ** 63n - 1n)
    case 'double': {
      const amount = Number(value)
      if (value === '' || Number.isNaN(amount)) return 'it must be a number'
      return amount >= 0 && amount <= 1 ? undefined : 'it must be between 0 and 1'
    }
    case 'string':
      return choiceFault(spec, [value])
    case 'list':
      return choiceFault(spec, listItems(value))
  }
}

function integerFault(
  spec: ConfigSpec,
  value: string,
  least: bigint,
  most: bigint,
): string | undefined {
  if (!/^[+-]?\d+$/.test(value)) return 'it must be a whole number'
  // More digits than a 64-bit number has take longer to read than they are many.
  const digits = value.replace(/^([+-]?)0+(?=\d)/, '$1')
  if (digits.length > integerCharactersMax) return `it does not fit in a ${spec.type}`
  const amount = BigInt(digits)
  if (amount < least || amount > most) return `it does not fit in a ${spec.type}`
  if (typeof spec.valid === 'number' && amount < BigInt(spec.valid)) {
    return `it must be at least ${spec.valid}`
  }
  return undefined
}

function choiceFault(spec: ConfigSpec, chosen: readonly string[]): string | undefined {
  const valid = spec.valid
  if (typeof valid !== 'object') return undefined
  const strange = chosen.filter((item) => !valid.includes(item))
  return strange.length === 0 ? undefined : `it must be one of ${valid.join(', ')}`
}
