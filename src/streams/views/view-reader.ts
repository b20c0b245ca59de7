/**
 * Reads the tables that a topology returned, over all tasks of this instance.
 *
 * What is read is committed: a value that a transaction has not yet made true is never seen, and one that is
 * seen stays true after a crash. Answers are the reader's own; changing one changes no state.
 *
 * An answer is right or there is none. A service that has failed or was closed does not answer: reading throws
 * its reason. While partitions move or are restored, reading throws `not-ready`; for a key whose partition
 * another instance holds, `partition-elsewhere`. A scan gives the rows of the partitions that are `held`; who has
 * the others, says `whereIs`.
 */
import type { DescMessage } from '@bufbuild/protobuf'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Holders } from '../plan/peers.ts'
import type { Plan, StorePlan, SubTopology } from '../plan/plan.ts'
import { encodeKey } from '../stores/serde.ts'
import type { Key, KeyKind } from '../stores/serde.ts'
import type { ReadableStore } from '../stores/store.ts'
import type { Task } from '../task/task.ts'
import type { TopologyNode } from '../topology/topology.ts'
import type { FeedItem, FeedOf, FeedWish } from './changes.ts'
import { Fresh } from './freshness.ts'
import type { Progress, Wanted } from './freshness.ts'
import { lineageOf } from './lineage.ts'
import type { Lineage } from './lineage.ts'
import type { PeerCounts } from './peer-counts.ts'
import { firstRows } from './rows.ts'
import type { RowPlace } from './rows.ts'

/** One row of a view. */
export interface ViewRow {
  readonly key: Key
  /** Milliseconds since 1970 at which the row's window begins; absent without windows. */
  readonly windowStart?: number
  readonly value: unknown
}

/** A window of a key, by its first millisecond since 1970. */
export interface WindowRow {
  readonly windowStart: number
  readonly value: unknown
}

/**
 * Where a partition is: with this instance, with another one at an address, with one whose address is not known,
 * or with nobody just now.
 */
type Whereabouts = 'here' | 'unknown' | 'nowhere' | { readonly address: string }

/** In which generation of which group an instance answers. */
export interface Standing {
  /** The id of the cluster that the group is of; empty when the broker does not say. */
  readonly cluster: string
  readonly generation: number
}

/** What an instance knows of its group. */
export interface Surroundings {
  readonly standing: Standing
  readonly holders: Holders
  /** Where the instance's own query server is reached. */
  readonly queryAddress: string | undefined
}

/** An instance as its views see it. */
export interface AskedInstance {
  /** Those that run now. */
  readonly tasks: () => Iterable<Task>
  /**
   * Called before every read: throws the reason when there can be no answer any more, else says what the service is
   * doing; it answers while it is `running`.
   */
  readonly gate: () => string
  /** Asked behind the gate. */
  readonly around: () => Surroundings
  readonly progress: Progress
  readonly peers: PeerCounts
  /** Opens a feed of a store; `input-invalid` for a wish that is none. */
  readonly feed: (store: StorePlan, of: FeedOf, wish: FeedWish) => Feed
}

/** What changes, as it comes; undefined when nothing has come for a while. */
export type Feed = AsyncGenerator<FeedItem | undefined>

/** One table, read synchronously. Reading throws when the service cannot answer. */
export interface ViewReader {
  readonly keyType: KeyKind
  /** The message that values are; undefined when they are plain values. */
  readonly schema: DescMessage | undefined
  /** Size of its windows; undefined for a table without windows. */
  readonly windowMs: number | undefined
  /** What the rows are: it differs where a deployed version of the service makes something else of the view. */
  readonly signature: string
  /** In how many partitions its keys lie. */
  readonly partitions: number
  /** Those that this instance holds, in order. */
  held(): readonly number[]
  /** How many rows this instance holds, also while it cannot answer for them. */
  size(): number
  get(key: Key): unknown
  /** The value of a key in the window that begins at `windowStart`, in milliseconds since 1970. */
  getWindow(key: Key, windowStart: number): unknown
  /**
   * The windows of a key that begin at `from`, one window's size later and so on, before `to`. Each value is
   * copied when it is taken: take them before anything else runs.
   */
  windows(key: Key, from: number, to: number): Iterable<WindowRow>
  /**
   * Up to `limit` rows whose keys begin with `prefix`, in the order of the keys' text and windows.
   * @param place where to go on; without it, from the first row
   */
  scan(prefix: string, limit: number, place?: RowPlace): readonly ViewRow[]
  /** The same rows, each copied when it is taken: take them before anything else runs. */
  rows(prefix: string, limit: number, place?: RowPlace): Iterable<ViewRow>
  /** The partition a key lies in; `input-invalid` for what is no key. */
  partitionOf(key: Key): number
  whereIs(partition: number): Whereabouts
  standing(): Standing
  /** Counts the questions of this instance at others. */
  readonly peers: PeerCounts
  /**
   * What the rows of all instances become, from now on or from a place; it begins when its first item is taken,
   * and throws why the service has ended. `input-invalid` for a wish that is none.
   */
  changes(wish: FeedWish): Feed
  /** What is to be read, and how fresh; `input-invalid` for what the view can never hold. */
  wanting(wanted: Wanted): Fresh
}

