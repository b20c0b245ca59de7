/**
 * The business topology: services, and the streams between them, as the code declares them.
 *
 * It is the place where one service's declarations meet another's, so it checks what no service can see
 * alone: names used twice, a stream that two services would write, and one stream declared in two ways.
 * A stream that none of the given services writes is no fault: its owner may run elsewhere.
 */
import { HeadwaterError } from '../base/errors.ts'
import type { AnyEvent } from '../events/event.ts'
import type { EventKind } from '../schema/descriptor.ts'
import type { Service } from './service.ts'

export interface BusinessTopology {
  /** In order of their names. */
  readonly services: readonly ServiceNode[]
  /** In order of their names. */
  readonly streams: readonly StreamEdge[]
}

export interface ServiceNode {
  readonly name: string
  readonly context: string | undefined
  /** Names of streams. */
  readonly reads: readonly string[]
  readonly writes: readonly string[]
}

/** A stream, from the service that writes it to those that read it. */
export interface StreamEdge {
  readonly name: string
  readonly kind: EventKind
  readonly context: string
  readonly owner: string
  /** The message its values are. */
  readonly message: string
  readonly keyspace: string | undefined
  readonly partitions: number
  /**
   * The owner when it is among the services; undefined when it runs elsewhere, and of commands, which anybody may
   * send: services name those they send in `writes`.
   */
  readonly writer: string | undefined
  /** Names of services. */
  readonly readers: readonly string[]
}

/** What stands in the graph: a service, or whatever else reads streams under a name. */
type Member = Pick<Service, 'name' | 'context' | 'reads' | 'writes'>

/** The graph of `services`, sinks among them. Throws `topology-invalid` when they contradict each other. */
export function businessTopology(services: readonly Member[]): BusinessTopology {
  const ordered = services.toSorted((a, b) => order(a.name, b.name))
  checkNames(ordered)
  const events = new Map<string, Declared>()
  for (const service of ordered) {
    for (const event of [...service.writes, ...service.reads]) declare(events, service, event)
  }
  return {
    services: ordered.map((service) => ({
      name: service.name,
      context: service.context,
      reads: service.reads.map((event) => event.name),
      writes: service.writes.map((event) => event.name),
    })),
    streams: [...events.values()]
      .map(({ event }) => edge(event, ordered))
      .toSorted((a, b) => order(a.name, b.name)),
  }
}

function checkNames(services: readonly Member[]): void {
  for (const [i, service] of services.entries()) {
    if (services[i + 1]?.name === service.name) {
      throw invalid(`two services are called '${service.name}': rename one of them`)
    }
  }
}

/** An event and the service that declared it first, for errors. */
interface Declared {
  readonly event: AnyEvent
  readonly service: string
}

function declare(events: Map<string, Declared>, service: Member, event: AnyEvent): void {
  const before = events.get(event.name)
  if (!before) {
    events.set(event.name, { event, service: service.name })
    return
  }
  for (const [what, read] of traits) {
    const [first, second] = [read(before.event), read(event)]
    if (first === second) continue
    throw invalid(
      `stream '${event.name}' has the ${what} '${first}' in service '${before.service}' and ` +
        `'${second}' in service '${service.name}': let both use one declaration`,
    )
  }
}

/** What every declaration of a stream must agree on; the owner first, since a stream has one writer. */
const traits: readonly (readonly [what: string, read: (event: AnyEvent) => string | number])[] = [
  ['owner', (event) => event.owner],
  ['kind', (event) => event.kind],
  ['message', (event) => event.schema.typeName],
  ['keyspace', (event) => event.key?.name ?? 'none'],
  ['number of partitions', (event) => event.partitions],
  ['list of reasons', (event) => ('reasons' in event ? String(event.reasons) : '')],
]

function edge(event: AnyEvent, services: readonly Member[]): StreamEdge {
  const names = (part: 'reads' | 'writes'): string[] =>
    services
      .filter((service) => service[part].some((other) => other.name === event.name))
      .map((service) => service.name)
  return {
    name: event.name,
    kind: event.kind,
    context: event.context,
    owner: event.owner,
    message: event.schema.typeName,
    keyspace: event.key?.name,
    partitions: event.partitions,
    writer: event.kind === 'command' ? undefined : names('writes')[0],
    readers: names('reads'),
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function invalid(what: string): HeadwaterError {
  return new HeadwaterError('topology-invalid', what)
}
