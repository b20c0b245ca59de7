/**
 * Runs a topology's function once and freezes what it built into a graph.
 *
 * These classes are the interfaces of `builder.ts` at run time: each operator adds a node. The types
 * refuse most mistakes before; everything is checked again here, because a cast or plain JavaScript gets
 * past a type.
 */
import type { DescMessage } from '@bufbuild/protobuf'
import type { AnyCommand, AnyEvent, AnyKeyspace } from '../../events/event.ts'
import { addDecider } from './build-decide.ts'
import type { DeciderOptions } from './build-decide.ts'
import type { Builder, InputOptions, Queries, StoreOptions } from './builder.ts'
import { callSettings } from './call-options.ts'
import type { CallOptions } from './call-options.ts'
import { Graph } from './graph.ts'
import type { TopologyScope } from './graph.ts'
import type {
  AggregateNode,
  AsyncNode,
  FlatMapNode,
  Handling,
  InputNode,
  JoinNode,
  MapNode,
  RekeyNode,
  Startup,
  ToNode,
  Topology,
  TumblingWindow,
} from './topology.ts'

/** Each split is a partition of a topic, and a reader in one of the instances. */
const splitsMax = 1_000

/** The frozen graph that `build` makes. Throws `topology-invalid`. */
export function buildTopology(
  scope: TopologyScope,
  build: (builder: Builder<never, never>) => Queries,
): Topology {
  const graph = new Graph(scope)
  const returned: unknown = build(new GraphBuilder(graph) as unknown as Builder<never, never>)
  return graph.finish(viewsOf(graph, returned))
}

function viewsOf(graph: Graph, returned: unknown): Record<string, number> {
  if (typeof returned !== 'object' || returned === null || 'then' in returned) {
    throw graph.refuse(
      'its topology returns no object: return the tables others may query, or {} for none',
    )
  }
  const views: Record<string, number> = {}
  for (const [name, table] of Object.entries(returned)) {
    if (!(table instanceof TableHandle) || table.graph !== graph) {
      throw graph.refuse(`its topology returns '${name}', which is none of its tables: remove it`)
    }
    // In the path of a URL these would be gone.
    if (name === '' || name === '.' || name === '..') {
      throw graph.refuse(
        `its topology returns a table as '${name}', which no URL can name: rename it`,
      )
    }
    views[name] = table.id
  }
  return views
}

/** `Builder` at run time. */
class GraphBuilder {
  readonly #graph: Graph

  constructor(graph: Graph) {
    this.#graph = graph
  }

  stream(event: AnyEvent, options?: Handling): StreamHandle {
    const graph = this.#graph
    graph.read(event)
    const onError = graph.policyOf(event, options)
    const id = graph.find('source', event)?.id ?? graph.add({ kind: 'source', event, onError })
    return new StreamHandle(graph, id, event.key, event.schema)
  }

  table(event: AnyEvent, options: { startup?: Startup } & Handling = {}): TableHandle {
    const graph = this.#graph
    graph.read(event)
    if (event.kind !== 'entity') {
      throw graph.refuse(`'${event.name}' is ${event.kind}: only an entity stream can be a table`)
    }
    if (graph.find('table', event)) {
      throw graph.refuse(`'${event.name}' is made a table twice: keep the first and use it again`)
    }
    const onError = graph.policyOf(event, options)
    const store = graph.claim('table', event.name)
    const startup = options.startup ?? 'bootstrap'
    const id = graph.add({ kind: 'table', event, store, startup, onError })
    return new TableHandle(graph, id, event.key)
  }

  decide(name: string, commands: AnyCommand, options: DeciderOptions): DecidedHandles {
    const graph = this.#graph
    const { events: stream } = options
    const { events, state } = addDecider(graph, name, commands, options)
    return {
      events: new StreamHandle(graph, events, stream.key, stream.schema),
      state: new TableHandle(graph, state, commands.key),
    }
  }

  input(
    name: string,
    event: AnyEvent,
    read: InputNode['read'],
    { splits = 1 }: InputOptions = {},
  ): void {
    const graph = this.#graph
    graph.write(event)
    graph.claim('input', name)
    if (!Number.isInteger(splits) || splits < 1 || splits > splitsMax) {
      throw graph.refuse(
        `the input '${name}' has splits ${splits}: use a whole number from 1 to ${splitsMax}`,
      )
    }
    graph.add({ kind: 'input', name, event, splits, read })
  }
}

/** `Decided` at run time. */
interface DecidedHandles {
  readonly events: StreamHandle
  readonly state: TableHandle
}

