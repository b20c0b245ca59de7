/**
 * What the query server can read: the views of services, each a table of their state.
 *
 * Reading is synchronous and never blocks the service that owns the state; a value read is committed and the
 * reader's own.
 */
import type { ViewReader } from '../streams/views/view-reader.ts'

/** A service as the query server sees it. */
export interface QueryService {
  readonly name: string
  /** Whether its tables are complete enough to be asked. */
  ready(): boolean
  readonly views: Readonly<Record<string, ViewReader>>
}
