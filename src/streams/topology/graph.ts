/**
 * A topology's graph while it is being built: the nodes so far and the names they have taken.
 *
 * It checks what no type can know: names used twice, streams declared and never read, values that go
 * nowhere. All of it is `topology-invalid`, at start, before anything is read or written. What may follow
 * what is checked where the operators are, in `build.ts`.
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { AnyEvent } from '../../events/event.ts'
import type { AsyncNode, OnError, Topology, TopologyNode } from './topology.ts'

/** What a topology is built for: the service's name and the streams it says it reads and writes. */
export interface TopologyScope {
  readonly service: string
  readonly reads: readonly AnyEvent[]
  readonly writes: readonly AnyEvent[]
  /** What operators do on an error that say nothing of their own; `stop` when left out. */
  readonly onError?: OnError
}

const policies: readonly OnError[] = ['stop', 'skip', 'deadLetter']

/** A node before it has its id. */
type NewNode<N extends TopologyNode = TopologyNode> = N extends TopologyNode ? Omit<N, 'id'> : never

export class Graph {
  readonly scope: TopologyScope
  readonly #nodes: TopologyNode[] = []
  readonly #names = new Map<string, string>()
  #finished = false

  constructor(scope: TopologyScope) {
    this.scope = scope
  }

  add(node: NewNode): number {
    if (this.#finished) {
      throw this.refuse('an operator was called after the topology had returned: call it inside')
    }
    const id = this.#nodes.length
    this.#nodes.push(Object.freeze({ id, ...node } as TopologyNode))
    return id
  }

  /** The node of a source or table made before, so that two of the same stream are one. */
  find(kind: 'source' | 'table', event: AnyEvent): TopologyNode | undefined {
    return this.#nodes.find((node) => node.kind === kind && node.event.name === event.name)
  }

  /** Takes a name for a store, an inner topic or an input; each may be taken once in a service. */
  claim(what: string, name: string): string {
    if (!/^[a-zA-Z0-9._-]{1,100}$/.test(name)) {
      throw this.refuse(
        `the ${what} is called '${name}', which topics cannot carry: use up to 100 letters, digits, '.', '_' and '-'`,
      )
    }
    const taken = this.#names.get(name)
    if (taken !== undefined) {
      throw this.refuse(
        `the name '${name}' is used by a ${taken} and a ${what}: rename one of them`,
      )
    }
    this.#names.set(name, what)
    return name
  }

  /** What an operator does on an error: what it says, or what the service says. */
  policy({ onError = this.scope.onError ?? 'stop' }: { readonly onError?: OnError } = {}): OnError {
    if (policies.includes(onError)) return onError
    throw this.refuse(`onError is '${String(onError)}': write 'stop', 'skip' or 'deadLetter'`)
  }

  /** What is done on an error with records of a stream, which are decoded once for all who read it. */
  policyOf(event: AnyEvent, options: { readonly onError?: OnError } | undefined): OnError {
    const known = this.find('source', event) ?? this.find('table', event)
    const before = known && 'onError' in known ? known.onError : undefined
    if (options?.onError === undefined && before !== undefined) return before
    const policy = this.policy(options)
    if (before === undefined || before === policy) return policy
    throw this.refuse(
      `it reads stream '${event.name}' with onError '${before}' and with '${policy}': ` +
        'its records are decoded once, so say the same in both places',
    )
  }

