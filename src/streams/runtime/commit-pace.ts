/**
 * When to commit: soon enough for whoever reads the results, seldom enough to be cheap.
 *
 * While there is always more to process, transactions grow until committing costs little beside
 * processing. When there is nothing more, the interval counts, and not even that if someone waits. Who has asked
 * for the outcome of a command waits for no interval and no other records: it is committed after the turn, with
 * everything that was at hand.
 */
import type { Clock } from '../../io/ports.ts'
import type { DecisionCounts } from '../operators/counts.ts'

/** A transaction is committed at the latest when it has processed this many records. */
const transactionRecordsMax = 50_000
/** A busy service processes this many times as long as its last commit took, up to a bound. */
const busyCommitShare = 8
const busyIntervalMsMax = 1_000

export class CommitPace {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #decisions: Pick<DecisionCounts, 'asked'>
  /** How many commands had been asked when nothing was uncommitted. */
  #askedBefore = 0
  #records = 0
  /** When the first uncommitted record was processed. */
  #since: number | undefined
  #startedAt = 0
  #commitMs = 0
  #commits = 0

  /** @param decisions those of the service, as they go on */
  constructor(clock: Clock, intervalMs: number, decisions: Pick<DecisionCounts, 'asked'>) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#decisions = decisions
  }

  /** How often was committed. */
  get commits(): number {
    return this.#commits
  }

  /** Whether there is anything to commit. */
  get isPending(): boolean {
    return this.#since !== undefined
  }

  /** Notes that records were processed. */
  processed(records: number): void {
    this.#records += records
    this.#since ??= this.#clock.monotonic()
  }

  /**
   * @param isBusy whether there is more to process @param isAwaited whether someone waits for a commit
   * @param isCareful whether nothing may be added to what was processed
   */
  isDue(isBusy: boolean, isAwaited: boolean, isCareful = false): boolean {
    if (this.#since === undefined) return false
    if (isCareful || this.#decisions.asked > this.#askedBefore) return true
    if (this.#records >= transactionRecordsMax) return true
    if (!isBusy && isAwaited) return true
    const busyMs = Math.min(busyIntervalMsMax, this.#commitMs * busyCommitShare)
    const dueMs = isBusy ? Math.max(this.#intervalMs, busyMs) : this.#intervalMs
    return this.#clock.monotonic() - this.#since >= dueMs
  }

  /**
   * How long nothing is due when nothing happens; undefined: for ever.
   * @param hasMoved whether a position is ahead of its commit: they also move over control records, which
   * is committed, too, without haste
   */
  idleMs(hasMoved: boolean): number | undefined {
    if (hasMoved) this.processed(0)
    if (this.#since === undefined) return undefined
    return Math.max(1, this.#since + this.#intervalMs - this.#clock.monotonic())
  }

  begin(): void {
    this.#startedAt = this.#clock.monotonic()
  }

  committed(): void {
    this.#commitMs = this.#clock.monotonic() - this.#startedAt
    this.#commits++
    this.reset()
  }

  /** Forgets what was not committed. */
  reset(): void {
    this.#records = 0
    this.#since = undefined
    this.#askedBefore = this.#decisions.asked
  }
}
