/**
 * The tables of a service as its callers see them, in this process or over HTTP: one typed view for each
 * table the topology returned. Values are committed ones, and the caller's own. A read rejects with the
 * reason when the service has failed or was closed, with `not-ready` while its partitions move or are
 * restored, and with `partition-elsewhere` when another instance would have to answer: never with an answer
 * that is not right.
 *
 * Types only, so that another process can import them without loading the service.
 */
import type { HeadwaterError } from '../../base/errors.ts'
import type { KeyOf } from '../../events/event.ts'
import type { Queries, Table, WindowTable } from '../topology/builder.ts'
import type { EventPlace } from './freshness.ts'

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

/** How fresh an answer has to be. It rejects with `not-ready`, and how far the view is, when it cannot be. */
export interface ReadOptions {
  /**
   * Receipts of events: the answer holds them, with all that followed from them inside the service. Streams that
   * the view is not made of are `input-invalid`.
   */
  readonly after?: EventPlace | readonly EventPlace[]
  /** Milliseconds to wait for that; 5,000 when left out, 60,000 at most. */
  readonly waitMs?: number
  /** How many records may lie before the view at most, as they are counted after the question came. */
  readonly maxLag?: number
}

export interface ChangesOptions<K> {
  readonly key?: K
  /** Only keys whose text begins so. */
  readonly prefix?: string
  /** The `id` of what was got last, from any instance; without it, from now on. */
  readonly from?: string | undefined
  /** Ends the feed at once, without an error: as a `break` does, also while nothing comes. */
  readonly signal?: AbortSignal
}

/** What a feed tells. Its `id` names the place behind it. */
export type ViewChange<K, V> =
  /** The feed is open; this comes first. */
  | { readonly type: 'begin'; readonly id: string }
  /** Changes since `from` are gone, or may be: read the view for what is so now. */
  | { readonly type: 'resumed-late'; readonly id: string; readonly partition: number }
  | {
      readonly type: 'change'
      readonly id: string
      readonly key: K
      /** The first millisecond of the row's window, where there are windows. */
      readonly start?: Date
      /** Undefined: the row is gone. */
      readonly value: V | undefined
      /** What it was; undefined when there was none. */
      readonly old: V | undefined
      /** Whether `old` is known: what the feed has forgotten, or what was compacted away, is not. */
      readonly isOldKnown: boolean
    }

/** Views with a feed: those in the process of their service. */
export type OwnViews<S extends { readonly queries?: Queries }> = {
  readonly [P in keyof NonNullable<S['queries']>]: ViewOf<NonNullable<S['queries']>[P]> &
    FeedOfView<NonNullable<S['queries']>[P]>
}

/** Views with a feed in another process. */
export type RemoteViews<S extends { readonly queries?: Queries }> = {
  readonly [P in keyof NonNullable<S['queries']>]: ViewOf<NonNullable<S['queries']>[P]> &
    RemoteFeedOfView<NonNullable<S['queries']>[P]>
}

type RemoteFeedOfView<T> =
  T extends WindowTable<infer K, infer V>
    ? WithRemoteChanges<KeyOf<K>, V>
    : T extends Table<infer K, infer V>
      ? WithRemoteChanges<KeyOf<K>, V>
      : never

export interface WithRemoteChanges<K, V> {
  /**
   * As in the process of the service, over HTTP. It rejects as a read does when it cannot be opened; once it was,
   * it opens anew whatever breaks it off, from behind the last item that was taken, for as long as its reader
   * stays, and tells so once each time. A place that is none any more is `input-invalid`.
   */
  changes(options?: ChangesOptions<K>): AsyncIterable<RemoteChange<K, V>>
}

/** What a feed tells in another process. */
export type RemoteChange<K, V> =
  | ViewChange<K, V>
  /** It was broken off, and is opened anew behind `id`; `begin` says that it is open again. */
  | { readonly type: 'reconnecting'; readonly id: string; readonly why: HeadwaterError }

type FeedOfView<T> =
  T extends WindowTable<infer K, infer V>
    ? WithChanges<KeyOf<K>, V>
    : T extends Table<infer K, infer V>
      ? WithChanges<KeyOf<K>, V>
      : never

export interface WithChanges<K, V> {
  /**
   * What rows become, of all instances, as it is committed; in order by key. It begins when its first item is
   * taken, and goes on until the service ends, which it throws, or its reader leaves: by `break` or `return()`,
   * which end it at once, also while a `next()` waits, or by `signal`.
   */
  changes(options?: ChangesOptions<K>): AsyncIterable<ViewChange<K, V>>
}

export interface TableView<K, V> {
  get(key: K, options?: ReadOptions): Promise<V | undefined>
  /**
   * Keys and values in the order of the keys' text. In the process of the service they are those of one
   * moment; from another process they come in pages, each of its own moment.
   */
  scan(options?: ScanOptions): AsyncIterable<readonly [key: K, value: V]>
  /** A part of the rows, and where the next one begins. */
  page(options?: PageOptions): Promise<Page<K, V>>
}

export interface WindowView<K, V> {
  /** The value of the window that holds `at`. */
  get(key: K, at: Date, options?: ReadOptions): Promise<V | undefined>
  /** The windows that start in `[from, to)`, in order of time; at most 10,000 windows apart. */
  range(key: K, from: Date, to: Date, options?: ReadOptions): AsyncIterable<WindowEntry<V>>
}

export interface WindowEntry<V> {
  readonly start: Date
  /** Exclusive. */
  readonly end: Date
  readonly value: V
}

export interface ScanOptions extends ReadOptions {
  /** Only keys whose text begins so. */
  readonly prefix?: string
  /** How many rows at most; all of them when left out. `page` says whether there are more. */
  readonly limit?: number
  /**
   * From another process: be content with the rows of the partitions that the instance holds; else it rejects
   * when it lacks some. In the process a scan is always of those.
   */
  readonly partial?: boolean
}

export interface PageOptions extends ReadOptions {
  /** Only keys whose text begins so. */
  readonly prefix?: string
  /** How many rows at most, up to 10,000; 100 when left out. */
  readonly limit?: number
  /** `next` of the page before, with the same prefix. */
  readonly cursor?: string
  /** Be content with the rows of the partitions that can be had now; else it rejects with `not-ready`. */
  readonly partial?: boolean
}

/** Some rows of a view. A row that is there all the time is on exactly one of the pages. */
export interface Page<K, V> {
  /** In the order of the keys' text. */
  readonly entries: readonly (readonly [key: K, value: V])[]
  /** Whether rows are left. */
  readonly more: boolean
  /** Where they begin; undefined when none is left. */
  readonly next: string | undefined
  readonly partitions: Coverage
}

/** Of which partitions the rows are. */
export interface Coverage {
  /** How many the view has. */
  readonly count: number
  /** Those that the instance asked holds, in order. Rows of others are not among the entries. */
  readonly covered: readonly number[]
}