/**
 * A reader for each table the topology returned.
 */
export function openViews(
  plan: Plan,
  instance: AskedInstance,
): Readonly<Record<string, ViewReader>> {
  const readers: Record<string, ViewReader> = {}
  for (const [name, node] of Object.entries(plan.topology.views)) {
    readers[name] = new OpenView(plan, name, node, instance)
  }
  return readers
}

/** A store, and the partition it is of. */
interface HeldStore {
  readonly partition: number
  readonly store: ReadableStore
}

class OpenView implements ViewReader {
  readonly keyType: KeyKind
  readonly schema: DescMessage | undefined
  readonly windowMs: number | undefined
  readonly signature: string
  readonly partitions: number
  readonly peers: PeerCounts
  readonly #service: string
  readonly #name: string
  readonly #node: number
  readonly #part: SubTopology
  readonly #instance: AskedInstance
  readonly #lineage: Lineage

  constructor(plan: Plan, name: string, id: number, instance: AskedInstance) {
    const { topology, subTopologies } = plan
    const node = topology.nodes[id]!
    const { type, partitions } = keyspaceOf(node)
    this.keyType = type
    this.schema = schemaOf(node)
    this.windowMs = node.kind === 'aggregate' ? node.window?.sizeMs : undefined
    this.signature = signatureOf(node)
    this.partitions = partitions
    this.#service = topology.service
    this.#name = name
    this.#node = id
    this.#part = subTopologies.find((each) => each.stores.some((store) => store.node === id))!
    this.#instance = instance
    this.peers = instance.peers
    this.#lineage = lineageOf(plan, id)
  }

  held(): readonly number[] {
    return this.#ready()
      .map(({ partition }) => partition)
      .toSorted((a, b) => a - b)
  }

  size(): number {
    this.#instance.gate()
    return this.#stores().reduce((sum, { store }) => sum + store.size, 0)
  }

  get(key: Key): unknown {
    return this.#find(key, (store) => store.get(key))
  }

  getWindow(key: Key, start: number): unknown {
    return this.#find(key, (store) => store.getWindow(key, start))
  }

  windows(key: Key, from: number, to: number): Iterable<WindowRow> {
    const partition = this.partitionOf(key)
    const held = this.#ready()
    const rows = takeWindows(held, { key, from, to, windowMs: this.windowMs ?? Infinity })
    if (held.some((each) => each.partition === partition)) return rows
    const strays = [...rows]
    if (strays.length > 0) return strays
    throw this.#elsewhere(key, partition)
  }

  scan(prefix: string, limit: number, place?: RowPlace): readonly ViewRow[] {
    return [...this.rows(prefix, limit, place)]
  }

