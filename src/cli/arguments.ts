/** What stands on the command line, parsed: each parser refuses with what it wanted to see. */
import { InvalidArgumentError } from 'commander'
import type { Durability } from '../log/store/log-store.ts'

/** The port Kafka's own tools expect a broker on. */
export const kafkaPortDefault = 9092
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

/** A whole number of at least 0: a partition or an offset. */
export function parseIndex(text: string): number {
  const index = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(index)) return index
  throw new InvalidArgumentError('Write a whole number of at least 0.')
}

export interface HostAndPort {
  readonly host: string
  readonly port: number
}

/** `host:port`, `[::1]:port`, or a host alone with Kafka's usual port. */
export function parseAddress(text: string): HostAndPort {
  const match = /^(?:\[([^\]]+)\]|([^:[\]/\s]+))(?::(\d{1,5}))?$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3] ?? kafkaPortDefault)
  if (host !== undefined && port >= 1 && port <= 65_535) return { host, port }
  throw new InvalidArgumentError('Write HOST:PORT, as in localhost:9092.')
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
