/** What happens to a running service, told as it happens. */
import type { HeadwaterError } from '../../base/errors.ts'
import type { Ownership } from '../../client/group/ownership.ts'
import type { Discard } from '../operators/discards.ts'
import type { Stall } from './stalls.ts'
import type { SlowRecord } from './turn.ts'

export type ServiceState =
  | 'starting'
  | 'restoring'
  | 'running'
  | 'reconnecting'
  | 'failed'
  | 'closed'

export type ServiceEvent =
  | { readonly type: 'state'; readonly state: ServiceState }
  /** The group gave this instance tasks. */
  | { readonly type: 'assigned'; readonly generation: number; readonly partitions: number }
  /** The group forms anew; everything is committed, and state is kept for as long as it may be used. */
  | { readonly type: 'revoked'; readonly generation: number; readonly partitions: number }
  /** The partitions may be another's: everything begun was dropped. */
  | { readonly type: 'lost'; readonly generation: number; readonly partitions: number }
  /** Tasks are ready: kept ones went on as they were, the others came back from their changelogs. */
  | {
      readonly type: 'opened'
      readonly kept: number
      readonly restored: number
      readonly ms: number
    }
  /** Transactions of instances that are gone were ended. */
  | { readonly type: 'orphans-ended'; readonly transactionalIds: readonly string[] }
  /** Something failed; the instance goes back to what is committed after `pauseMs`. */
  | { readonly type: 'repair'; readonly error: HeadwaterError; readonly pauseMs: number }
  /** The functions of the service took long for one record. */
  | ({ readonly type: 'slow-record' } & SlowRecord)
  /** Operators dropped, skipped or put aside values; at most once a second for each kind. */
  | ({ readonly type: 'discarded' } & Discard)
  /** Records were gone from the log before they were read (`onGap: 'skip'`). */
  | {
      readonly type: 'skipped'
      readonly topic: string
      readonly partition: number
      readonly records: number
    }
  /** A partition cannot be read; the instance goes on trying. */
  | ({ readonly type: 'stalled' } & Stall)
  /** No broker can be reached any more; the instance goes on trying, and says so once. */
  | { readonly type: 'broker-lost'; readonly error: HeadwaterError }
  /** One can again, after `ms`. */
  | { readonly type: 'broker-found'; readonly ms: number }
  /** A record stops the service: what was before it is processed once more and committed, and then it stops. */
  | { readonly type: 'stopping'; readonly error: HeadwaterError }
  | { readonly type: 'failed'; readonly error: unknown }

/** What the group did to an instance, as an event. */
export function groupEvent(
  type: 'assigned' | 'revoked' | 'lost',
  { generation, partitions }: Ownership,
): ServiceEvent {
  return { type, generation, partitions: partitions.length }
}
