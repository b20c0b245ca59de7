/**
 * Where a broker listens, and what it tells those who come by each listener: Kafka's `listeners` and
 * `advertised.listeners`, settled and checked before anything is opened.
 *
 * A client goes on at the address that it is told, not at the one it dialled first. The address it
 * dialled is right wherever a listener is reached at an address of its own, so it is what a client is told
 * unless its listener advertises another: behind a mapped port or a tunnel the broker sees inner addresses
 * only, and somebody who knows the outer one has to say it.
 */
import type { Address } from '../base/address.ts'
import { addressText, dialable, isWildcard, parseHost, plainHost } from '../base/address.ts'
import { HeadwaterError } from '../base/errors.ts'

/** The name of the listener that is given none: Kafka's own. */
export const listenerNameDefault = 'PLAINTEXT'

/** What clients of a listener are told to dial; its own port when none is given. */
export interface Advertised {
  readonly host: string
  readonly port?: number
}

export interface ListenerOptions {
  /** Tells listeners apart; letters may be of either case, as in Kafka. */
  readonly name: string
  /** An address of this machine, or `0.0.0.0` or `::` for all of them. */
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** What clients of this listener are told to dial; the address each has dialled when left out. */
  readonly advertised?: Advertised
}

export interface ListeningOptions {
  /** Where Kafka clients connect: 127.0.0.1 when left out, `0.0.0.0` or `::` for every address. */
  readonly host?: string
  /** 0, the default, takes a free port. */
  readonly port?: number
  /** What clients are told to dial; the address each has dialled when left out. */
  readonly advertised?: Advertised
  /** Several, each with a name, in place of `host`, `port` and `advertised`. */
  readonly listeners?: readonly ListenerOptions[]
}

/** A listener that is open: `host` as it was asked for, `port` as it was given out. */
export interface OpenListener extends Address {
  readonly name: string
  readonly advertised?: Address
}

/** What is to be opened, in order; `config-invalid` names what is wrong and what would be right. */
export function settleListeners(o: ListeningOptions): readonly ListenerOptions[] {
  const { host = '127.0.0.1', port = 0, advertised, listeners } = o
  const one = { name: listenerNameDefault, host, port, ...(advertised && { advertised }) }
  if (listeners === undefined) return [settled(one)]
  if (o.host !== undefined || o.port !== undefined || advertised !== undefined) {
    throw invalid(
      'host, port and advertised are of the one listener there is without listeners: ' +
        'put them into the list, or leave the list out',
    )
  }
  if (listeners.length === 0) {
    throw invalid('listeners is empty: name one, or leave it out for one on 127.0.0.1')
  }
  const all = listeners.map(settled)
  for (const [i, listener] of all.entries()) {
    for (const other of all.slice(0, i)) refuseClash(other, listener)
  }
  return all
}

/** Where a client of this machine begins: at what it would be told, or where the listener is. */
export function clientAddress({ advertised, ...bound }: OpenListener): Address {
  return advertised ?? dialable(bound)
}

/** How DescribeConfigs shows them: Kafka's settings, as they were given. */
export function listenerConfigs(listeners: readonly ListenerOptions[]): Map<string, string> {
  const text = (name: string, address: Address): string => `${name}://${addressText(address)}`
  const all = listeners.map(({ name, ...bound }) => text(name, bound))
  const told = listeners.flatMap(({ name, port, advertised }) =>
    advertised === undefined ? [] : [text(name, { port, ...advertised })],
  )
  const configs = new Map([['listeners', all.join(',')]])
  if (told.length > 0) configs.set('advertised.listeners', told.join(','))
  return configs
}

function settled({ name, host, port, advertised }: ListenerOptions): ListenerOptions {
  if (!/^[a-z][\w.-]*$/i.test(name)) {
    throw invalid(
      `'${name}' cannot be the name of a listener: write a letter, then letters, digits, '.', '_' or ` +
        "'-', as in EXTERNAL",
    )
  }
  const upper = name.toUpperCase()
  const bound = parseHost(host)
  if (bound === undefined) {
    throw invalid(
      `listener ${upper} is to listen on '${host}': write an address of this machine without a port, or ` +
        '0.0.0.0 or :: for all of them',
    )
  }
  if (!isPort(port, 0)) {
    throw invalid(
      `listener ${upper} is to listen on port ${port}: write a whole number up to 65535; 0 takes a free one`,
    )
  }
  const own = { name: upper, host: bound, port }
  return advertised === undefined ? own : { ...own, advertised: settledFor(upper, advertised) }
}

function settledFor(name: string, { host, port }: Advertised): Advertised {
  const told = parseHost(host)
  if (told === undefined || isWildcard(told)) {
    throw invalid(
      `listener ${name} advertises '${host}', which no client can dial: advertise the name or the address ` +
        'by which clients reach this listener',
    )
  }
  if (port === undefined) return { host: told }
  if (isPort(port, 1)) return { host: told, port }
  throw invalid(
    `listener ${name} advertises port ${port}: write a whole number from 1 to 65535, or leave it out for ` +
      "the listener's own",
  )
}

function isPort(port: number, least: number): boolean {
  return Number.isInteger(port) && port >= least && port <= 65_535
}

function refuseClash(one: ListenerOptions, other: ListenerOptions): void {
  if (one.name === other.name) {
    throw invalid(
      `two listeners are named ${one.name}, which may be written in letters of either case: ` +
        'give one of them another name',
    )
  }
  if (one.port !== 0 && one.port === other.port && isOneAddress(one.host, other.host)) {
    throw invalid(
      `listeners ${one.name} (${addressText(one)}) and ${other.name} (${addressText(other)}) would take ` +
        'the same port: give one of them another',
    )
  }
}

/** Whether a port of one host is taken with that of the other: `::` takes those of IPv4, too. */
function isOneAddress(one: string, other: string): boolean {
  const hosts = [plainHost(one), plainHost(other)]
  if (hosts[0] === hosts[1] || hosts.includes('[::]')) return true
  return hosts.includes('0.0.0.0') && hosts.some((host) => /^(?!0\.0\.0\.0)[\d.]+$/.test(host))
}

function invalid(text: string): HeadwaterError {
  return new HeadwaterError('config-invalid', text)
}