  rows(prefix: string, limit: number, place?: RowPlace): Iterable<ViewRow> {
    return takeRows(this.#ready(), { prefix, place, limit })
  }

  partitionOf(key: Key): number {
    return partitionOf(this.keyType, key, this.partitions)
  }

  whereIs(partition: number): Whereabouts {
    if (this.#ready().some((each) => each.partition === partition)) return 'here'
    return whereabouts(this.#instance.around(), this.#part, partition)
  }

  standing(): Standing {
    this.#assertAnswering()
    return this.#instance.around().standing
  }

  changes(wish: FeedWish): Feed {
    this.#instance.gate()
    if (wish.key !== undefined) this.partitionOf(wish.key)
    const store = this.#part.stores.find(({ node }) => node === this.#node)!
    const { signature, partitions } = this
    const of = { service: this.#service, view: this.#name, signature, partitions }
    return this.#instance.feed(store, of, wish)
  }

  wanting(wanted: Wanted): Fresh {
    this.#assertAnswering()
    const { tasks, gate, progress } = this.#instance
    const of = { service: this.#service, view: this.#name, lineage: this.#lineage, progress, tasks }
    return new Fresh({ ...of, isAnswering: () => gate() === 'running' }, wanted)
  }

  #stores(): HeldStore[] {
    return [...this.#instance.tasks()].flatMap(({ partition, pipeline }) => {
      const store = pipeline.tables.get(this.#node) ?? pipeline.aggregates.get(this.#node)
      // A task may be of a partition that other topics have and this one has not.
      return store === undefined || partition >= this.partitions ? [] : [{ partition, store }]
    })
  }

  #assertAnswering(): void {
    const state = this.#instance.gate()
    if (state !== 'running') throw notReady(this.#service, state)
  }

  #ready(): HeldStore[] {
    this.#assertAnswering()
    return this.#stores()
  }

  #find(key: Key, read: (store: ReadableStore) => unknown): unknown {
    const partition = this.partitionOf(key)
    const held = this.#ready()
    // Who wrote the key may have put it elsewhere than Kafka's own clients do.
    for (const { store } of held) {
      const value = read(store)
      if (value !== undefined) return value
    }
    if (held.some((each) => each.partition === partition)) return undefined
    throw this.#elsewhere(key, partition)
  }

  #elsewhere(key: Key, partition: number): HeadwaterError {
    const shown = JSON.stringify(String(key).slice(0, 40))
    return new HeadwaterError(
      'partition-elsewhere',
      `key ${shown} of view '${this.#name}' lies in partition ${partition} of ${this.partitions}, which ` +
        `another instance of service '${this.#service}' holds: ask that one. ` +
        whyUnknown(this.#instance.around()),
      { retriable: true },
    )
  }
}

/** Where a partition of a sub-topology is that is not here. */
function whereabouts(
  { holders, queryAddress }: Surroundings,
  { sources }: SubTopology,
  partition: number,
): Whereabouts {
  if (!holders.isTold) return 'unknown'
  // A task has all its inputs, so whoever holds one of them holds the state.
  const source = sources.find(({ partitions }) => partition < partitions)
  const holder = source && holders.of({ topic: source.topic, partition })
  if (holder === undefined) return 'nowhere'
  const { address } = holder
  // One that is called as this instance is cannot be reached by that name.
  return address === undefined || address === queryAddress ? 'unknown' : { address }
}

function* takeWindows(
  held: readonly HeldStore[],
  o: { readonly key: Key; readonly from: number; readonly to: number; readonly windowMs: number },
): Generator<WindowRow> {
  for (let start = o.from; start < o.to; start += o.windowMs) {
    for (const { store } of held) {
      const value = store.getWindow(o.key, start)
      if (value === undefined) continue
      yield { windowStart: start, value }
      break
    }
  }
}

function* takeRows(
  held: readonly HeldStore[],
  o: { readonly prefix: string; readonly place: RowPlace | undefined; readonly limit: number },
): Generator<ViewRow> {
  const stores = held.map(({ store }) => store)
  for (const { key, start, store } of firstRows(stores, o)) {
    if (start === undefined) yield { key, value: store.get(key) }
    else yield { key, value: store.getWindow(key, start), windowStart: start }
  }
}

function keyspaceOf(node: TopologyNode): { readonly type: KeyKind; readonly partitions: number } {
  if (node.kind === 'aggregate') return node.keyspace
  if (node.kind === 'table' && node.event.key !== null) return node.event.key
  throw new TypeError(`a view of a ${node.kind} has no keys`)
}

function schemaOf(node: TopologyNode): DescMessage | undefined {
  if (node.kind === 'table') return node.event.schema
  return node.kind === 'aggregate' ? node.state : undefined
}

function signatureOf(node: TopologyNode): string {
  const { type } = keyspaceOf(node)
  if (node.kind === 'table') return `table ${node.event.name} ${type}`
  if (node.kind !== 'aggregate') return node.kind
  const { fold, name, version, window, state } = node
  return `${fold} ${name} ${version} ${type} ${window?.sizeMs ?? 0} ${state?.typeName ?? ''}`
}

function partitionOf(type: KeyKind, key: Key, partitions: number): number {
  try {
    return encodeKey(type, key).hash % partitions
  } catch (cause) {
    if (!isHeadwaterError(cause)) throw cause
    throw new HeadwaterError('input-invalid', `no row can be asked for: ${cause.message}`, {
      cause,
    })
  }
}

const doing: Readonly<Record<string, string>> = {
  starting: 'has not started yet',
  closing: 'is closing, and another instance takes over what it holds',
}

function notReady(service: string, state: string): HeadwaterError {
  const what = doing[state] ?? 'is getting its partitions from the group or restoring their tables'
  return new HeadwaterError('not-ready', `service '${service}' ${what}: ask again soon`, {
    retriable: true,
  })
}

/** Why a question is not passed on. */
function whyUnknown({ holders }: Surroundings): string {
  if (holders.isTold)
    return 'It has said no address (queryAddress) at which it could be asked from here'
  if (holders.why === 'too-long') return 'The group is too large for all to be told addresses'
  if (holders.why === 'no-addresses') return 'No instance has said its address (queryAddress)'
  return 'The leader of the group is of a version that tells no addresses'
}
