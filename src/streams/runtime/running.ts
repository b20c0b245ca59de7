/** What a service is run with, and what can be asked of it while it runs. */
import type { BrokerAddress } from '../../client/security/kafka.ts'
import type { Clock, Random } from '../../io/ports.ts'
import type { DecisionCounts, DropReason } from '../operators/counts.ts'
import type { PeerStats } from '../views/peer-counts.ts'
import type { ViewReader } from '../views/view-reader.ts'
import type { CallStats } from '../task/calls/call-limits.ts'
import type { EventCounts } from './event-counts.ts'
import type { ServiceEvent, ServiceState } from './service-event.ts'

export type Guarantee = 'exactly-once' | 'at-least-once'

/** Durations are whole milliseconds; `settings.ts` has their bounds. */
export interface RunTopologyOptions {
  readonly broker: BrokerAddress
  readonly clock: Clock
  readonly random: Random
  /** `exactly-once` when left out. */
  readonly guarantee?: Guarantee
  /** How long processed records wait for their commit, at most; 100 when left out. */
  readonly commitIntervalMs?: number
  /** How often processed records are deleted from inner topics; 30,000 when left out. */
  readonly purgeIntervalMs?: number
  /** Tells the instances of a service apart; `'1'` when left out. Each needs its own, and keeps it. */
  readonly instanceId?: string
  /**
   * Where other instances of the service reach the query server of this process, `host:port`: the group tells
   * them, and they pass on to it what this instance holds. Left out, it is not asked.
   */
  readonly queryAddress?: string
  /**
   * What to do at the start when a stream the service reads was deleted and made anew: `stop` (when left
   * out), or `restart`, which keeps the state and reads the new topic from its beginning.
   */
  readonly onTopicReplaced?: 'stop' | 'restart'
  /** How long the group waits for an instance that says nothing; 15,000 when left out. */
  readonly sessionTimeoutMs?: number
  /** How soon an instance hears of a rebalance; a twelfth of the session when left out. */
  readonly heartbeatIntervalMs?: number
  /** How long a rebalance waits for one that does not answer; a third of the session, at most 60,000, when left out. */
  readonly rebalanceTimeoutMs?: number
  /** The coordinator aborts a transaction that is open for longer; 60,000 when left out. At least two commits. */
  readonly transactionTimeoutMs?: number
  /** How long one attempt of a request may take; half the session, 1,000 to 30,000, when left out. */
  readonly requestTimeoutMs?: number
  /** How long records are processed before heartbeats and others get their turn; 20 when left out. */
  readonly turnMs?: number
  /** How long `close` waits for a last commit and for saying goodbye; 10,000 when left out. */
  readonly closeTimeoutMs?: number
  /**
   * How soon partitions that are added, and topics that come or go, are noticed; 300,000 when left out, as
   * Kafka's `metadata.max.age.ms`.
   */
  readonly metadataMaxAgeMs?: number
  /**
   * What to do when records between the committed position and the beginning of the log are gone: `stop`
   * (when left out), or `skip` them and count them.
   */
  readonly onGap?: 'stop' | 'skip'
  /** Gives the start up, which then rejects with the signal's reason; a running service is closed by `close`. */
  readonly signal?: AbortSignal
  /** Told of every change of state, rebalance and repair, and of which service. It must not throw. */
  readonly onEvent?: (event: ServiceEvent, service: string) => void
}

/** Counts since this instance started; those of inputs since they were read first. */
export interface ServiceStats extends EventCounts {
  /** Records processed, those read from inputs included. */
  readonly recordsIn: number
  /** Records written to streams and inner topics. */
  readonly recordsOut: number
  /** Records without a key, a value or a time where one is needed. */
  readonly recordsDropped: number
  /** Records that came after their window was closed. */
  readonly recordsLate: number
  /** Both of them by reason, and those that met no row of the table they were joined with. */
  readonly drops: Readonly<Record<DropReason, number>>
  /** Values that failed in an operator, or did not decode, and were skipped or put aside (`onError`). */
  readonly failures: { readonly skipped: number; readonly deadLettered: number }
  /** Commands by what became of them. */
  readonly decisions: Readonly<DecisionCounts>
  /** Commands whose outcome this instance remembers now, for who asks again, and the bytes of memory they take. */
  readonly remembered: { readonly commands: number; readonly bytes: number }
  /** Records that were gone from the log before they were read, with `onGap: 'skip'`. */
  readonly recordsSkipped: number
  /**
   * Offsets between this instance's positions and the ends of its partitions, those of open transactions
   * included; undefined while it is not known: while partitions move, and without a broker.
   */
  readonly lag: number | undefined
  readonly state: ServiceState
  /**
   * Whether the tables of what it holds answer: they are restored, it does not close, and it has heard from its
   * group lately; also while its broker is away.
   */
  readonly ready: boolean
  /** Of each input, what this instance reads of it: all its splits together. */
  readonly inputs: Readonly<Record<string, { readonly records: number; readonly done: boolean }>>
  /** Of each `mapAsync` and `forEach`. */
  readonly calls: Readonly<Record<string, CallStats>>
  /** Questions about tables that this instance passed on to others, by their address. */
  readonly peers: Readonly<Record<string, PeerStats>>
  /** What the group has given to this instance; undefined while it holds nothing. */
  readonly assignment: AssignmentStats | undefined
  /** Times this instance has committed. */
  readonly commits: number
  /** Times this instance has gone back to what is committed. */
  readonly repairs: number
  /**
   * Why it last did, what it last waited for, or why it has stopped; undefined when it never had to. `bug` when
   * it is none of ours.
   */
  readonly lastError: { readonly code: string; readonly message: string } | undefined
}

export interface AssignmentStats {
  readonly generation: number
  readonly memberId: string
  readonly tasks: readonly string[]
  readonly inputs: readonly string[]
}

export interface RunningTopology {
  readonly service: string
  /** Which of the instances of the service this is. */
  readonly instanceId: string
  /** The tables the topology returned, as far as this instance holds them. */
  readonly views: Readonly<Record<string, ViewReader>>
  stats(): ServiceStats
  /**
   * Resolves when the inputs this instance reads are at their end, and everything that was in its
   * partitions at the call has been processed and committed, with everything that followed from it
   * inside the service. Rejects when the service fails or is closed before.
   */
  caughtUp(): Promise<void>
  /** Rejects with the error that stopped the service; never resolves. */
  readonly failed: Promise<never>
  /** Commits and goes. What is not committed by then is processed again by the next instance. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
