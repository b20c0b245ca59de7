/** What stands on the command line, parsed: each parser refuses with what it wanted to see. */
import { InvalidArgumentError } from 'commander'
import {
  isWildcard,
  parseAddress as readAddress,
  parseHost as readHost,
  type Address,
} from '../base/address.ts'
import type { Advertised } from '../broker/listeners.ts'
import type { Durability } from '../log/store/options.ts'
import { instantForms, parseInstant } from '../base/rfc3339.ts'

export const queryPortDefault = 8092

/** A TCP port; 0 takes a free one. */
export function parsePort(text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65_535) return port
  throw new InvalidArgumentError('Write a port from 0 to 65535; 0 takes a free one.')
}

/** A whole number of at least 1. */
export function parseCount(text: string): number {
  const count = Number(text)
  if (/^\d+$/.test(text) && count >= 1 && Number.isSafeInteger(count)) return count
  throw new InvalidArgumentError('Write a whole number of at least 1.')
}

/** Memory of a broker (`memoryBytesMax`), told here so that no command loads one to show its help. */
export const memoryMiBDefault = 384
/** Least memory of a broker: three of the largest batches that topics take by default fit into each part. */
const memoryMiBMin = 16

/** Mebibytes of memory. */
export function parseMemory(text: string): number {
  const memory = Number(text)
  if (/^\d+$/.test(text) && memory >= memoryMiBMin && Number.isSafeInteger(memory)) return memory
  throw new InvalidArgumentError(`Write a whole number of MiB, at least ${memoryMiBMin}.`)
}

/** A whole number of at least 0: a partition or an offset. */
export function parseIndex(text: string): number {
  const index = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(index)) return index
  throw new InvalidArgumentError('Write a whole number of at least 0.')
}

/** An address to listen on: a host alone. */
export function parseHost(text: string): string {
  const host = readHost(text)
  if (host !== undefined) return host
  throw new InvalidArgumentError(
    'Write an address of this machine without a port, as in 127.0.0.1 or ::1; 0.0.0.0 or :: for all.',
  )
}

/** `NAME=host:port`, or as Kafka writes it `NAME://host:port`, added to those before it. */
export function parseListener(
  text: string,
  before: readonly NamedListener[] = [],
): readonly NamedListener[] {
  const [name, rest] = nameAndRest(text)
  const { host, port } = readAddress(rest) ?? {}
  if (name !== undefined && host !== undefined && port !== undefined) {
    return [...before, { name, host, port }]
  }
  throw new InvalidArgumentError(
    'Write NAME=HOST:PORT, as in EXTERNAL=0.0.0.0:9094 or EXTERNAL=[::]:9094; port 0 takes a free one.',
  )
}

export interface NamedListener extends Address {
  readonly name: string
}

/** `[NAME=]host[:port]`, or `NAME://host:port`, added to those before it. */
export function parseAdvertise(
  text: string,
  before: readonly NamedAdvertised[] = [],
): readonly NamedAdvertised[] {
  const [name, rest] = nameAndRest(text)
  const { host, port } = readAddress(rest) ?? {}
  if (host !== undefined && port !== 0) {
    return [...before, { ...(name && { name }), host, ...(port && { port }) }]
  }
  throw new InvalidArgumentError(
    'Write HOST:PORT as clients dial it, as in localhost:9094 or [fd00::5]:9094, and NAME= before it ' +
      'where there are several listeners.',
  )
}

/** What an instance is called: part of ids that brokers keep and administrators read. */
export function parseInstanceId(text: string): string {
  if (/^[\w.-]{1,100}$/.test(text)) return text
  throw new InvalidArgumentError('Write 1 to 100 letters, digits, dots, dashes and underscores.')
}

/** `host[:port]` of queries. */
export function parseQueryAdvertise(text: string): Advertised {
  const { host, port } = readAddress(text) ?? {}
  if (host !== undefined && port !== 0 && !isWildcard(host)) return { host, ...(port && { port }) }
  throw new InvalidArgumentError(
    'Write HOST:PORT as other instances reach it, as in 10.0.0.5:8092 or [fd00::5]:8092.',
  )
}

/** Without a name it is of the only listener there is. */
export interface NamedAdvertised extends Advertised {
  readonly name?: string
}

function nameAndRest(text: string): [name: string | undefined, rest: string] {
  const [, name, rest] = /^([^=:/]+)(?:=|:\/\/)(.*)$/s.exec(text) ?? []
  return name === undefined ? [undefined, text] : [name, rest!]
}

/** Where to begin reading a partition. */
export type StartingPoint = 'beginning' | 'latest' | number

/** `beginning`, `latest`, an offset, or `-N` for the last N records. */
export function parseFrom(text: string): StartingPoint {
  if (text === 'beginning' || text === 'latest') return text
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  throw new InvalidArgumentError(
    "Write beginning, latest, an offset, or -N for each partition's last N records.",
  )
}

/** A place in a log: one of its ends, an offset, or the first record at or after a time. */
export type PlaceInLog = 'beginning' | 'end' | number | { readonly timeMs: number }

export function parsePlace(text: string): PlaceInLog {
  if (text === 'beginning' || text === 'end') return text
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  const timeMs = text.includes('-') ? parseInstant(text) : undefined
  if (timeMs !== undefined) return { timeMs }
  throw new InvalidArgumentError(
    'Write beginning, end, an offset, or a time with its zone, as in 2001-01-15T00:00:00Z.',
  )
}

/** A time as queries take it, as it was written. */
export function parseTime(text: string): string {
  if (parseInstant(text) !== undefined) return text
  throw new InvalidArgumentError(`Write ${instantForms}.`)
}

export const durabilities: readonly Durability[] = ['disk', 'os', 'memory']

/** A topic config as in `cleanup.policy=compact`, added to those before it. */
export function parseConfig(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf('=')
  if (at > 0) return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
  throw new InvalidArgumentError('Write NAME=VALUE, as in cleanup.policy=compact.')
}
