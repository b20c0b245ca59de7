/**
 * Says what a microservice is: its name, the streams it reads, the streams it writes, and its inside.
 *
 * A stream has one writer: the service that owns it; but for commands, which anybody may send. The types refuse to write another's stream, to read
 * or write one that is not declared, and to return what is no table; `build` checks all of it again and
 * gives the graph that a runtime runs. Nothing here knows a broker, so services can be checked, drawn and
 * compared without one.
 */
import { HeadwaterError } from '../base/errors.ts'
import type { AnyEvent } from '../events/event.ts'
import { buildTopology } from '../streams/topology/build.ts'
import type { Builder, Queries } from '../streams/topology/builder.ts'
import type { OnError, Topology } from '../streams/topology/topology.ts'

/** A microservice. `Views<typeof service>` are its tables as callers see them. */
export interface Service<N extends string = string, Q extends Queries = Queries> {
  readonly name: N
  /** The bounded context of the streams it writes; undefined when it writes none. */
  readonly context: string | undefined
  readonly reads: readonly AnyEvent[]
  readonly writes: readonly AnyEvent[]
  /** Its inside as a frozen graph. Throws `topology-invalid` when it does not hold together. */
  build(): Topology
  /** Never there: it only carries the types of the tables that the topology returns. */
  readonly queries?: Q
}

/**
 * Declares a microservice.
 * @param declared `topology` runs once a `build`; the tables it returns are the service's query API
 */
export function service<
  const N extends string,
  R extends AnyEvent,
  W extends AnyEvent,
  Q extends Queries,
>(
  name: N,
  declared: {
    readonly reads: readonly R[]
    readonly writes: readonly Owned<W, N>[]
    readonly topology: (s: Builder<R['name'], W['name']>) => Q
    /**
     * What becomes of a record that cannot be processed: the service stops there (when left out), the record
     * is skipped, or it is put into `<name>-dead-letters`. Operators may say otherwise.
     */
    readonly onError?: OnError
  },
): Service<N, Q> {
  const reads: readonly AnyEvent[] = Object.freeze([...declared.reads])
  const writes = Object.freeze([...declared.writes]) as readonly AnyEvent[]
  const { onError } = declared
  const scope = { service: name, reads, writes, ...(onError && { onError }) }
  checkName(name)
  checkTwice(name, 'reads', reads)
  checkTwice(name, 'writes', writes)
  checkOwner(name, writes)
  return Object.freeze({
    name,
    context: checkContext(name, writes),
    reads,
    writes,
    // The names are for the compiler: a builder is the same for all.
    build: () => buildTopology(scope, declared.topology as unknown as Inside<Q>),
  })
}

/** A topology's function, whatever it may read and write. */
type Inside<Q extends Queries> = (s: Builder<never, never>) => Q

/** The event, or a sentence when another service owns it: only commands may be written by anybody. */
type Owned<E extends AnyEvent, N extends string> = E extends
  | { readonly owner: N }
  | { readonly kind: 'command' }
  ? E
  : `stream '${E['name']}' is owned by '${E['owner']}', so '${N}' may not write it`

function checkName(name: string): void {
  if (/^(?!\.\.?$)[a-zA-Z0-9._-]{1,100}$/.test(name)) return
  throw new HeadwaterError(
    'topology-invalid',
    `a service is called '${name}', which topics and URLs cannot carry: use up to 100 letters, digits, ` +
      "'.', '_' and '-', and not '.' or '..' alone",
  )
}

function checkTwice(name: string, part: string, events: readonly AnyEvent[]): void {
  const seen = new Set<string>()
  for (const event of events) {
    if (seen.has(event.name)) {
      throw invalid(name, `${part} names stream '${event.name}' twice: name it once`)
    }
    seen.add(event.name)
  }
}

function checkOwner(name: string, writes: readonly AnyEvent[]): void {
  for (const event of writes) {
    if (event.owner === name || event.kind === 'command') continue
    throw invalid(
      name,
      `stream '${event.name}' is owned by '${event.owner}', and a stream has one writer: ` +
        `let '${event.owner}' write it, or change the owner in its contract`,
    )
  }
}

function checkContext(name: string, writes: readonly AnyEvent[]): string | undefined {
  // Commands speak the language of who decides them.
  const own = writes.filter(({ kind }) => kind !== 'command')
  const [first] = own
  for (const event of own) {
    if (event.context === first!.context) continue
    throw invalid(
      name,
      `it writes '${first!.name}' in context '${first!.context}' and '${event.name}' in context ` +
        `'${event.context}': a service lives in one bounded context, so split it or change a contract`,
    )
  }
  return first?.context
}

function invalid(name: string, what: string): HeadwaterError {
  return new HeadwaterError('topology-invalid', `service '${name}': ${what}`)
}
