/**
 * The tables of a service as its callers see them, in this process or over HTTP: one typed view for each
 * table the topology returned. Values are committed ones, and the caller's own. A read rejects with the
 * reason when the service has failed or was closed.
 *
 * Types only, so that another process can import them without loading the service.
 */
import type { KeyOf } from '../../events/event.ts'
import type { Queries, Table, WindowTable } from '../topology/builder.ts'

/** The views of whatever carries its returned tables in the type of `queries`: a service. */
export type Views<S extends { readonly queries?: Queries }> = {
  readonly [P in keyof NonNullable<S['queries']>]: ViewOf<NonNullable<S['queries']>[P]>
}

export type ViewOf<T> =
  T extends WindowTable<infer K, infer V>
    ? WindowView<KeyOf<K>, V>
    : T extends Table<infer K, infer V>
      ? TableView<KeyOf<K>, V>
      : never

export interface TableView<K, V> {
  get(key: K): Promise<V | undefined>
  /** Keys and values, in no promised order. */
  scan(options?: ScanOptions): AsyncIterable<readonly [key: K, value: V]>
}

export interface WindowView<K, V> {
  /** The value of the window that holds `at`. */
  get(key: K, at: Date): Promise<V | undefined>
  /** The windows that start in `[from, to)`, in order of time. */
  range(key: K, from: Date, to: Date): AsyncIterable<WindowEntry<V>>
}

export interface WindowEntry<V> {
  readonly start: Date
  /** Exclusive. */
  readonly end: Date
  readonly value: V
}

export interface ScanOptions {
  /** Only string keys that begin so. */
  readonly prefix?: string
  readonly limit?: number
}
