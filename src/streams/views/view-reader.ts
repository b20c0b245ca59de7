/**
 * Reads the tables that a topology returned, over all tasks of this instance.
 *
 * What is read is live: everything this instance has processed, including what the running transaction
 * has not committed yet (at most a commit interval). After a crash that part is computed again, to the
 * same result, so a reader never sees a value that will not be; it may see it before others do. Keys whose
 * partitions other instances own are not here.
 */
import type { DescMessage } from '@bufbuild/protobuf'
import type { Plan } from '../plan/plan.ts'
import type { Key, KeyKind } from '../stores/serde.ts'
import type { ReadableStore } from '../stores/store.ts'
import type { Task } from '../task/task.ts'
import type { TableView, WindowEntry, WindowView } from './views.ts'

/** One row of a view. */
export interface ViewRow {
  readonly key: Key
  /** Milliseconds since 1970 at which the row's window begins; absent without windows. */
  readonly windowStart?: number
  readonly value: unknown
}

/** One table, read synchronously. */
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

/** A reader for each table the topology returned. `tasks` are those that run now. */
export function openViews(
  plan: Plan,
  tasks: () => Iterable<Task>,
): Readonly<Record<string, ViewReader>> {
  const readers: Record<string, ViewReader> = {}
  for (const [name, node] of Object.entries(plan.topology.views)) {
    readers[name] = openView(plan, node, tasks)
  }
  return readers
}

function openView({ topology }: Plan, id: number, tasks: () => Iterable<Task>): ViewReader {
  const node = topology.nodes[id]!
  const keyspace = node.kind === 'table' ? node.event.key : 'keyspace' in node && node.keyspace
  function* stores(): Iterable<ReadableStore> {
    for (const { pipeline } of tasks()) {
      const store = pipeline.tables.get(id) ?? pipeline.aggregates.get(id)
      if (store !== undefined) yield store
    }
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
    schema: node.kind === 'table' ? node.event.schema : undefined,
    windowMs: node.kind === 'aggregate' ? node.window?.sizeMs : undefined,
    size: () => [...stores()].reduce((sum, store) => sum + store.size, 0),
    get: (key) => first((store) => store.get(key)),
    getWindow: (key, start) => first((store) => store.getWindow(key, start)),
    scan: (prefix, limit) => scan(stores(), prefix, limit),
  }
}

function scan(stores: Iterable<ReadableStore>, prefix: string, limit: number): ViewRow[] {
  const found: { text: string; row: ViewRow }[] = []
  for (const store of stores) {
    for (const { key, start, value } of store.rows()) {
      const text = String(key)
      if (!text.startsWith(prefix)) continue
      found.push({
        text,
        row: start === undefined ? { key, value } : { key, value, windowStart: start },
      })
    }
  }
  found.sort((a, b) => {
    if (a.text !== b.text) return a.text < b.text ? -1 : 1
    return (a.row.windowStart ?? 0) - (b.row.windowStart ?? 0)
  })
  return found.slice(0, limit).map(({ row }) => row)
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