/** `Stream` at run time: a node that values pass. */
class StreamHandle {
  readonly graph: Graph
  readonly id: number
  readonly #keyspace: AnyKeyspace | null
  /** The message every value is, as long as that is known. */
  readonly #schema: DescMessage | undefined

  constructor(
    graph: Graph,
    id: number,
    keyspace: AnyKeyspace | null,
    schema: DescMessage | undefined,
  ) {
    this.graph = graph
    this.id = id
    this.#keyspace = keyspace
    this.#schema = schema
  }

  filter(f: (value: unknown, key: unknown) => boolean, options?: Handling): StreamHandle {
    const onError = this.graph.policy(options)
    const id = this.graph.add({ kind: 'filter', from: this.id, f, onError })
    return new StreamHandle(this.graph, id, this.#keyspace, this.#schema)
  }

  map(f: MapNode['f'], options?: Handling): StreamHandle {
    const onError = this.graph.policy(options)
    const id = this.graph.add({ kind: 'map', from: this.id, f, onError })
    return new StreamHandle(this.graph, id, this.#keyspace, undefined)
  }

  flatMap(f: FlatMapNode['f'], options?: Handling): StreamHandle {
    const onError = this.graph.policy(options)
    const id = this.graph.add({ kind: 'flatMap', from: this.id, f, onError })
    return new StreamHandle(this.graph, id, this.#keyspace, undefined)
  }

  mapAsync(name: string, f: AsyncNode['f'], options?: CallOptions): StreamHandle {
    const id = this.#async(name, f, false, options)
    return new StreamHandle(this.graph, id, this.#keyspace, undefined)
  }

  forEach(name: string, f: AsyncNode['f'], options?: CallOptions): void {
    this.#async(name, f, true, options)
  }

  #async(name: string, f: AsyncNode['f'], isEffect: boolean, options: CallOptions = {}): number {
    const { graph } = this
    graph.claim(isEffect ? 'forEach' : 'mapAsync', name)
    const onError = graph.policy(options)
    const refuse = (why: string): Error => graph.refuse(`of '${name}' ${why}`)
    const said = callSettings(options, refuse)
    return graph.add({ kind: 'async', from: this.id, name, isEffect, f, ...said, onError })
  }

  merge(other: StreamHandle): StreamHandle {
    this.#same(other)
    if (nameOf(this.#keyspace) !== nameOf(other.#keyspace)) {
      throw this.graph.refuse(
        `it merges values keyed by ${nameOf(this.#keyspace)} with values keyed by ${nameOf(other.#keyspace)}: rekey one of them first`,
      )
    }
    const id = this.graph.add({ kind: 'merge', from: Object.freeze([this.id, other.id] as const) })
    const schema = this.#schema === other.#schema ? this.#schema : undefined
    return new StreamHandle(this.graph, id, this.#keyspace, schema)
  }

  rekey(name: string, keyspace: AnyKeyspace, f: RekeyNode['f'], options?: Handling): StreamHandle {
    const schema = this.#schema
    this.graph.claim('rekey', name)
    const onError = this.graph.policy(options)
    const id = this.graph.add({ kind: 'rekey', from: this.id, name, keyspace, f, schema, onError })
    return new StreamHandle(this.graph, id, keyspace, schema)
  }

  join(table: TableHandle, f: JoinNode['f'], options?: Handling): StreamHandle {
    return this.#join(table, false, f, options)
  }

  leftJoin(table: TableHandle, f: JoinNode['f'], options?: Handling): StreamHandle {
    return this.#join(table, true, f, options)
  }

  window(window: TumblingWindow): WindowedHandle {
    return new WindowedHandle(this.graph, this.id, this.#grouped(), window)
  }

  count(name: string, options?: StoreOptions): TableHandle {
    return aggregate(this.graph, { ...this.#place(), ...counting(name) }, options)
  }

  reduce(
    name: string,
    init: AggregateNode['init'],
    f: AggregateNode['f'],
    options?: FoldOptions,
  ): TableHandle {
    const node = { ...this.#place(), fold: 'reduce', name, init, f } as const
    return aggregate(this.graph, node, options)
  }

  #place() {
    return { from: this.id, keyspace: this.#grouped(), window: undefined }
  }

  to(event: AnyEvent, f?: ToNode['f'], options?: Handling): void {
    this.graph.write(event)
    if (event.key !== null && nameOf(event.key) !== nameOf(this.#keyspace)) {
      throw this.graph.refuse(
        `it writes values keyed by ${nameOf(this.#keyspace)} to stream '${event.name}', which is keyed by ${nameOf(event.key)}: rekey them first`,
      )
    }
    this.graph.add({ kind: 'to', from: this.id, event, f, onError: this.graph.policy(options) })
  }

  #join(
    table: TableHandle,
    left: boolean,
    f: JoinNode['f'],
    options: Handling | undefined,
  ): StreamHandle {
    this.#same(table)
    if (table.window) {
      throw this.graph.refuse(
        'it joins a windowed table, which has no one value per key: query it instead',
      )
    }
    if (nameOf(this.#keyspace) !== nameOf(table.keyspace)) {
      throw this.graph.refuse(
        `it joins values keyed by ${nameOf(this.#keyspace)} with a table keyed by ${nameOf(table.keyspace)}: rekey the values first`,
      )
    }
    const onError = this.graph.policy(options)
    const id = this.graph.add({ kind: 'join', from: this.id, table: table.id, left, f, onError })
    return new StreamHandle(this.graph, id, this.#keyspace, undefined)
  }

  #grouped(): AnyKeyspace {
    if (this.#keyspace) return this.#keyspace
    throw this.graph.refuse('it groups values that have no key: rekey them first')
  }

  #same(other: StreamHandle | TableHandle): void {
    if (other.graph === this.graph) return
    throw this.graph.refuse('it uses a stream or table of another topology: make its own')
  }
}

/** `Table` and `WindowTable` at run time. */
class TableHandle {
  readonly of: 'table' | 'window table'
  readonly graph: Graph
  readonly id: number
  readonly keyspace: AnyKeyspace | null
  readonly window: TumblingWindow | undefined

  constructor(graph: Graph, id: number, keyspace: AnyKeyspace | null, window?: TumblingWindow) {
    this.of = window ? 'window table' : 'table'
    this.graph = graph
    this.id = id
    this.keyspace = keyspace
    this.window = window
  }

  to(event: AnyEvent, f?: ToNode['f'], options?: Handling): void {
    this.graph.write(event)
    if (event.kind !== 'entity') {
      throw this.graph.refuse(
        `it writes a table to '${event.name}', which is ${event.kind}: a table can only be written to an entity stream`,
      )
    }
    if (!this.window && nameOf(event.key) !== nameOf(this.keyspace)) {
      throw this.graph.refuse(
        `it writes a table keyed by ${nameOf(this.keyspace)} to stream '${event.name}', which is keyed by ${nameOf(event.key)}: group by that key`,
      )
    }
    this.graph.add({ kind: 'to', from: this.id, event, f, onError: this.graph.policy(options) })
  }
}

/** `Windowed` at run time. */
class WindowedHandle {
  readonly #graph: Graph
  readonly #from: number
  readonly #keyspace: AnyKeyspace
  readonly #window: TumblingWindow

  constructor(graph: Graph, from: number, keyspace: AnyKeyspace, window: TumblingWindow) {
    this.#graph = graph
    this.#from = from
    this.#keyspace = keyspace
    this.#window = window
  }

  count(name: string, options?: StoreOptions): TableHandle {
    return aggregate(this.#graph, { ...this.#place(), ...counting(name) }, options)
  }

  reduce(
    name: string,
    init: AggregateNode['init'],
    f: AggregateNode['f'],
    options?: FoldOptions,
  ): TableHandle {
    const node = { ...this.#place(), fold: 'reduce', name, init, f } as const
    return aggregate(this.#graph, node, options)
  }

  #place() {
    return { from: this.#from, keyspace: this.#keyspace, window: this.#window }
  }
}

interface FoldOptions extends StoreOptions {
  readonly state?: DescMessage
}

function counting(name: string): Pick<AggregateNode, 'fold' | 'name' | 'init' | 'f'> {
  return { fold: 'count', name, init: () => 0, f: addOne }
}

function aggregate(
  graph: Graph,
  node: Omit<AggregateNode, 'id' | 'kind' | 'version' | 'state' | 'onError'>,
  options: FoldOptions = {},
): TableHandle {
  const { version = 1, state } = options
  graph.claim('table', node.name)
  graph.checkVersion(node.name, version)
  const onError = graph.policy(options)
  const id = graph.add({ kind: 'aggregate', ...node, version, state, onError })
  return new TableHandle(graph, id, node.keyspace, node.window)
}

function addOne(count: unknown): number {
  return (count as number) + 1
}

function nameOf(keyspace: AnyKeyspace | null): string {
  return keyspace ? `keyspace '${keyspace.name}'` : 'nothing'
}
