/**
 * Transactions as they are: one record a transactional id, with the producer id and epoch it goes by.
 *
 *     Empty ──▶ Ongoing ──▶ PrepareCommit ──▶ CompleteCommit ──▶ Ongoing ...
 *       │           └─────▶ PrepareAbort ───▶ CompleteAbort  ──▶ Ongoing ...
 *       └─ an abort of nothing (KIP-890) ─▶ PrepareAbort
 *
 * From *Prepare* on the outcome is decided: it survives a crash, and markers are written until all stand.
 *
 * Invariants: a producer id belongs to one transactional id and is never given out twice; for one producer
 * id the epoch never falls; `Prepare` and `Ongoing` alone hold partitions or groups; nothing that runs out
 * goes by the times that are stored.
 */

export interface TransactionsState {
  /** Every id below was given out. */
  nextProducerId: number
  readonly transactions: Map<string, Transaction>
  /** By transactional id. A restart forgets them, and begins others. */
  readonly timings: Map<string, Timing>
  /** About what they hold (`weight.ts`). */
  bytes: number
}

/** What this process measures by its monotonic clock. */
export interface Timing {
  /** When the latest transaction began; `Infinity` when there was none. */
  readonly startedMs: number
  /** When an open transaction is aborted, or an idle id forgotten; `Infinity` while markers are written. */
  readonly deadlineMs: number
}

export const noTiming: Timing = { startedMs: Infinity, deadlineMs: Infinity }

export type TransactionPhase =
  | 'Empty'
  | 'Ongoing'
  | 'PrepareCommit'
  | 'PrepareAbort'
  | 'CompleteCommit'
  | 'CompleteAbort'

export interface Transaction {
  readonly transactionalId: string
  readonly state: TransactionPhase
  readonly producerId: number
  readonly producerEpoch: number
  /** The epoch before, if a retry that still carries it may be answered; −1 if none. */
  readonly lastProducerEpoch: number
  /** The producer id before the last change of it, −1 if none. */
  readonly previousProducerId: number
  /** The producer id to go by once the markers stand, when the epochs of this one are used up; else −1. */
  readonly nextProducerId: number
  readonly timeoutMs: number
  /** By topic. Grows in place while the transaction is open: a copy at each addition would cost the square
   * of what is added. */
  readonly partitions: Map<string, Set<number>>
  /** Grows like the partitions. */
  readonly groups: Set<string>
  /** By the wall clock, as `updatedAt`; −1 when no transaction was ever open. */
  readonly startedAt: number
  readonly updatedAt: number
}

/** The last epoch a producer may use; one more is kept back to fence it. */
export const producerEpochMax = 32_766

/** Whether the coordinator has to change the producer id before it can give out another epoch. */
export function isExhausted({ producerEpoch }: Transaction): boolean {
  return producerEpoch >= producerEpochMax
}

/** Whether the outcome is decided, and markers are still to be written. */
export function isPrepared({ state }: Transaction): boolean {
  return state === 'PrepareCommit' || state === 'PrepareAbort'
}

export function initialTransactions(): TransactionsState {
  return { nextProducerId: 0, transactions: new Map(), timings: new Map(), bytes: 0 }
}

export function topicList(
  partitions: ReadonlyMap<string, ReadonlySet<number>>,
): { name: string; partitions: number[] }[] {
  return [...partitions].map(([name, indexes]) => ({ name, partitions: [...indexes] }))
}
