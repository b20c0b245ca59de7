/**
 * What the query server can read: the views of services, each a table of their state.
 *
 * Reading is synchronous and never blocks the service that owns the state; a value read is one the
 * service had, and its owner may change it right after.
 */
import type { DescMessage } from '@bufbuild/protobuf'

/** A key as the owner of a view sees it. */
export type ViewKey = string | bigint

export interface ViewEntry {
  readonly key: ViewKey
  /** Milliseconds since 1970 at which the entry's window begins; undefined without windows. */
  readonly windowStart?: number
  readonly value: unknown
}

/** One table of a service. */
export interface QueryView {
  readonly keyType: 'string' | 'int64'
  /** The message that values are; undefined when they are plain values. */
  readonly schema: DescMessage | undefined
  /** Size of its windows; undefined for a table without windows. */
  readonly windowMs: number | undefined
  size(): number
  get(key: ViewKey): unknown
  /** The value of a key in the window that begins at `windowStart`. */
  getWindow(key: ViewKey, windowStart: number): unknown
  /** Up to `limit` entries whose keys begin with `prefix`, in the order of their keys' text. */
  scan(prefix: string, limit: number): readonly ViewEntry[]
}

/** A service as the query server sees it. */
export interface QueryService {
  readonly name: string
  /** Whether its tables are complete enough to be asked. */
  ready(): boolean
  readonly views: Readonly<Record<string, QueryView>>
}
