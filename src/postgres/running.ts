/** What can be asked of a sink while it runs, and what it tells. */
import type { HeadwaterError } from '../base/errors.ts'
import type { ServiceStats } from '../streams/runtime/running.ts'
import type { ServiceEvent } from '../streams/runtime/service-event.ts'

/** What happens to a sink: what happens to services, and to its connection to the database. */
export type SinkEvent =
  | ServiceEvent
  /** The database cannot be used any more; the sink goes on trying, and says so once. */
  | { readonly type: 'database-lost'; readonly error: HeadwaterError }
  /** It can again, after `ms`. */
  | { readonly type: 'database-found'; readonly ms: number }

/**
 * Counts as services have them, since this instance started: `recordsOut` are rows written and deleted,
 * `commits` transactions of the database, `reconnecting` also the state of a sink without its database.
 */
export interface SinkStats extends ServiceStats {
  /** Times it has lost its database. */
  readonly databaseOutages: number
  /** Milliseconds that it was without it, an outage that goes on with them. */
  readonly databaseAwayMs: number
  /** Attempts in vain to use it meanwhile. */
  readonly databaseRetries: number
}

/** A sink that runs. While it does, also while it waits, the process stays alive. */
export interface RunningSink {
  /** The name of the sink, as observers of services take it. */
  readonly service: string
  stats(): SinkStats
  /**
   * Resolves when everything that was in its partitions at the call is in the tables; rejects when the sink
   * fails or is closed before.
   */
  caughtUp(): Promise<void>
  /**
   * Rejects with the error that stopped it; never resolves. When nobody has asked for it, nor waits for
   * `caughtUp`, that error ends the process.
   */
  readonly failed: Promise<never>
  /** The sink alone, as `readiness` and `operations` take services. */
  readonly services: readonly RunningSink[]
  /** Ends the transaction that is under way, and goes. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
