/**
 * Reads the tables that a topology returned, over all tasks of this instance.
 *
 * What is read is committed: a value that a transaction has not yet made true is never seen, and one that is
 * seen stays true after a crash. Answers are the reader's own; changing one changes no state. A service that
 * has failed or was closed does not answer: reading throws its reason. Keys whose partitions other
 * instances own are not here.
 */
import type { DescMessage } from '@bufbuild/protobuf'
import type { Plan } from '../plan/plan.ts'
import type { Key, KeyKind } from '../stores/serde.ts'
import type { ReadableStore } from '../stores/store.ts'
import type { Task } from '../task/task.ts'
import type { TopologyNode } from '../topology/topology.ts'
import type { TableView, WindowEntry, WindowView } from './views.ts'

/** One row of a view. */
export interface ViewRow {
  readonly key: Key
  /** Milliseconds since 1970 at which the row's window begins; absent without windows. */
  readonly windowStart?: number
  readonly value: unknown
}

/** One table, read synchronously. Reading throws when the service can no longer answer. */
export interface ViewReader {
  readonly keyType: KeyKind
  /** The message that values are; undefined when they are plain values. */
  readonly schema: DescMessage | undefined
  /** Size of its windows; undefined for a table without windows. */
  readonly windowMs: number | undefined
  size(): number
  get(key: Key): unknown
  /** The value of a key in the window that begins at `windowStart`, in milliseconds since 1970. */
  getWindow(key: Key, windowStart: number): unknown
  /** Up to `limit` rows whose keys begin with `prefix`, in the order of the keys' text and windows. */
  scan(prefix: string, limit: number): readonly ViewRow[]
}

/**
 * A reader for each table the topology returned.
 * @param tasks those that run now
 * @param gate called before every read; throws the reason when there can be no answer
 */
export function openViews(
  plan: Plan,
  tasks: () => Iterable<Task>,
  gate: () => void,
): Readonly<Record<string, ViewReader>> {
  const readers: Record<string, ViewReader> = {}
  for (const [name, node] of Object.entries(plan.topology.views)) {
    readers[name] = openView(plan, node, tasks, gate)
  }
  return readers
}

function openView(
  { topology }: Plan,
  id: number,
  tasks: () => Iterable<Task>,
  gate: () => void,
): ViewReader {
  const node = topology.nodes[id]!
  const keyspace = node.kind === 'table' ? node.event.key : 'keyspace' in node && node.keyspace
  const stores = (): ReadableStore[] => {
    gate()
    return [...tasks()].flatMap(({ pipeline }) => {
      return pipeline.tables.get(id) ?? pipeline.aggregates.get(id) ?? []
    })
  }
  const first = (read: (store: ReadableStore) => unknown): unknown => {
    for (const store of stores()) {
      const value = read(store)
      if (value !== undefined) return value
    }
    return undefined
  }
  return {
    keyType: keyspace ? keyspace.type : 'string',
    schema: schemaOf(node),
    windowMs: node.kind === 'aggregate' ? node.window?.sizeMs : undefined,
    size: () => stores().reduce((sum, store) => sum + store.size, 0),
    get: (key) => first((store) => store.get(key)),
    getWindow: (key, start) => first((store) => store.getWindow(key, start)),
    scan: (prefix, limit) => scan(stores(), prefix, limit),
  }
}

function schemaOf(node: TopologyNode): DescMessage | undefined {
  if (node.kind === 'table') return node.event.schema
  return node.kind === 'aggregate' ? node.state : undefined
}

function scan(stores: readonly ReadableStore[], prefix: string, limit: number): ViewRow[] {
  const found: { text: string; key: Key; start: number | undefined; store: ReadableStore }[] = []
  for (const store of stores) {
    for (const { key, start } of store.keys()) {
      const text = String(key)
      if (text.startsWith(prefix)) found.push({ text, key, start, store })
    }
  }
  found.sort((a, b) => {
    if (a.text !== b.text) return a.text < b.text ? -1 : 1
    return (a.start ?? 0) - (b.start ?? 0)
  })
  // Only now are values copied: those beyond the limit cost nothing.
  return found.slice(0, limit).map(({ key, start, store }) => {
    return start === undefined
      ? { key, value: store.get(key) }
      : { key, value: store.getWindow(key, start), windowStart: start }
  })
}

/** The view as callers in this process see it. */
export function asView(reader: ViewReader): TableView<Key, unknown> | WindowView<Key, unknown> {
  return reader.windowMs === undefined ? tableView(reader) : windowView(reader, reader.windowMs)
}

function tableView(reader: ViewReader): TableView<Key, unknown> {
  return {
    get: async (key) => reader.get(key),
    async *scan({ prefix = '', limit = Infinity } = {}) {
      for (const { key, value } of reader.scan(prefix, limit)) yield [key, value] as const
    },
  }
}

function windowView(reader: ViewReader, windowMs: number): WindowView<Key, unknown> {
  const startOf = (at: Date): number => Math.floor(at.getTime() / windowMs) * windowMs
  return {
    get: async (key, at) => reader.getWindow(key, startOf(at)),
    async *range(key, from, to): AsyncGenerator<WindowEntry<unknown>> {
      const first = startOf(new Date(from.getTime() + windowMs - 1))
      for (let start = first; start < to.getTime(); start += windowMs) {
        const value = reader.getWindow(key, start)
        if (value === undefined) continue
        yield { start: new Date(start), end: new Date(start + windowMs), value }
      }
    },
  }
}