  /** Throws when something else writes the stream of a decider. */
  checkUnwritten(name: string, { name: stream }: AnyEvent): void {
    const writes = (node: TopologyNode): boolean =>
      (node.kind === 'to' || node.kind === 'input') && node.event.name === stream
    if (this.#nodes.some(writes)) throw this.#writtenTwice(name, stream)
  }

  /** Who decides commands already. */
  decider(commands: AnyEvent): string | undefined {
    const node = this.#nodes.find((each) => {
      return each.kind === 'decide' && each.commands.name === commands.name
    })
    return node?.kind === 'decide' ? node.name : undefined
  }

  checkVersion(store: string, version: number): void {
    if (Number.isSafeInteger(version) && version >= 1) return
    throw this.refuse(
      `the table '${store}' has version ${version}: use a whole number of at least 1`,
    )
  }

  read(event: AnyEvent): void {
    if (this.scope.reads.some((read) => read.name === event.name)) return
    throw this.refuse(`it reads stream '${event.name}' without saying so: add it to reads`)
  }

  write(event: AnyEvent): void {
    if (!this.scope.writes.some((write) => write.name === event.name)) {
      throw this.refuse(`it writes stream '${event.name}' without saying so: add it to writes`)
    }
    // What a decider writes are its events and no others: its state is the fold of them.
    const decider = this.#nodes.find((node) => {
      return node.kind === 'decide' && node.events.name === event.name
    })
    if (decider?.kind === 'decide') throw this.#writtenTwice(decider.name, event.name)
  }

  #writtenTwice(decider: string, stream: string): HeadwaterError {
    return this.refuse(
      `stream '${stream}' holds what '${decider}' has decided, and is written elsewhere, too: ` +
        'give the other events a stream of their own',
    )
  }

  refuse(what: string): HeadwaterError {
    return new HeadwaterError('topology-invalid', `service '${this.scope.service}': ${what}`)
  }

  /** Ends the building and freezes what was built. `views` are ids of tables by their public name. */
  finish(views: Record<string, number>): Topology {
    this.#finished = true
    this.#checkDeclared()
    this.#checkEnds(new Set(Object.values(views)))
    for (const node of this.#nodes) if (node.kind === 'async') this.#checkCalls(node)
    return Object.freeze({
      service: this.scope.service,
      nodes: Object.freeze([...this.#nodes]),
      views: Object.freeze(views),
    })
  }

  #checkDeclared(): void {
    const read = new Set<string>()
    for (const node of this.#nodes) {
      if (node.kind === 'source' || node.kind === 'table') read.add(node.event.name)
    }
    for (const { name } of this.scope.reads) {
      if (!read.has(name)) {
        throw this.refuse(
          `reads names stream '${name}', but the topology never reads it: remove it`,
        )
      }
    }
  }

  /**
   * Calls end in any order, and the position that is committed is that of the first that has not: so a record
   * must have nothing to do in the service but what its calls lead to.
   */
  #checkCalls({ name, from }: AsyncNode): void {
    let at = this.#nodes[from]!
    for (;;) {
      const isAlone = this.#nodes.filter((node) => upstreamOf(node).includes(at.id)).length === 1
      const why = isAlone ? undefined : `${describe(at)} goes elsewhere, too`
      const isTable = at.kind === 'source' && this.find('table', at.event) !== undefined
      const problem = why ?? (isTable ? `${describe(at)} is a table, too` : undefined)
      if (problem !== undefined) throw this.#notAlone(name, problem)
      if (at.kind === 'source' || at.kind === 'rekey') return
      if (at.kind !== 'filter' && at.kind !== 'map' && at.kind !== 'flatMap') {
        throw this.#notAlone(name, `it follows ${describe(at)}`)
      }
      at = this.#nodes[at.from]!
    }
  }

  #notAlone(name: string, why: string): HeadwaterError {
    return this.refuse(
      `the calls of '${name}' end in any order, so their records must be read for them alone, but ${why}: ` +
        'put a rekey before them, which gives them a topic of their own',
    )
  }

  /** Values that go nowhere are a forgotten `to` or a forgotten return. */
  #checkEnds(views: ReadonlySet<number>): void {
    const used = new Set(views)
    for (const node of this.#nodes) for (const from of upstreamOf(node)) used.add(from)
    for (const node of this.#nodes) {
      if (endsHere(node) || used.has(node.id)) continue
      throw this.refuse(
        `${describe(node)} goes nowhere: write it with to, join it, or return it if it is a table`,
      )
    }
  }
}

/** Whether nothing has to follow a node. */
function endsHere(node: TopologyNode): boolean {
  if (node.kind === 'async') return node.isEffect
  if (node.kind === 'aggregate') return node.fold === 'decide'
  return node.kind === 'to' || node.kind === 'input' || node.kind === 'decide'
}

/** Ids of the nodes that a node takes its values from. */
export function upstreamOf(node: TopologyNode): readonly number[] {
  if (node.kind === 'merge') return node.from
  if (node.kind === 'join') return [node.from, node.table]
  return 'from' in node ? [node.from] : []
}

function describe(node: TopologyNode): string {
  if (node.kind === 'source') return `the stream '${node.event.name}'`
  if (node.kind === 'table') return `the table of '${node.event.name}'`
  if (node.kind === 'aggregate') return `the table '${node.name}'`
  if (node.kind === 'rekey') return `the result of rekey '${node.name}'`
  if (node.kind === 'async') return `the result of mapAsync '${node.name}'`
  if (node.kind === 'decide') return `the events of '${node.name}'`
  return `the result of a ${node.kind}`
}
