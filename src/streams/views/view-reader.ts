/**
 * Reads the tables that a topology returned, over all tasks of this instance.
 *
 * What is read is committed: a value that a transaction has not yet made true is never seen, and one that is
 * seen stays true after a crash. Answers are the reader's own; changing one changes no state.
 *
 * An answer is right or there is none. A service that has failed or was closed does not answer: reading throws
 * its reason. While partitions move or are restored, reading throws `not-ready`; for a key whose partition
 * another instance holds, `partition-elsewhere`. A scan gives the rows of the partitions that are `held`.
 */
import type { DescMessage } from '@bufbuild/protobuf'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Plan } from '../plan/plan.ts'
import { encodeKey } from '../stores/serde.ts'
import type { Key, KeyKind } from '../stores/serde.ts'
import type { ReadableStore } from '../stores/store.ts'
import type { Task } from '../task/task.ts'
import type { TopologyNode } from '../topology/topology.ts'
import { firstRows } from './rows.ts'
import type { RowPlace } from './rows.ts'

/** One row of a view. */
export interface ViewRow {
  readonly key: Key
  /** Milliseconds since 1970 at which the row's window begins; absent without windows. */
  readonly windowStart?: number
  readonly value: unknown
}

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
   * Up to `limit` rows whose keys begin with `prefix`, in the order of the keys' text and windows.
   * @param place where to go on; without it, from the first row
   */
  scan(prefix: string, limit: number, place?: RowPlace): readonly ViewRow[]
  /** The same rows, each copied when it is taken: take them before anything else runs. */
  rows(prefix: string, limit: number, place?: RowPlace): Iterable<ViewRow>
}

/**
 * A reader for each table the topology returned.
 * @param tasks those that run now
 * @param gate called before every read: throws the reason when there can be no answer any more, else says
 * what the service is doing; it answers while it is `running`
 */
export function openViews(
  plan: Plan,
  tasks: () => Iterable<Task>,
  gate: () => string,
): Readonly<Record<string, ViewReader>> {
  const readers: Record<string, ViewReader> = {}
  for (const [name, node] of Object.entries(plan.topology.views)) {
    readers[name] = openView(plan, name, node, tasks, gate)
  }
  return readers
}

/** A store, and the partition it is of. */
interface HeldStore {
  readonly partition: number
  readonly store: ReadableStore
}

function openView(
  { topology: { service, nodes } }: Plan,
  name: string,
  id: number,
  tasks: () => Iterable<Task>,
  gate: () => string,
): ViewReader {
  const node = nodes[id]!
  const { type, partitions } = keyspaceOf(node)
  const stores = (): HeldStore[] => {
    return [...tasks()].flatMap(({ partition, pipeline }) => {
      const store = pipeline.tables.get(id) ?? pipeline.aggregates.get(id)
      // A task may be of a partition that other topics have and this one has not.
      return store === undefined || partition >= partitions ? [] : [{ partition, store }]
    })
  }
  const ready = (): HeldStore[] => {
    const state = gate()
    if (state !== 'running') throw notReady(service, state)
    return stores()
  }
  const find = (key: Key, read: (store: ReadableStore) => unknown): unknown => {
    const partition = partitionOf(type, key, partitions)
    const held = ready()
    // Who wrote the key may have put it elsewhere than Kafka's own clients do.
    for (const { store } of held) {
      const value = read(store)
      if (value !== undefined) return value
    }
    if (held.some((each) => each.partition === partition)) return undefined
    throw elsewhere(service, name, { key, partition, partitions })
  }
  return {
    keyType: type,
    schema: schemaOf(node),
    windowMs: node.kind === 'aggregate' ? node.window?.sizeMs : undefined,
    signature: signatureOf(node),
    partitions,
    held: () =>
      ready()
        .map(({ partition }) => partition)
        .toSorted((a, b) => a - b),
    size: () => {
      gate()
      return stores().reduce((sum, { store }) => sum + store.size, 0)
    },
    get: (key) => find(key, (store) => store.get(key)),
    getWindow: (key, start) => find(key, (store) => store.getWindow(key, start)),
    scan: (prefix, limit, place) => [...takeRows(ready(), { prefix, place, limit })],
    rows: (prefix, limit, place) => takeRows(ready(), { prefix, place, limit }),
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

function notReady(service: string, state: string): HeadwaterError {
  const what =
    state === 'starting'
      ? 'has not started yet'
      : 'is getting its partitions from the group or restoring their tables'
  return new HeadwaterError('not-ready', `service '${service}' ${what}: ask again soon`, {
    retriable: true,
  })
}

function elsewhere(
  service: string,
  view: string,
  o: { readonly key: Key; readonly partition: number; readonly partitions: number },
): HeadwaterError {
  const key = JSON.stringify(String(o.key).slice(0, 40))
  return new HeadwaterError(
    'partition-elsewhere',
    `key ${key} of view '${view}' lies in partition ${o.partition} of ${o.partitions}, which another ` +
      `instance of service '${service}' holds: ask that one`,
    { retriable: true },
  )
}
