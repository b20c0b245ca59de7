/**
 * Where a process listens, from its flags: `--host` and `--port` are the one listener there is unless
 * `--listener` names others, and `--advertise` says what clients are told. What is said about it at the start
 * is here, too.
 */
import { addressText, dialable, isLoopback, isWildcard } from '../base/address.ts'
import type { Address } from '../base/address.ts'
import { HeadwaterError } from '../base/errors.ts'
import { clientAddress, listenerNameDefault } from '../broker/listeners.ts'
import type { Advertised, ListenerOptions, OpenListener } from '../broker/listeners.ts'
import type { NamedAdvertised, NamedListener } from './arguments.ts'

/** The flags of a broker's listeners, by the names that the command line gives them. */
export interface ListenerFlags {
  /** Where to listen; 127.0.0.1 when left out. */
  readonly host?: string
  /** The port for Kafka clients; 0 takes a free one. */
  readonly port: number
  /** Listeners with names, in place of `host` and `port`. */
  readonly listener?: readonly NamedListener[]
  /** What clients of a listener are told to dial; the address each has dialled when left out. */
  readonly advertise?: readonly NamedAdvertised[]
}

export const hostDefault = '127.0.0.1'

/** The listeners that flags ask for; `config-invalid` for an advertised address that is of none of them. */
export function listenersOf(flags: ListenerFlags): readonly ListenerOptions[] {
  const { host = hostDefault, port, listener, advertise = [] } = flags
  const bare = listener ?? [{ name: listenerNameDefault, host, port }]
  const told = new Map<string, NamedAdvertised>()
  for (const each of advertise) {
    const name = nameOf(each, bare)
    if (told.has(name)) {
      throw new HeadwaterError(
        'config-invalid',
        `--advertise says twice what clients of ${name} are told: leave one of the two out`,
      )
    }
    told.set(name, each)
  }
  return bare.map((each) => {
    const { host: toldHost, port: toldPort } = told.get(each.name.toUpperCase()) ?? {}
    if (toldHost === undefined) return each
    return { ...each, advertised: { host: toldHost, ...(toldPort && { port: toldPort }) } }
  })
}

function nameOf({ name }: NamedAdvertised, listeners: readonly NamedListener[]): string {
  const names = listeners.map((each) => each.name.toUpperCase())
  const wanted = name?.toUpperCase() ?? (names.length === 1 ? names[0]! : undefined)
  if (wanted !== undefined && names.includes(wanted)) return wanted
  const there = names.join(', ')
  throw new HeadwaterError(
    'config-invalid',
    wanted === undefined
      ? `--advertise does not say for which listener, and there are ${there}: write NAME=HOST:PORT`
      : `--advertise names listener ${wanted}, and there is only ${there}: correct the name, or add ` +
          `--listener ${wanted}=HOST:PORT`,
  )
}

/**
 * What other instances are told of where queries are answered, `host:port`. Undefined when they could not reach it: a
 * loopback address is another machine's own there, so it is told only among instances whose broker is on this one.
 */
export function toldQueryAddress(o: {
  readonly listening: Address
  readonly advertised: Advertised | undefined
  /** Whether only this machine reaches the broker. */
  readonly isBrokerLocal: boolean
  /** By which others reach this machine, if any. */
  readonly outerHost: string | undefined
}): string | undefined {
  const { listening, advertised, isBrokerLocal, outerHost } = o
  const { port } = listening
  if (advertised !== undefined) return addressText({ port, ...advertised })
  if (isBrokerLocal) return addressText(dialable(listening))
  const host = isWildcard(listening.host) ? outerHost : listening.host
  return host === undefined || isLoopback(host) ? undefined : addressText({ host, port })
}

/** Where clients connect, a line for each listener; where it listens beside it when that is elsewhere. */
export function listenerLines(listeners: readonly OpenListener[]): string[] {
  return listeners.map((listener) => {
    const told = addressText(clientAddress(listener))
    const own = addressText(listener)
    const where = told === own ? told : `${told} (listens on ${own})`
    return listeners.length === 1 ? where : `${listener.name} ${where}`
  })
}

/** What is said once at the start when other machines can come in; undefined when none can. */
export function exposureNote(
  listeners: readonly OpenListener[],
  beside?: Address & { readonly what?: string },
): string | undefined {
  const open = listeners.filter(({ host }) => !isLoopback(host))
  const isOpenBeside = beside !== undefined && !isLoopback(beside.host)
  if (open.length === 0 && !isOpenBeside) return undefined
  const places = [
    ...open.map((listener) => `Kafka on ${addressText(listener)}`),
    ...(isOpenBeside ? [`${beside.what ?? 'queries'} on ${addressText(beside)}`] : []),
  ]
  const note =
    `other machines can reach ${places.join(', ')}, and nothing asks them who they are: ` +
    'let in only networks that you trust'
  if (open.every(({ advertised }) => advertised !== undefined)) return note
  return (
    `${note}. Clients are told to go on at the address they dialled; behind a mapped port or a tunnel, ` +
    'say it with --advertise HOST:PORT'
  )
}
