/** What a service is run with, and what can be asked of it while it runs. */
import type { Clock, Dial, Random } from '../../io/ports.ts'
import type { Guarantee } from './commit.ts'
import type { ViewReader } from '../views/view-reader.ts'

/** Where a broker is and how to reach it. */
export interface BrokerAddress {
  readonly bootstrap: readonly { readonly host: string; readonly port: number }[]
  readonly dial: Dial
}

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
   * What to do at the start when a stream the service reads was deleted and made anew: `stop` (when left
   * out), or `restart`, which keeps the state and reads the new topic from its beginning.
   */
  readonly onTopicReplaced?: 'stop' | 'restart'
  /** How long the group waits for an instance that says nothing; 15,000 when left out. */
  readonly sessionTimeoutMs?: number
}

export type ServiceState = 'starting' | 'restoring' | 'running' | 'failed' | 'closed'

/** Counts since this instance started; those of inputs since they were read first. */
export interface ServiceStats {
  /** Records processed, those read from inputs included. */
  readonly recordsIn: number
  /** Records written to streams and inner topics. */
  readonly recordsOut: number
  /** Records without a key or value where one is needed. */
  readonly recordsDropped: number
  /** Records that came after their window was closed. */
  readonly recordsLate: number
  /** Records in this instance's partitions that it has not processed yet. */
  readonly lag: number
  readonly state: ServiceState
  readonly inputs: Readonly<Record<string, { readonly records: number; readonly done: boolean }>>
}

export interface RunningTopology {
  readonly service: string
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
